"""Laws of our templates that cfn-lint does not know. A check yields what breaks one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pynamodb.attributes import TTLAttribute
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.models import MODELS
from chalicelib.adapters.dynamodb.session_models import SESSION_MODELS
from chalicelib.adapters.dynamodb.tables import definition

Template = Mapping[str, Any]

PREFIX: Final = "geoflow-check-"
"""What table names begin with where templates and models are compared."""

EVERYTHING_ALLOWED: Final[frozenset[str]] = frozenset()
"""Actions for which IAM takes no resource but ``*``. None of ours is."""

INTEGRATION_S: Final = 29
"""How long API Gateway waits. Source: quotas, "Integration timeout"."""

_BEHIND_API_GATEWAY: Final = frozenset(
    {"APIHandler", "WebsocketMessage", "WebsocketDisconnect"}
)
_PUBLIC_ACCESS: Final = frozenset(
    {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
)
_COMPARED: Final = ("TableName", "BillingMode", "KeySchema")


def check_tables(data: Template) -> Iterator[str]:
    """The tables are those of the models, and cannot be lost by mistake."""
    tables = dict(_of_type(data, "AWS::DynamoDB::Table"))
    by_name = {_table_name(table): table for table in tables.values()}
    models = {definition(model, PREFIX)["TableName"]: model for model in _models()}
    for name in by_name.keys() ^ models.keys():
        yield f"{name}: the table or its model is missing"
    for name in by_name.keys() & models.keys():
        yield from _compare(name, by_name[name]["Properties"], models[name])
    for name, table in tables.items():
        if {table.get("DeletionPolicy"), table.get("UpdateReplacePolicy")} != {"Retain"}:
            yield f"{name}: goes with its stack"
        if table["Properties"].get("DeletionProtectionEnabled") is not True:
            yield f"{name}: can be deleted by mistake"
        if not table["Properties"].get("SSESpecification", {}).get("SSEEnabled"):
            yield f"{name}: is not encrypted under a key of the account"


def _models() -> tuple[type[Model], ...]:
    return MODELS + SESSION_MODELS


def _compare(name: str, table: Template, model: type[Model]) -> Iterator[str]:
    wanted = definition(model, PREFIX)
    for part in _COMPARED:
        stated = _table_name({"Properties": table}) if part == "TableName" else table[part]
        if stated != wanted[part]:
            yield f"{name}: {part} is {stated}, the model says {wanted[part]}"
    if _types(table) != _types(wanted):
        yield f"{name}: the keys have types {_types(table)}, the model says {_types(wanted)}"
    if _view(table) != _view(wanted):
        yield f"{name}: its stream is {_view(table)}, the model says {_view(wanted)}"
    expiry = next(
        (
            a.attr_name
            for a in model.get_attributes().values()
            if isinstance(a, TTLAttribute)
        ),
        None,
    )
    ttl = table.get("TimeToLiveSpecification", {})
    if ttl.get("AttributeName") != expiry:
        yield f"{name}: expires by {ttl.get('AttributeName')}, the model says {expiry}"
    recovery = table.get("PointInTimeRecoverySpecification", {})
    if (model in MODELS) != recovery.get("PointInTimeRecoveryEnabled", False):
        yield f"{name}: the log and what it needs have backups, sessions have none"


def _types(table: Template) -> dict[str, str]:
    return {a["AttributeName"]: a["AttributeType"] for a in table["AttributeDefinitions"]}


def _view(table: Template) -> str | None:
    view: str | None = table.get("StreamSpecification", {}).get("StreamViewType")
    return view


def _table_name(table: Template) -> str:
    name: str = table["Properties"]["TableName"]["Fn::Sub"]
    return name.replace("${TablePrefix}", PREFIX)


def check_buckets(data: Template) -> Iterator[str]:
    """Buckets are private and encrypted, cannot be lost by mistake, and keep no fragments."""
    for name, bucket in _of_type(data, "AWS::S3::Bucket"):
        options = bucket["Properties"]
        if {bucket.get("DeletionPolicy"), bucket.get("UpdateReplacePolicy")} != {"Retain"}:
            yield f"{name}: goes with its stack"
        blocked = options.get("PublicAccessBlockConfiguration", {})
        if set(blocked) != _PUBLIC_ACCESS or not all(blocked.values()):
            yield f"{name}: could be opened to the public"
        if "BucketEncryption" not in options:
            yield f"{name}: is not encrypted"
        if options.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield f"{name}: what is deleted by mistake is gone"
        rules = options.get("LifecycleConfiguration", {}).get("Rules", [])
        for rule in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"):
            if not any(rule in each for each in rules):
                yield f"{name}: has no {rule}, and grows for ever"


def check_event_sources(app: Template) -> Iterator[str]:
    """No record or message is lost without a trace, none is tried for ever."""
    for name, mapping in _of_type(app, "AWS::Lambda::EventSourceMapping"):
        options = mapping["Properties"]
        function = _function(app, options["FunctionName"]["Ref"])["Properties"]
        if options.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield f"{name}: one bad record takes its batch along"
        if "StartingPosition" in options:
            yield from _check_stream(name, options)
        else:
            queue = app["Resources"][options["EventSourceArn"]["Fn::GetAtt"][0]]
            yield from _check_queue(name, queue["Properties"], function["Timeout"])


def _function(app: Template, name: str) -> dict[str, Any]:
    """The function of that name, or that an alias of that name stands for."""
    found: dict[str, Any] = app["Resources"][name]
    if found["Type"] == "AWS::Lambda::Alias":
        return _function(app, found["Properties"]["FunctionName"]["Ref"])
    return found


def _check_stream(name: str, options: Template) -> Iterator[str]:
    if "OnFailure" not in options.get("DestinationConfig", {}):
        yield f"{name}: records that are given up go nowhere"
    if not options.get("BisectBatchOnFunctionError"):
        yield f"{name}: a poison record is not looked for"
    if options.get("MaximumRetryAttempts", -1) < 0:
        yield f"{name}: tries a poison record until it leaves the stream"
    if options.get("MaximumRecordAgeInSeconds", -1) < 0:
        yield f"{name}: no age of records is too old"
    if options.get("ParallelizationFactor") != 1:
        yield f"{name}: batches run side by side"


def _check_queue(name: str, queue: Template, timeout_s: int) -> Iterator[str]:
    if "RedrivePolicy" not in queue:
        yield f"{name}: messages that are given up go nowhere"
    if queue.get("VisibilityTimeout", 30) <= timeout_s:
        yield f"{name}: a message comes again while it is being worked on"


def check_functions(app: Template) -> Iterator[str]:
    """Functions write to a log group of their own, and answer API Gateway in time."""
    groups: set[str] = set()
    for name, function in _of_type(app, "AWS::Lambda::Function"):
        options = function["Properties"]
        group = options.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if group not in app["Resources"] or group in groups:
            yield f"{name}: has no log group of its own"
            continue
        groups.add(group)
        role = app["Resources"][options["Role"]["Fn::GetAtt"][0]]["Properties"]
        statements = [s for p in role["Policies"] for s in p["PolicyDocument"]["Statement"]]
        own = [s["Resource"] for s in statements if "logs:PutLogEvents" in s["Action"]]
        if own != [{"Fn::GetAtt": [group, "Arn"]}]:
            yield f"{name}: may not write to its log group, or to others too"
        if name in _BEHIND_API_GATEWAY and options["Timeout"] > INTEGRATION_S:
            yield f"{name}: runs on when API Gateway has given up"


def check_alarms(app: Template) -> Iterator[str]:
    """Every queue of what was given up, the stream and the heartbeat have an alarm that tells."""
    alarms = dict(_of_type(app, "AWS::CloudWatch::Alarm"))
    for name, alarm in alarms.items():
        told = alarm["Properties"].get("AlarmActions"), alarm["Properties"].get("OKActions")
        if told != ([{"Ref": "AlarmTopic"}], [{"Ref": "AlarmTopic"}]):
            yield f"{name}: rings, or stops, and nobody hears of it"
    watched = json.dumps([alarm["Properties"]["Dimensions"] for alarm in alarms.values()])
    queues = dict(_of_type(app, "AWS::SQS::Queue"))
    for name in (*queues, "CommitLog", "Heartbeat"):
        if f'"{name}' not in watched:
            yield f"{name}: nobody watches it"


def check_gateways(app: Template) -> Iterator[str]:
    """Changes of routes go live; CloudFront may stand in front."""
    stage = app["Resources"]["WebsocketAPIStage"]["Properties"]
    if not stage.get("AutoDeploy") or stage["DeploymentId"] != {"Ref": "AWS::NoValue"}:
        yield "WebsocketAPIStage: a route that is added does not go live"
    for name, api in _of_type(app, "AWS::ApiGateway::RestApi"):
        kinds = api["Properties"].get("EndpointConfiguration", {}).get("Types")
        if kinds != ["REGIONAL"]:
            yield f"{name}: is {kinds}, and CloudFront would stand behind CloudFront"
    if "WebsocketConnect" in app["Resources"]:
        yield "WebsocketConnect: would hold up every handshake for a cold start"


def check_policies(directory: Path, data: Template) -> Iterator[str]:
    """Policies parse, are used, and allow named actions on named resources only."""
    config = json.loads((directory / "config.json").read_text())
    named = {each["iam_policy_file"] for each in config["lambda_functions"].values()}
    present = {path.name for path in directory.glob("policy-*.json")}
    for file in named ^ present:
        yield f"{file}: is missing, or no function uses it"
    exports = {
        output["Export"]["Name"]["Fn::Sub"].replace("${AWS::StackName}", "${DataStack}")
        for output in data["Outputs"].values()
    }
    for file in sorted(named & present):
        try:
            policy = json.loads((directory / file).read_text())
        except ValueError as error:
            yield f"{file}: {error}"
            continue
        for statement in policy["Statement"]:
            for problem in _check_statement(statement, exports):
                yield f"{file}, {statement.get('Sid')}: {problem}"


def _check_statement(statement: Template, exports: set[str]) -> Iterator[str]:
    if set(statement) != {"Sid", "Effect", "Action", "Resource"}:
        yield f"holds {sorted(statement)}"
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    if statement["Effect"] != "Allow":
        yield "there is nothing to deny"
    yield from (f"{action} is no single action" for action in actions if "*" in action)
    if "*" in resources and not set(actions) <= EVERYTHING_ALLOWED:
        yield "allows everything"
    for name in _imports(resources):
        if name not in exports:
            yield f"the data stack does not export {name}"


def _imports(tree: Any) -> Iterator[str]:
    """Names that are imported somewhere in ``tree``."""
    if isinstance(tree, dict):
        if "Fn::ImportValue" in tree:
            yield tree["Fn::ImportValue"]["Fn::Sub"]
        for part in tree.values():
            yield from _imports(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from _imports(part)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _of_type(template: Template, kind: str) -> Iterator[tuple[str, Template]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource
