import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from infra.build import ROOT, build_templates, transformed
from infra.checks import check_buckets, check_policies, check_tables
from infra.edge_checks import check_edge
from infra.snapstart import FUNCTIONS, TooOldForSnapStart, check_python, with_snapstart
from infra.validate import DATA, EDGE, check_app, lint, load, problems

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("infra")


@pytest.fixture(scope="module")
def app(workspace: Path) -> dict[str, Any]:
    return load(build_templates("dev", workspace) / "cfn.json")


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return load(DATA)


def changed(template: dict[str, Any], change: Change) -> dict[str, Any]:
    copy = deepcopy(template)
    change(copy["Resources"])
    return copy


def test_the_templates_keep_every_rule(workspace: Path) -> None:
    assert list(problems(workspace)) == []


def test_cfn_lint_sees_a_property_that_does_not_exist(
    data: dict[str, Any], tmp_path: Path
) -> None:
    broken = changed(data, lambda it: it["LogTable"]["Properties"].update(Colour="red"))
    template = tmp_path / "data.json"
    template.write_text(json.dumps(broken))

    found = list(lint(template))

    assert any("Colour" in problem for problem in found)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.pop("ChunksTable"),
        lambda it: it["LogTable"].pop("DeletionPolicy"),
        lambda it: it["LogTable"]["Properties"].pop("StreamSpecification"),
        lambda it: it["LogTable"]["Properties"].pop("DeletionProtectionEnabled"),
        lambda it: it["LogTable"]["Properties"].pop("PointInTimeRecoverySpecification"),
        lambda it: it["RowsTable"]["Properties"]["AttributeDefinitions"][1].update(
            AttributeType="S"
        ),
        lambda it: it["RowsTable"]["Properties"]["KeySchema"].reverse(),
        lambda it: it["RowsTable"]["Properties"].pop("SSESpecification"),
        lambda it: it["SessionsTable"]["Properties"].pop("TimeToLiveSpecification"),
        lambda it: it["LogTable"]["Properties"].update(
            TimeToLiveSpecification={"AttributeName": "t", "Enabled": True}
        ),
    ],
)
def test_a_table_that_is_not_its_model_is_found(
    data: dict[str, Any], change: Change
) -> None:
    assert list(check_tables(changed(data, change)))


def bucket(resources: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = resources["FilesBucket"]["Properties"]
    return options


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["FilesBucket"].pop("DeletionPolicy"),
        lambda it: bucket(it).pop("PublicAccessBlockConfiguration"),
        lambda it: bucket(it)["PublicAccessBlockConfiguration"].update(
            RestrictPublicBuckets=False
        ),
        lambda it: bucket(it).pop("BucketEncryption"),
        lambda it: bucket(it).pop("VersioningConfiguration"),
        lambda it: bucket(it)["LifecycleConfiguration"]["Rules"].pop(0),
        lambda it: bucket(it)["LifecycleConfiguration"]["Rules"].pop(1),
    ],
)
def test_a_bucket_that_loses_something_is_found(
    data: dict[str, Any], change: Change
) -> None:
    assert list(check_buckets(data)) == []
    assert list(check_buckets(changed(data, change)))


