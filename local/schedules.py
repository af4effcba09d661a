"""Plays EventBridge: a handler is called every so often."""

import datetime as dt
import threading
import uuid
from typing import Any

from local.events import ACCOUNT_ID
from local.lambda_host import LambdaFunction


class Schedule:
    """Calls a function every ``every_s`` seconds; never overlapping.

    The first call comes after that time, or with ``at_once`` at the start.

    A call that fails is logged by the function and not repeated: the next tick will come.
    """

    def __init__(
        self, function: LambdaFunction, *, every_s: float, at_once: bool = False
    ) -> None:
        self._function, self._every_s, self._at_once = function, every_s, at_once
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to tick."""
        name = f"schedule-{self._function.name}"
        threading.Thread(target=self._tick, name=name, daemon=True).start()

    def stop(self) -> None:
        """Tick no more. A call under way is left to itself."""
        self._stopping.set()

    def _tick(self) -> None:
        if self._at_once:
            self._function.attempt(self._event(), what="tick")
        while not self._stopping.wait(self._every_s):
            self._function.attempt(self._event(), what="tick")

    def _event(self) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC)
        rule = f"arn:aws:events:us-east-1:{ACCOUNT_ID}:rule/{self._function.name}"
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT_ID,
            "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": "us-east-1",
            "resources": [rule],
            "detail": {},
        }
