"""IAM played on this machine: each call to AWS is held to the policy of who makes it."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from infra.build import ROOT

PREFIX = "geoflow-policy-"
QUEUE = "geoflow-policy-jobs"
WAKES = "wakes"
BUCKET = "geoflow-policy-files"
API = "abcdef1234"
PLACE = "us-east-1:123456789012"
KEY = f"arn:aws:kms:{PLACE}:key/secrets"

Grant = tuple[str, str]
"""An action, and the resource or pattern of resources that it is allowed or done on."""

VALUES = {
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "123456789012",
    "WebsocketAPI": API,
    "DataStack": "data",
}
OF_OBJECTS = {
    "HeadObject": "GetObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""The permission that a call needs, where it has another name."""

ATTRIBUTES = {
    "JobsQueue": f"arn:aws:sqs:{PLACE}:{QUEUE}",
    "WakesQueue": f"arn:aws:sqs:{PLACE}:{WAKES}",
    "DeadCommitsQueue": f"arn:aws:sqs:{PLACE}:dead",
}


class Iam:
    """Refuses what the policy of the function that runs does not allow, as AWS would."""

    def __init__(self) -> None:
        self.policies = policies()
        self.function = ""
        self.refused: set[tuple[str, Grant]] = set()
        self.used: set[tuple[str, str, str]] = set()

    @contextmanager
    def acting_as(self, function: str) -> Iterator[None]:
        self.function = function
        try:
            yield
        finally:
            self.function = ""

    @contextmanager
    def enforced(self) -> Iterator[None]:
        unchecked = BaseClient._make_api_call  # type: ignore[attr-defined]

        def checked(client: Any, operation: str, given: Mapping[str, Any]) -> Any:
            self.check(client.meta.service_model.service_name, operation, given)
            return unchecked(client, operation, given)

        with patch.object(BaseClient, "_make_api_call", checked):
            yield

    def check(self, service: str, operation: str, given: Mapping[str, Any]) -> None:
        if not self.function:
            return  # the test itself
        for action, resource in grants_needed(service, operation, given):
            found = [
                pattern
                for allowed, pattern in self.policies[self.function]
                if allowed == action and fnmatchcase(resource, pattern)
            ]
            self.used |= {(self.function, action, pattern) for pattern in found}
            if not found:
                self.refused.add((self.function, (action, resource)))
                raise ClientError(denial(f"{action} {resource}"), operation)


def denial(message: str) -> Any:
    return {
        "Error": {"Code": "AccessDeniedException", "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }


def policies() -> dict[str, list[Grant]]:
    """What each function may do, by its name in the configuration of Chalice."""
    directory = ROOT / ".chalice"
    functions = json.loads((directory / "config.json").read_text())["lambda_functions"]
    return {
        name: [
            (action, resolved(resource))
            for statement in json.loads((directory / each["iam_policy_file"]).read_text())[
                "Statement"
            ]
            for action in listed(statement["Action"])
            for resource in listed(statement["Resource"])
        ]
        for name, each in functions.items()
    }


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resolved(resource: Any) -> str:
    """What CloudFormation makes of a resource in a policy."""
    match resource:
        case {"Fn::Sub": [str(text), dict(values)]}:
            return substituted(text, {name: resolved(v) for name, v in values.items()})
        case {"Fn::Sub": str(text)}:
            return substituted(text, {})
        case {"Fn::ImportValue": name}:
            return exported(resolved(name))
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return ATTRIBUTES.get(name, f"arn:aws:logs:{PLACE}:log-group:{name}:*")
        case _:
            raise AssertionError(f"a resource that is not understood: {resource}")


def substituted(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda found: (VALUES | dict(values))[found[1]], text)


def exported(name: str) -> str:
    if name == "data-FilesBucketArn":
        return f"arn:aws:s3:::{BUCKET}"
    if name == "data-SecretsKeyArn":
        return KEY
    if name == "data-LogStreamArn":
        return f"{table_arn(PREFIX + 'log')}/stream/2026"
    return table_arn(PREFIX + name.removeprefix("data-").removesuffix("TableArn").lower())


def table_arn(table: str) -> str:
    return f"arn:aws:dynamodb:{PLACE}:table/{table}"


def grants_needed(
    service: str, operation: str, given: Mapping[str, Any]
) -> Iterator[Grant]:
    match service:
        case "dynamodb":
            tables = [given["TableName"]] if "TableName" in given else given["RequestItems"]
            for table in tables:
                yield f"dynamodb:{operation}", table_arn(table)
        case "sqs":
            queue = given["QueueUrl"].rpartition("/")[2]
            yield f"sqs:{operation}", f"arn:aws:sqs:{PLACE}:{queue}"
        case "apigatewaymanagementapi":
            method = {"PostToConnection": "POST", "DeleteConnection": "DELETE"}[operation]
            path = f"{API}/api/{method}/@connections/{given['ConnectionId']}"
            yield "execute-api:ManageConnections", f"arn:aws:execute-api:{PLACE}:{path}"
        case "kms":
            # The emulator names keys by chance, and this deployment has but one.
            yield f"kms:{operation}", KEY
        case "s3":
            place = f"arn:aws:s3:::{given['Bucket']}/{given['Key']}"
            yield f"s3:{OF_OBJECTS.get(operation, operation)}", place
        case _:
            raise AssertionError(f"a call of {service}, which no policy speaks of")
