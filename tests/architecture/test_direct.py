"""The second path to AWS: what ``chalice deploy`` is given, and what is set after it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from moto import mock_aws

from chalicelib.config import NEEDED_ON_AWS, check_on_aws, from_environment
from infra.direct import FUNCTIONS, UPDATED, Direct
from infra.intrinsics import Names
from infra.moto_stacks import known, some_zip
from infra.stacks import StackFailed, put_stack
from infra.validate import DATA, load

API: Final = "abcdef1234"
PARAMETERS: Final = {"Secret": "s" * 32, "CodeVersion": "v1"}


def client(service: str) -> Any:
    make: Any = boto3.client
    return make(service, region_name="us-east-1")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws(config={"lambda": {"use_docker": False}}):
        data, _ = known(load(DATA))
        put_stack(
            client, "geoflow-dev-data", json.dumps(data), {"TablePrefix": "geoflow-dev-"}
        )
        yield


@pytest.mark.usefixtures("account")
class TestPrepare:
    def test_names_everything_in_policies_and_variables(self, tmp_path: Path) -> None:
        Direct("dev", client, PARAMETERS).prepare(tmp_path)

        config = json.loads((tmp_path / ".chalice/config.json").read_text())
        variables = config["environment_variables"]
        check_on_aws(from_environment(variables), variables)
        assert {f"GEOFLOW_{name.upper()}" for name in NEEDED_ON_AWS} <= set(variables)
        assert variables["GEOFLOW_SECRET"] == PARAMETERS["Secret"]
        assert variables["GEOFLOW_STREAM_ARN"].startswith("arn:aws:dynamodb:us-east-1:")
        for path in (tmp_path / ".chalice").glob("policy-*.json"):
            text = path.read_text()
            assert "Fn::" not in text
            assert "${" not in text
            assert "AWS::" not in text

    def test_may_be_repeated_and_knows_the_sockets_then(self, tmp_path: Path) -> None:
        direct = Direct("dev", client, PARAMETERS)
        direct.prepare(tmp_path)
        deployed(tmp_path)

        direct.prepare(tmp_path)

        variables = json.loads((tmp_path / ".chalice/config.json").read_text())
        policy = (tmp_path / ".chalice/policy-wakes.json").read_text()
        endpoint = f"https://{API}.execute-api.us-east-1.amazonaws.com/api"
        assert variables["environment_variables"]["GEOFLOW_WEBSOCKET_ENDPOINT"] == endpoint
        assert f":{API}/api/POST/@connections/*" in policy

    def test_without_the_data_stack_says_what_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(KeyError, match="geoflow-prod-data-TablePrefix"):
            Direct("prod", client, PARAMETERS).prepare(tmp_path)


@pytest.mark.usefixtures("account")
def test_finish_sets_what_chalice_has_no_word_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = Direct("dev", client, PARAMETERS)
    direct.prepare(tmp_path)
    deployed(tmp_path)
    stages: list[dict[str, Any]] = []
    make_functions(tmp_path)

    class Stages:
        """moto knows no stages of WebSocket APIs that deploy by themselves."""

        def update_stage(self, **told: Any) -> None:
            stages.append(told)

    monkeypatch.setattr(
        direct, "_client", lambda name: Stages() if name == "apigatewayv2" else client(name)
    )

    direct.finish(tmp_path)

    (stream,) = client("lambda").list_event_source_mappings(
        FunctionName="geoflow-dev-commit_log"
    )["EventSourceMappings"]
    assert stages == [{"ApiId": API, "StageName": "api", "AutoDeploy": True}]
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] == 10
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "DeadCommitsQueue" in stream["DestinationConfig"]["OnFailure"]["Destination"]
    assert set(UPDATED) - {"ScalingConfig"} <= set(stream)


def deployed(project: Path) -> None:
    """What Chalice remembers of its first deployment."""
    path = project / ".chalice/deployed/dev.json"
    path.parent.mkdir()
    api = {
        "name": "websocket_api",
        "resource_type": "websocket_api",
        "websocket_api_id": API,
    }
    path.write_text(json.dumps({"resources": [api]}))


def make_functions(project: Path) -> None:
    """Make what Chalice makes, as far as it matters here."""
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")
    functions = client("lambda")
    for suffix in FUNCTIONS.values():
        functions.create_function(
            FunctionName=f"geoflow-dev{suffix}",
            Runtime="python3.11",
            Role=role["Role"]["Arn"],
            Handler="app.app",
            Code={"ZipFile": some_zip()},
        )
    config = json.loads((project / ".chalice/config.json").read_text())
    functions.create_event_source_mapping(
        FunctionName="geoflow-dev-commit_log",
        EventSourceArn=config["environment_variables"]["GEOFLOW_STREAM_ARN"],
        StartingPosition="LATEST",
    )


class TestNames:
    NAMES = Names({"A": "a", "Yes": True, "No": False}, {"Q.Arn": "arn:q"}, {"s-T": "t"})

    @pytest.mark.parametrize(
        ("tree", "found"),
        [
            ({"Ref": "A"}, "a"),
            ({"Fn::GetAtt": ["Q", "Arn"]}, "arn:q"),
            ({"Fn::ImportValue": {"Fn::Sub": "s-T"}}, "t"),
            ({"Fn::Sub": "${A}/${Q.Arn}"}, "a/arn:q"),
            ({"Fn::Sub": ["${A}-${B}", {"B": {"Ref": "A"}}]}, "a-a"),
            ({"Fn::If": ["Yes", {"Ref": "A"}, "b"]}, "a"),
            ({"Fn::If": ["No", {"Ref": "A"}, "b"]}, "b"),
            ({"k": [{"Ref": "A"}, 1], "gone": {"Ref": "AWS::NoValue"}}, {"k": ["a", 1]}),
            ({}, {}),
        ],
    )
    def test_take_the_place_of_intrinsic_functions(self, tree: Any, found: Any) -> None:
        assert self.NAMES.resolved(tree) == found

    def test_that_are_not_there_are_named(self) -> None:
        with pytest.raises(KeyError, match="Nothing"):
            self.NAMES.resolved({"Ref": "Nothing"})


@pytest.mark.usefixtures("account")
def test_a_stack_that_is_refused_says_why() -> None:
    broken = {"Resources": {}, "Parameters": {"Wanted": {"Type": "String"}}}

    with pytest.raises(StackFailed, match="stack broken"):
        put_stack(client, "broken", json.dumps(broken), {})
