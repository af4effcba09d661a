"""The PyPI client as an observer in a history: it puts down what its live queries show together.

It is a program of its own: waiting for a delivery holds the interpreter's lock in 0.8.1, so that
the one which writes could not. It ends when the register ``end`` is written.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from convex import ConvexClient, QuerySubscription

LISTS, REGISTERS = range(4), range(2)
END = "end"
TRIES = 100


def queries(epochs: list[int]) -> dict[str, str]:
    """The functions that read all lists and registers of some times, by what they read."""
    lists = [f"list {epoch}.{number}" for epoch in epochs for number in LISTS]
    registers = [f"register {epoch}.{number}" for epoch in epochs for number in REGISTERS]
    return dict.fromkeys(lists, "lists:elements") | dict.fromkeys(registers, "lists:held")


def value_of(result: Any) -> Any:
    """The value in one result of ``watch_all``, which says of each whether it is an error."""
    if isinstance(result, dict):
        assert result["type"] == "value", result
        return result["value"]
    return result


def change(before: Any, value: Any) -> Any:
    """What is new, as histories have it."""
    if value == before:
        return "same"
    return {"elements": value} if isinstance(value, list) else {"value": value}


def subscribed(client: ConvexClient, path: str, key: str) -> QuerySubscription:
    """Subscribe; again, when the connection broke meanwhile, which fails with "channel closed"."""
    for _ in range(TRIES):
        try:
            return client.subscribe(path, {"key": key})
        except Exception as error:
            if "channel closed" not in str(error):
                raise
            time.sleep(0.1)
    raise AssertionError("no subscription in all this time")


def watch(stage: dict[str, Any]) -> dict[str, Any]:
    """Follow the queries until the end."""
    client, told = ConvexClient(stage["url"]), {"transitions": 0, "shown": 0}
    watched = {
        key: subscribed(client, path, key) for key, path in queries(stage["epochs"]).items()
    }
    end = subscribed(client, "lists:held", END)
    before: dict[str, Any] = {}
    with Path(stage["history"]).open("w") as history:
        for shown in client.watch_all():
            results = shown or {}
            told["transitions"] += 1
            now = {
                key: value_of(results[one.id])
                for key, one in watched.items()
                if one.id in results
            }
            if len(now) == len(watched) and now != before:
                keys = {
                    key: change(before.get(key, ...), value) for key, value in now.items()
                }
                at = [time.monotonic()] * 2
                line = {"session": stage["run"], "live": True, "at": at, "keys": keys}
                history.write(json.dumps(line) + "\n")
                before, told["shown"] = now, told["shown"] + 1
            if end.id in results and value_of(results[end.id]) is not None:
                break
    return told


def main() -> None:
    """Watch, and report."""
    print(json.dumps({"result": watch(json.loads(sys.argv[1]))}), flush=True)


if __name__ == "__main__":
    main()
