"""A worker: takes queued executions from the backend and processes them, one at a time.

It is a client like any other, with the Convex client from PyPI. It watches how many runs wait,
so that it asks for one when there is one; it holds a run by a heartbeat, and stops when the run
is cancelled:

    make -s token USER=worker ROLE=worker | python -m demo.worker --url http://127.0.0.1:3210
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from convex import ConvexClient, ConvexError

from demo.graph import Workplace, run
from demo.holding import Abandoned, Hold, held
from demo.processing import CannotProcess

REPORT_EVERY_S: Final = 0.1
"""Least time between two reports of one running node, in seconds."""

REPORT_SHARE: Final = 0.2
"""The most of a node's time that its reports take: where they take long, they are fewer."""

HERE: Final = Path(__file__).resolve().parent
SHAPES: Final = HERE / "node_modules" / "world-atlas"


@dataclass
class Worker:
    """One worker and its connection."""

    client: ConvexClient
    workplace: Workplace
    worker_id: str = field(default_factory=lambda: f"demo-{secrets.token_hex(4)}")

    async def work(self, *, once: bool) -> None:
        """Process what waits whenever something does; ``once``: until one run is done."""
        # The client's `async for` lets other threads run while it waits; its `for` does not.
        async for waiting in self.client.subscribe("workers:waiting"):
            while waiting and await self.work_once():
                if once:
                    return

    async def work_once(self) -> bool:
        """Take one run and process it; return whether there was one."""
        claimed = self.client.mutation("workers:claim", {"workerId": self.worker_id})
        if claimed is None:
            return False
        mine = {"executionId": claimed["executionId"], "workerId": self.worker_id}
        async with held(self.client, mine, claimed["leaseMs"]) as hold:
            processing = Processing(self.client, self.workplace, mine, hold)
            try:
                await asyncio.to_thread(processing.process, claimed)
            except Abandoned as reason:
                _say(f"abandoned {claimed['executionId']}: {reason}")
            except asyncio.CancelledError:  # Ctrl-C: the thread stops at its next report
                hold.end("the worker was stopped")
                self.client.mutation("workers:giveBack", mine)
                raise
        return True


@dataclass
class Processing:
    """One run at work, in a thread of its own."""

    client: ConvexClient
    workplace: Workplace
    mine: Mapping[str, Any]
    """The arguments that each report begins with."""
    hold: Hold
    _lines: list[dict[str, Any]] = field(default_factory=list)
    _due: float = 0.0
    _begun: float = 0.0

    def process(self, execution: Mapping[str, Any]) -> None:
        """Run the graph, and say how it ended.

        Raises:
            Abandoned: the run is this worker's no longer.
        """
        try:
            outputs = run(execution, self.workplace, self._report)
        except CannotProcess as reason:
            self._fail(str(reason), retryable=False)
        except OSError as fault:
            # A disk that is full or a file that is being replaced may be well another time.
            self._fail(f"{type(fault).__name__}: {fault}", retryable=True)
        except Abandoned:
            raise
        except Exception as error:  # noqa: BLE001 - one bad file must not end the worker
            self._fail(f"{type(error).__name__}: {error}", retryable=False)
        else:
            self._tell("workers:complete", outputs=outputs)

    def _report(self, node_id: str, state: str, progress: float) -> None:
        """Tell the backend how far a node is: starts and ends always, the rest now and then."""
        self.hold.check()
        now = time.monotonic()
        between = state == "running" and progress > 0
        if between and now < self._due:
            return
        if not between:
            self._log(node_id, state, now)
        self._tell("workers:progress", nodeId=node_id, state=state, progress=progress)
        told = time.monotonic()
        self._due = told + max(REPORT_EVERY_S, (told - now) / REPORT_SHARE)

    def _log(self, node_id: str, state: str, now: float) -> None:
        """Keep a line of the log; they are sent together, when the node has ended."""
        ended = state != "running"
        message = f"{state} after {now - self._begun:.2f} s" if ended else "begins"
        level = "error" if state == "failed" else "info"
        self._lines.append(
            {
                "nodeId": node_id,
                "level": level,
                "message": message,
                "time": time.time() * 1000,  # noqa: TID251 - the clock of its machine
            }
        )
        if ended:
            self._tell("logs:append", lines=self._lines)
            self._lines = []
        self._begun = now

    def _fail(self, error: str, *, retryable: bool) -> None:
        self._tell("workers:fail", error=error, retryable=retryable)

    def _tell(self, path: str, **args: Any) -> None:
        try:
            self.client.mutation(path, {**self.mine, **args})
        except ConvexError as refusal:
            raise Abandoned(str(refusal.data)) from refusal


def main() -> None:
    """Work until stopped, or with ``--once`` until one execution is done."""
    given = _arguments()
    client = ConvexClient(given.url)
    client.set_auth(sys.stdin.readline().strip())
    worker = Worker(client, Workplace(given.sources, given.results))
    _say(f"{worker.worker_id} waits for work from {given.url}")
    with suppress(KeyboardInterrupt):
        asyncio.run(worker.work(once=given.once))
    # All is told by now. Threads of the client may be about to hand over what nobody waits for
    # any more, and abort the program if they find an interpreter that is being taken down.
    os._exit(0)


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
