"""The parts of an emulated AWS: MiniStack, the stacks on it, the edge."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3

from infra.build import ROOT, build
from infra.stacks import put_stack
from infra.validate import DATA, EDGE, load

REGION: Final = "us-east-1"
BUCKET: Final = "bucket"
"""Where ``infra.build.transformed`` says that the bundle is."""

STARTS_WITHIN_S: Final = 60

_SOURCES: Final = (
    ".chalice",
    "app.py",
    "chalicelib",
    "constraints.txt",
    "requirements.txt",
)
_HERE: Final = Path(__file__).resolve().parent


_API: Final = {"ApiId": {"Ref": "WebsocketAPI"}}
_OPENS_SOCKETS: Final = {
    "OpenIntegration": {
        "Type": "AWS::ApiGatewayV2::Integration",
        "Properties": {**_API, "IntegrationType": "MOCK"},
    },
    "OpenRoute": {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            **_API,
            "RouteKey": "$connect",
            "Target": {"Fn::Join": ["/", ["integrations", {"Ref": "OpenIntegration"}]]},
        },
    },
}


class DidNotStart(Exception):
    """A part did not come up; the message says which, and what it said last."""


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def bundle(directory: Path) -> Path:
    """Build the app for this machine's processor; Lambda's own is another."""
    project = directory / "project"
    project.mkdir(parents=True)
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
            shutil.copytree(source, project / name, ignore=ignored)
        else:
            shutil.copy(source, project / name)
    path = project / ".chalice/config.json"
    config = json.loads(path.read_text()) | {"lambda_architecture": "x86_64"}
    path.write_text(json.dumps(config))
    build("dev", project, directory / "out")
    return directory / "out"


@contextmanager
def ministack(program: Path, log: Path) -> Iterator[str]:
    """Run MiniStack inside the block; yield its address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    variables = {
        "PATH": "/usr/bin:/bin",
        "GATEWAY_PORT": str(port),
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "WARNING",
        "AWS_ENDPOINT_URL": address,
    }
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - a program that the operator names
            [str(program)], env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(f"{address}/_localstack/health", log)
            yield address
        finally:
            # It waits for its functions, which wait for more to do.
            process.kill()
            process.wait()


class Account:
    """An account of MiniStack's, with our stacks."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._session = boto3.Session("test", "test", region_name=REGION)

    def client(self, service: str) -> Any:
        """A client of boto3's."""
        make: Any = self._session.client
        return make(service, endpoint_url=self.address)

    def create(self, out: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create the stacks of data and app; return the app's outputs.

        Raises:
            StackFailed: a resource was refused.
        """
        store = self.client("s3")
        store.create_bucket(Bucket=BUCKET)
        store.upload_file(str(out / "deployment.zip"), BUCKET, "deployment.zip")
        self._stack("data", load(DATA), {"TablePrefix": "geoflow-emulated-"})
        return self._stack("app", self._app(out), {"DataStack": "data", **parameters})

    def deploy(self, function: str) -> dict[str, Any]:
        """Invoke the step after a deployment; return its answer."""
        answer = self.client("lambda").invoke(FunctionName=function)
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise DidNotStart(f"deploy: {told}")
        return told

    def _app(self, out: Path) -> dict[str, Any]:
        """The app's template, but for what MiniStack does not know."""
        template = load(out / "cfn.json")
        kinds = {name: each["Type"] for name, each in template["Resources"].items()}
        for name, kind in kinds.items():
            if kind == "AWS::ApiGatewayV2::Deployment":  # its stage deploys by itself
                del template["Resources"][name]
        # AWS opens a socket without asking where no route says $connect; MiniStack asks $default.
        template["Resources"] |= _OPENS_SOCKETS
        aws = "https://${WebsocketAPI}.execute-api.${AWS::Region}.${AWS::URLSuffix}/api"
        here = f"{self.address}/_aws/execute-api/${{WebsocketAPI}}/api"
        text = json.dumps(template).replace(json.dumps(aws)[1:-1], here)
        found: dict[str, Any] = json.loads(text)
        return found

    def _stack(
        self, name: str, template: Mapping[str, Any], parameters: Mapping[str, str]
    ) -> dict[str, str]:
        key = f"{name}.json"
        self.client("s3").put_object(
            Bucket=BUCKET, Key=key, Body=json.dumps(template).encode()
        )
        return put_stack(self.client, name, f"{self.address}/{BUCKET}/{key}", parameters)

    def count(self, stack: str) -> int:
        """How many resources a stack has."""
        formation = self.client("cloudformation")
        return len(formation.describe_stack_resources(StackName=stack)["StackResources"])


@contextmanager
def edge(
    address: str, outputs: Mapping[str, str], secret: str, port: int
) -> Iterator[None]:
    """Stand in for CloudFront at ``port`` inside the block, as ``edge.yaml`` says."""
    template = load(EDGE)["Resources"]
    given = {
        "port": port,
        "origins": {
            name: {
                "host": "127.0.0.1",
                "port": int(address.rpartition(":")[2]),
                "path": f"/_aws/execute-api/{outputs[api]}/api",
                "headers": {"x-geoflow-edge": secret},
            }
            for name, api in (("rest", "RestAPIId"), ("sync", "WebsocketAPIId"))
        },
        "behaviours": list(_behaviours(template)),
    }
    command = ["node", str(_HERE / "edge.mjs"), json.dumps(given)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise DidNotStart("the edge")
            yield
        finally:
            process.terminate()


def _behaviours(template: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    config = template["Distribution"]["Properties"]["DistributionConfig"]
    default = {**config["DefaultCacheBehavior"], "PathPattern": "*"}
    for each in (*config["CacheBehaviors"], default):
        functions = [
            association["FunctionARN"]["Fn::GetAtt"][0]
            for association in each.get("FunctionAssociations", ())
        ]
        code = "".join(template[name]["Properties"]["FunctionCode"] for name in functions)
        yield {
            "pattern": each["PathPattern"],
            "origin": each["TargetOriginId"],
            "code": code,
        }


def _wait_for(url: str, log: Path) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own
        except OSError as error:
            if time.monotonic() > give_up:
                raise DidNotStart(f"{url}: {error}: {log.read_text()[-500:]}") from None
            time.sleep(0.2)
        else:
            return
