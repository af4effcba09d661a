"""The PyPI client in a history: it writes and reads lists, and puts down what it was told.

It has a new session for each connection and sends again what was under way, so that a mutation
may run twice when its connection broke; nothing else may. It gives some up that were answered
when their connection broke: "channel closed", which says that the outcome is not known.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from convex import ConvexClient, ConvexError

LISTS, REGISTERS = range(4), range(2)


def steps_of(random: Random, epoch: int, name: str) -> list[dict[str, Any]]:
    """Draw a transaction over the lists of its time."""
    steps = []
    for number in range(random.randint(1, 3)):
        step = {"value": f"{name}.{number}"}
        step["do"] = random.choice(["append", "append", "read", "swap", "get"])
        if step["do"] in ("append", "read"):
            step["key"] = f"list {epoch}.{random.choice(LISTS)}"
        else:
            step["key"] = f"register {epoch}.{random.choice(REGISTERS)}"
        steps.append(step)
    if random.random() < 0.04:
        steps.append({"do": "refuse", "key": "", "value": ""})
    return steps


def work(stage: dict[str, Any]) -> dict[str, Any]:
    """Do all operations, one after another."""
    random, client = Random(stage["seed"]), ConvexClient(stage["url"])
    told = {"mutations": 0, "refused": 0, "closed": 0}
    errors: list[str] = []
    with Path(stage["history"]).open("w") as history:
        for number in range(stage["ops"]):
            name = f"{stage['run']}.{number}"
            epoch = number * stage["epochs"] // stage["ops"]
            steps = steps_of(random, epoch, name)
            line: dict[str, Any] = {
                "session": stage["run"],
                "name": name,
                "steps": steps,
                "repeats": True,
            }
            args: dict[str, Any] = {"steps": steps}
            invoked = time.monotonic()
            try:
                line["told"] = client.mutation("lists:transact", args)
                line["outcome"] = "ok"
            except ConvexError:
                line["outcome"] = "failed"
                told["refused"] += 1
            except Exception as error:  # noqa: BLE001 - the test judges whatever it was
                line["outcome"] = "unknown"
                if "channel closed" in str(error):
                    told["closed"] += 1
                else:
                    errors.append(repr(error))
            told["mutations"] += 1
            completed = time.monotonic() if line["outcome"] != "unknown" else None
            history.write(json.dumps({**line, "at": [invoked, completed]}) + "\n")
    return {**told, "errors": errors}


def main() -> None:
    """Work, and report."""
    print(json.dumps({"result": work(json.loads(sys.argv[1]))}), flush=True)


if __name__ == "__main__":
    main()
