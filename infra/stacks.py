"""Creates a stack, or changes it, and waits until that is done."""

import time
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

WITHIN_S: Final = 300
"""How long a stack may take, in seconds: ours have nothing slow in them."""

_DONE: Final = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


class StackFailed(Exception):
    """CloudFormation refused a stack, or did not come to an end; the message says why."""


def put_stack(
    client: Any, name: str, template: str, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Create or change a stack, and return its outputs.

    ``client`` makes clients of boto3's by their service's name. ``template`` is the text, or
    the address of one that is over 51,200 bytes.

    Raises:
        StackFailed: it was not created or changed.
    """
    formation = client("cloudformation")
    source = "TemplateURL" if template.startswith("http") else "TemplateBody"
    given: dict[str, Any] = {
        "StackName": name,
        source: template,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.items()
        ],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    try:
        formation.create_stack(**given)
    except ClientError as refused:
        if refused.response["Error"]["Code"] != "AlreadyExistsException":
            raise StackFailed(f"stack {name}: {refused}") from refused
        _update(formation, name, given)
    return _outputs(_ended(formation, name))


def _update(formation: Any, name: str, given: Mapping[str, Any]) -> None:
    try:
        formation.update_stack(**given)
    except ClientError as refused:
        # "No updates are to be performed" is how CloudFormation says that all is well.
        if "No updates" not in str(refused):
            raise StackFailed(f"stack {name}: {refused}") from refused


def _ended(formation: Any, name: str) -> dict[str, Any]:
    give_up = time.monotonic() + WITHIN_S
    while True:
        stack: dict[str, Any] = formation.describe_stacks(StackName=name)["Stacks"][0]
        status = stack["StackStatus"]
        if status in _DONE:
            return stack
        if not status.endswith("IN_PROGRESS") or time.monotonic() > give_up:
            raise StackFailed(
                f"stack {name}: {status} {stack.get('StackStatusReason', '')}"
            )
        time.sleep(0.3)


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
