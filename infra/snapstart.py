"""SnapStart as an option of the build: functions start from a snapshot of a started process.

It works on published versions only. So each function gets an alias that follows its newest
version, and everything that calls the function calls the alias: SAM sees to event sources, and
here are the two APIs, whose addresses Chalice writes. Nothing of a snapshot is used twice:
names of transactions are read from the machine's chance each time (``adapters/system.py``),
and a process that has slept looks at the log's head before it puts (``docs/hazards.md`` A3).
"""

import json
import sys
from typing import Any, Final

FUNCTIONS: Final = ("APIHandler", "WebsocketMessage", "CommitLog", "Wakes")
"""Those whose start somebody waits for."""

ALIAS: Final = "live"

OLDEST_PYTHON: Final = (3, 12)
"""Source: Lambda's documentation, "Improving startup performance with Lambda SnapStart"."""


class TooOldForSnapStart(Exception):
    """The packaging interpreter sets the runtime, and this one has no SnapStart."""

    def __init__(self) -> None:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        super().__init__(
            f"SnapStart needs Python {wanted} or newer on Lambda, and the Python that packages"
            f" is the one that Lambda runs: make package PYTHON=/path/to/python{wanted}"
        )


def check_python() -> None:
    """Refuse an interpreter whose runtime has no SnapStart.

    Raises:
        TooOldForSnapStart: it is older than Python 3.12.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise TooOldForSnapStart


def with_snapstart(sam: dict[str, Any]) -> dict[str, Any]:
    """Return a SAM template whose functions start from snapshots."""
    text = json.dumps(sam).replace(
        "${APIHandler.Arn}/invocations", "${APIHandler.Alias}/invocations"
    )
    changed: dict[str, Any] = json.loads(text)
    resources = changed["Resources"]
    for name in FUNCTIONS:
        resources[name]["Properties"] |= {
            "SnapStart": {"ApplyOn": "PublishedVersions"},
            "AutoPublishAlias": ALIAS,
        }
    for name in ("APIHandler", "WebsocketMessage"):
        permission = resources[f"{name}InvokePermission"]["Properties"]
        permission["FunctionName"] = {"Ref": f"{name}.Alias"}
    _, handlers = resources["WebsocketMessageAPIIntegration"]["Properties"][
        "IntegrationUri"
    ]["Fn::Sub"]
    handlers["WebsocketHandler"] = {"Fn::Sub": f"${{WebsocketMessage}}:{ALIAS}"}
    return changed
