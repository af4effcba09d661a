"""A worker: takes queued executions from the backend and processes them, one at a time.

It is a client like any other, with the Convex client from PyPI:

    make -s token USER=worker ROLE=worker | python -m demo.worker --url http://127.0.0.1:3210
"""

import argparse
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from convex import ConvexClient, ConvexError

from demo.graph import Workplace, run
from demo.processing import CannotProcess

REPORT_EVERY_S: Final = 0.1
"""Least time between two reports of one running node, in seconds."""

ASK_EVERY_S: Final = 1.0
"""Time between two questions for work while there is none, in seconds."""

HERE: Final = Path(__file__).resolve().parent
SHAPES: Final = HERE / "node_modules" / "world-atlas"


class Abandoned(Exception):
    """The backend no longer wants the execution from this worker; the text says why."""


@dataclass
class Worker:
    """One worker and its connection."""

    client: ConvexClient
    workplace: Workplace
    worker_id: str = field(default_factory=lambda: f"demo-{secrets.token_hex(4)}")
    _reported: float = 0.0

    def work_once(self) -> bool:
        """Take one execution and process it; return whether there was one."""
        claimed = self.client.mutation("workers:claim", {"workerId": self.worker_id})
        if claimed is None:
            return False
        try:
            self._process(claimed)
        except Abandoned as reason:
            _say(f"abandoned {claimed['executionId']}: {reason}")
        return True

    def _process(self, execution: Mapping[str, Any]) -> None:
        mine = {"executionId": execution["executionId"], "workerId": self.worker_id}

        def report(node_id: str, state: str, progress: float) -> None:
            self._report({**mine, "nodeId": node_id, "state": state, "progress": progress})

        try:
            outputs = run(execution, self.workplace, report)
        except CannotProcess as reason:
            self._tell("workers:fail", {**mine, "error": str(reason)})
        except Abandoned:
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not end the worker
            fault = f"{type(error).__name__}: {error}"
            self._tell("workers:fail", {**mine, "error": fault})
        else:
            self._tell("workers:complete", {**mine, "outputs": outputs})

    def _report(self, progress: dict[str, Any]) -> None:
        """Tell the backend how far a node is: starts and ends always, the rest now and then."""
        now = time.monotonic()
        between = progress["state"] == "running" and progress["progress"] > 0
        if between and now - self._reported < REPORT_EVERY_S:
            return
        self._reported = now
        self._tell("workers:progress", progress)

    def _tell(self, path: str, args: dict[str, Any]) -> None:
        try:
            self.client.mutation(path, args)
        except ConvexError as refusal:
            raise Abandoned(str(refusal.data)) from refusal


def main() -> None:
    """Work until stopped, or with ``--once`` until one execution is done."""
    given = _arguments()
    client = ConvexClient(given.url)
    client.set_auth(sys.stdin.readline().strip())
    worker = Worker(client, Workplace(given.sources, given.results))
    _say(f"{worker.worker_id} waits for work from {given.url}")
    while True:
        worked = worker.work_once()
        if worked and given.once:
            return
        if not worked:
            time.sleep(ASK_EVERY_S)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.worker", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3210")
    parser.add_argument(
        "--sources", type=Path, default=SHAPES, help="where input files are"
    )
    parser.add_argument("--results", type=Path, default=Path("out/demo"))
    parser.add_argument("--once", action="store_true", help="end after one execution")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(f"worker: {text}\n")


if __name__ == "__main__":
    main()