def stream(resources: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = resources["CommitLogCommitLogDynamodbEventSource"][
        "Properties"
    ]
    return options


@pytest.mark.parametrize(
    "change",
    [
        lambda it: stream(it).pop("DestinationConfig"),
        lambda it: stream(it).pop("BisectBatchOnFunctionError"),
        lambda it: stream(it).pop("MaximumRetryAttempts"),
        lambda it: stream(it).pop("MaximumRecordAgeInSeconds"),
        lambda it: stream(it).pop("FunctionResponseTypes"),
        lambda it: stream(it).update(ParallelizationFactor=10),
        lambda it: it["JobsQueue"]["Properties"].pop("RedrivePolicy"),
        lambda it: it["JobsQueue"]["Properties"].update(VisibilityTimeout=900),
        lambda it: it["Jobs"]["Properties"].pop("LoggingConfig"),
        lambda it: it["JobsRole"]["Properties"]["Policies"][0]["PolicyDocument"][
            "Statement"
        ].pop(),
        lambda it: it["APIHandler"]["Properties"].update(Timeout=30),
        lambda it: it["WebsocketAPIStage"]["Properties"].update(AutoDeploy=False),
        lambda it: it["RestAPI"]["Properties"]["EndpointConfiguration"].update(
            Types=["EDGE"]
        ),
        lambda it: it.pop("DeadJobsAlarm"),
        lambda it: it.pop("StreamLagAlarm"),
        lambda it: it["HeartbeatAlarm"]["Properties"].pop("AlarmActions"),
    ],
)
def test_an_app_that_loses_something_is_found(app: dict[str, Any], change: Change) -> None:
    assert list(check_app(changed(app, change)))


@pytest.fixture(scope="module")
def snapstarted(app: dict[str, Any], workspace: Path) -> dict[str, Any]:
    assert app
    sam = with_snapstart(yaml.safe_load((workspace / "dev/sam.yaml").read_text()))
    for function in FUNCTIONS:  # as a newer Python would have packaged it
        sam["Resources"][function]["Properties"]["Runtime"] = "python3.13"
    return transformed(sam)


class TestSnapStart:
    def test_keeps_our_laws_and_cfn_lints(
        self, snapstarted: dict[str, Any], tmp_path: Path
    ) -> None:
        written = tmp_path / "cfn.json"
        written.write_text(json.dumps(snapstarted))

        assert list(check_app(snapstarted)) == []
        assert list(lint(written)) == []

    def test_is_where_everybody_calls(self, snapstarted: dict[str, Any]) -> None:
        resources = snapstarted["Resources"]
        rest = json.dumps(resources["RestAPI"])
        socket = json.dumps(resources["WebsocketMessageAPIIntegration"])

        assert "${APIHandlerAliaslive}/invocations" in rest
        assert "${APIHandler.Arn}" not in rest
        assert "${WebsocketMessage}:live" in socket
        for function in FUNCTIONS:
            assert f"{function}Aliaslive" in resources
        for source in ("CommitLogCommitLogDynamodbEventSource", "WakesWakesSqsEventSource"):
            assert "Aliaslive" in json.dumps(
                resources[source]["Properties"]["FunctionName"]
            )
        for function in ("APIHandler", "WebsocketMessage"):
            allowed = resources[f"{function}InvokePermission"]["Properties"]["FunctionName"]
            assert allowed == {"Ref": f"{function}Aliaslive"}

    def test_is_refused_where_the_runtime_has_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.version_info", (3, 11, 9))

        with pytest.raises(TooOldForSnapStart, match=r"needs Python 3\.12 or newer"):
            check_python()


def distribution(resources: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = resources["Distribution"]["Properties"]["DistributionConfig"]
    return options


@pytest.mark.parametrize(
    "change",
    [
        lambda it: distribution(it)["CacheBehaviors"].reverse(),
        lambda it: distribution(it)["CacheBehaviors"].pop(0),
        lambda it: distribution(it)["CacheBehaviors"][0].pop("FunctionAssociations"),
        lambda it: distribution(it)["CacheBehaviors"][0].update(TargetOriginId="rest"),
        lambda it: distribution(it)["DefaultCacheBehavior"].update(TargetOriginId="pages"),
        lambda it: distribution(it)["DefaultCacheBehavior"].update(AllowedMethods=["GET"]),
        lambda it: distribution(it)["DefaultCacheBehavior"].update(
            CachePolicyId="658327ea-f89d-4fab-a63d-7e88639e58f6"
        ),
        lambda it: distribution(it)["DefaultCacheBehavior"].update(
            OriginRequestPolicyId="216adef6-5c7f-47e4-b989-5492eafa07d3"
        ),
        lambda it: distribution(it)["DefaultCacheBehavior"].update(
            ViewerProtocolPolicy="allow-all"
        ),
        lambda it: distribution(it)["Origins"][0].pop("OriginCustomHeaders"),
        lambda it: distribution(it)["Origins"][1].update(OriginPath="/dev"),
        lambda it: distribution(it)["Origins"][1]["CustomOriginConfig"].update(
            OriginProtocolPolicy="match-viewer"
        ),
    ],
)
def test_an_edge_that_leads_astray_is_found(change: Change) -> None:
    edge = load(EDGE)

    assert list(check_edge(edge)) == []
    assert list(check_edge(changed(edge, change)))


class TestPolicies:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        for path in (ROOT / ".chalice").glob("*.json"):
            (tmp_path / path.name).write_text(path.read_text())
        return tmp_path

    @pytest.fixture
    def rewrite(self, directory: Path) -> Callable[[str, Any], None]:
        path = directory / "policy-heartbeat.json"
        policy = json.loads(path.read_text())

        def change(field: str, value: Any) -> None:
            policy["Statement"][0][field] = value
            path.write_text(json.dumps(policy))

        return change

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("Action", ["dynamodb:*"]),
            ("Resource", "*"),
            ("Effect", "Deny"),
            ("Resource", {"Fn::ImportValue": {"Fn::Sub": "${DataStack}-NoSuchTableArn"}}),
            ("NotAction", []),
        ],
    )
    def test_that_allow_too_much_or_nothing_real_are_found(
        self,
        directory: Path,
        data: dict[str, Any],
        rewrite: Callable[[str, Any], None],
        field: str,
        value: Any,
    ) -> None:
        rewrite(field, value)

        assert list(check_policies(directory, data))

    def test_that_do_not_parse_are_found(
        self, directory: Path, data: dict[str, Any]
    ) -> None:
        (directory / "policy-jobs.json").write_text("{")

        assert list(check_policies(directory, data))

    def test_that_no_function_uses_are_found(
        self, directory: Path, data: dict[str, Any]
    ) -> None:
        (directory / "policy-old.json").write_text("{}")

        assert list(check_policies(directory, data))
