"""The second path to AWS: what ``chalice deploy`` needs before, and what it leaves undone.

Chalice makes functions and APIs by itself, and knows no queues, log groups or options of event
sources. So ``prepare`` takes these from the same templates into a stack of their own, and
writes a copy of the project in which variables and policies name what the stacks have made.
``finish`` sets what Chalice has no word for. docs/operations.md has the steps.

The first path, ``make package``, is the better one: it changes everything together, and back.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import boto3

from infra.build import ROOT, STAGES, merged
from infra.intrinsics import Names
from infra.stacks import StackFailed, put_stack

PROJECT: Final = ROOT / "out/direct"
"""The copy that ``chalice deploy --project-dir`` is given."""

KINDS: Final = ("AWS::SQS::Queue", "AWS::Logs::LogGroup")
"""Resources of the merged templates that Chalice does not make, and functions need."""

SOURCES: Final = (
    ".chalice",
    "app.py",
    "chalicelib",
    "constraints.txt",
    "requirements.txt",
)

FUNCTIONS: Final[Mapping[str, str]] = {
    "APIHandler": "",
    "WebsocketMessage": "-websocket_message",
    "WebsocketDisconnect": "-websocket_disconnect",
    "CommitLog": "-commit_log",
    "Jobs": "-jobs",
    "Wakes": "-wakes",
    "Heartbeat": "-heartbeat",
    "Deploy": "-deploy",
}
"""Names of functions by Chalice's rule: what follows ``geoflow-<stage>``, by logical id."""

UPDATED: Final = (
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "FunctionResponseTypes",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "ScalingConfig",
)
"""Options of event sources that can be set after Chalice has made them."""


class Direct:
    """One stage on one account, as ``chalice deploy`` makes it."""

    def __init__(self, stage: str, client: Any, parameters: Mapping[str, str]) -> None:
        self._stage, self._client, self._parameters = stage, client, parameters
        self._merged = merged(stage)
        self._stack = f"geoflow-{stage}-direct"

    def prepare(self, project: Path) -> None:
        """Create queues and log groups, and write the project that Chalice deploys.

        Raises:
            StackFailed: CloudFormation refused.
        """
        put_stack(self._client, self._stack, json.dumps(self._support()), {})
        kept = _deployed(project, self._stage)
        _copy(project)
        names = self._names(kept.get("websocket_api", "*"))
        config_path = project / ".chalice/config.json"
        config = json.loads(config_path.read_text())
        config["environment_variables"] |= {
            name: str(value)
            for name, value in names.resolved(self._variables()).items()
            if value != ""
        }
        config["environment_variables"] |= {
            "GEOFLOW_STREAM_ARN": names.exports[f"{self._data}-LogStreamArn"],
            "GEOFLOW_JOBS_QUEUE_ARN": names.attributes["JobsQueue.Arn"],
            "GEOFLOW_WAKES_QUEUE_ARN": names.attributes["WakesQueue.Arn"],
        }
        config_path.write_text(json.dumps(config, indent=2))
        for path in (project / ".chalice").glob("policy-*.json"):
            policy = names.resolved(json.loads(path.read_text()))
            path.write_text(json.dumps(policy, indent=2))

    def finish(self, project: Path) -> str:
        """Set what Chalice has no word for; return the answer of the step after a deploy."""
        names = self._names(_deployed(project, self._stage)["websocket_api"])
        functions = self._client("lambda")
        for logical, suffix in FUNCTIONS.items():
            declared = self._merged["Resources"].get(logical, {}).get("Properties", {})
            name = f"geoflow-{self._stage}{suffix}"
            logs = names.resolved(declared.get("LoggingConfig", {}))
            functions.update_function_configuration(FunctionName=name, LoggingConfig=logs)
            self._mapped(names, name, declared.get("Events", {}))
        self._client("apigatewayv2").update_stage(
            ApiId=names.refs["WebsocketAPI"], StageName="api", AutoDeploy=True
        )
        answer = functions.invoke(FunctionName=f"geoflow-{self._stage}-deploy")
        told: str = answer["Payload"].read().decode()
        return told

    @property
    def _data(self) -> str:
        return f"geoflow-{self._stage}-data"

    def _variables(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._merged["Globals"]["Function"]["Environment"][
            "Variables"
        ]
        return found

    def _support(self) -> dict[str, Any]:
        resources = {
            name: each
            for name, each in self._merged["Resources"].items()
            if each.get("Type") in KINDS
        }
        retention = self._merged["Parameters"]["LogRetentionDays"]
        return {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": "GeoFlow - queues and log groups of what chalice deploy makes",
            "Parameters": {"LogRetentionDays": retention},
            "Resources": resources,
        }

    def _names(self, websocket_api: str) -> Names:
        formation = self._client("cloudformation")
        made = formation.describe_stack_resources(StackName=self._stack)["StackResources"]
        ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in made}
        account = self._client("sts").get_caller_identity()["Account"]
        region = self._client("sts").meta.region_name
        refs = {
            **{
                name: parameter.get("Default", "")
                for name, parameter in self._merged["Parameters"].items()
            },
            **self._parameters,
            **ids,
            "DataStack": self._data,
            "WebsocketAPI": websocket_api,
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackName": self._stack,
            "AWS::URLSuffix": "amazonaws.com",
        }
        refs["HasEdge"] = bool(refs["EdgeSecret"])
        attributes = {
            f"{each['LogicalResourceId']}.Arn": self._arn(each, region, account)
            for each in made
        }
        exports = {each["Name"]: each["Value"] for each in _exports(formation)}
        return Names(refs, attributes, exports)

    def _arn(self, resource: Mapping[str, Any], region: str, account: str) -> str:
        name = resource["PhysicalResourceId"]
        if resource["ResourceType"] == "AWS::SQS::Queue":
            return f"arn:aws:sqs:{region}:{account}:{name.rpartition('/')[2]}"
        return f"arn:aws:logs:{region}:{account}:log-group:{name}:*"

    def _mapped(self, names: Names, function: str, events: Mapping[str, Any]) -> None:
        """Give the function's event source the options of its event."""
        functions = self._client("lambda")
        for event in events.values():
            options = names.resolved(event.get("Properties", {}))
            wanted = {name: options[name] for name in UPDATED if name in options}
            failed = wanted.get("DestinationConfig", {}).get("OnFailure", {})
            if failed:
                wanted["DestinationConfig"] = {
                    "OnFailure": {"Destination": failed["Destination"]}
                }
            found = functions.list_event_source_mappings(FunctionName=function)
            for mapping in found["EventSourceMappings"]:
                functions.update_event_source_mapping(UUID=mapping["UUID"], **wanted)


def _copy(project: Path) -> None:
    """Copy the sources; what Chalice remembers of its deployments stays."""
    for name in SOURCES:
        source, copy = ROOT / name, project / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
            shutil.copytree(source, copy, ignore=ignored, dirs_exist_ok=True)
        else:
            project.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)


def _deployed(project: Path, stage: str) -> dict[str, str]:
    """The ids of the APIs that Chalice made the last time, if there was one."""
    path = project / f".chalice/deployed/{stage}.json"
    if not path.exists():
        return {}
    resources = json.loads(path.read_text())["resources"]
    return {
        each["name"]: each["websocket_api_id"]
        for each in resources
        if each["resource_type"] == "websocket_api"
    }


def _exports(formation: Any) -> Iterator[dict[str, str]]:
    for page in formation.get_paginator("list_exports").paginate():
        yield from page["Exports"]


def main() -> None:
    """Prepare or finish a deployment by ``chalice deploy``."""
    parser = argparse.ArgumentParser(prog="python -m infra.direct", description=__doc__)
    parser.add_argument("step", choices=("prepare", "finish"))
    parser.add_argument("--stage", choices=STAGES, default="dev")
    parser.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of infra/app.merge.yaml, such as Secret=…",
    )
    chosen = parser.parse_args()
    parameters = dict(each.split("=", 1) for each in chosen.parameter)
    make: Any = boto3.client
    direct = Direct(chosen.stage, make, parameters)
    try:
        if chosen.step == "prepare":
            direct.prepare(PROJECT)
            told = f"chalice --project-dir {PROJECT} deploy --stage {chosen.stage}"
        else:
            told = direct.finish(PROJECT)
    except StackFailed as failed:
        sys.exit(str(failed))
    sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main()
