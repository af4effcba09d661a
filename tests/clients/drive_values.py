"""Values and validation as the PyPI client sees them, over HTTP and live."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any

from convex import ConvexClient, ConvexInt64
from convex.http_client import ConvexHttpClient

VALUES: list[Any] = [
    None,
    True,
    1.5,
    -2.0,
    math.inf,
    ConvexInt64(2**53 + 1),
    ConvexInt64(-(2**63)),
    "",
    "é€😀",
    b"",
    b"\x00\xff",
    [],
    {},
    [[None, {"a": [1.5, b"x"]}]],
]


def failure(call: Callable[[], Any]) -> str:
    """What a call failed with."""
    try:
        value = call()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return str(error)
    raise AssertionError(f"no error, but {value!r}")


def play(client: Any, name: str) -> None:
    """Send values there and back, and some that are refused."""
    for value in VALUES:
        assert client.query("values:any", {"v": value}) == value, value
    assert client.query("values:whole", {"v": 3}) == 3
    assert math.isnan(client.query("values:number", {"v": math.nan}))
    passed(f"{name}: values come back")

    wrong = failure(lambda: client.query("values:string", {"v": 1.5}))
    assert (
        "ArgumentValidationError: Value does not match validator.\nPath: .v\nValue: 1.5\n"
        "Validator: v.string()"
    ) in wrong, wrong
    lie = failure(lambda: client.query("values:lie", {"v": "no list"}))
    assert "ReturnsValidationError: Value does not match validator." in lie, lie
    passed(f"{name}: what does not match is refused in Convex's words")


def passed(step: str) -> None:
    """Report a step."""
    print(json.dumps({"passed": step}), flush=True)


if __name__ == "__main__":
    url = json.loads(sys.argv[1])["url"]
    play(ConvexHttpClient(url), "http")
    play(ConvexClient(url), "live")
