"""Creates the stacks on moto, as far as it knows their resources, and reads them back.

moto's CloudFormation knows no WebSocket APIs, stages, dashboards or distributions; those are
left out, and named. What it creates, it creates by the properties that AWS would be given, so
that a property of the wrong kind or a reference to nothing is found.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
import msgspec
from moto import mock_aws

from infra.checks import Template

UNKNOWN: Final = (
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGatewayV2::",
    "AWS::CloudWatch::",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::S3::BucketPolicy",
)
"""Types, or beginnings of types, that moto 5.2 does not create."""

PREFIX: Final = "geoflow-moto-"
"""What the tables' names begin with."""

_BUCKET, _DATA, _APP = "geoflow-moto-code", "geoflow-moto-data", "geoflow-moto"
_REGION: Final = "us-east-1"
_SECRET: Final = "x" * 32


class Created(msgspec.Struct, frozen=True):
    """What moto has created: resources by logical id, and those that it does not know."""

    resources: dict[str, str]
    left_out: tuple[str, ...]
    mappings: tuple[dict[str, Any], ...]


def create(data: Template, app: Template) -> Created:
    """Create the data stack, and the app's after it, in an account of moto's.

    Raises:
        ClientError: moto refuses a resource.
    """
    with _account() as session:
        formation = session.client("cloudformation")
        (data_part, no_data), (app_part, no_app) = known(data), known(app)
        parameters = [{"ParameterKey": "TablePrefix", "ParameterValue": PREFIX}]
        formation.create_stack(
            StackName=_DATA, TemplateBody=json.dumps(data_part), Parameters=parameters
        )
        formation.create_stack(
            StackName=_APP, TemplateBody=json.dumps(app_part), Parameters=_app_parameters()
        )
        made = {
            each["LogicalResourceId"]: each["ResourceStatus"]
            for stack in (_DATA, _APP)
            for each in formation.list_stack_resources(StackName=stack)[
                "StackResourceSummaries"
            ]
            if "LogicalResourceId" in each
        }
        mappings = session.client("lambda").list_event_source_mappings()
        return Created(made, (*no_data, *no_app), tuple(mappings["EventSourceMappings"]))


def _app_parameters() -> list[Any]:
    given = {"DataStack": _DATA, "Secret": _SECRET}
    return [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]


@contextmanager
def _account() -> Iterator[Any]:
    with mock_aws():
        session = boto3.Session("test", "test", region_name=_REGION)
        store = session.client("s3")
        store.create_bucket(Bucket="bucket")
        store.put_object(Bucket="bucket", Key="deployment.zip", Body=some_zip())
        yield session


def some_zip() -> bytes:
    """A bundle with nothing in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("app.py", "")
    return made.getvalue()


def known(app: Template) -> tuple[dict[str, Any], list[str]]:
    """The template without what moto does not know, and without what refers to that."""
    template: dict[str, Any] = json.loads(json.dumps(app))
    resources = template["Resources"]
    left_out = [
        name for name, each in resources.items() if each["Type"].startswith(UNKNOWN)
    ]
    for name in left_out:
        del resources[name]
    # References to them, such as the WebSocket API's id in a policy, become their names.
    text = json.dumps(template)
    for name in left_out:
        text = text.replace(json.dumps({"Ref": name}), json.dumps(name))
        text = text.replace("${" + name + "}", name)
    template = json.loads(text)
    template["Outputs"] = {
        name: output
        for name, output in template.get("Outputs", {}).items()
        if not any(f'"{left}"' in json.dumps(output) for left in left_out)
    }
    return template, left_out
