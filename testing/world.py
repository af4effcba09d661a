"""The world of a test: time that stands still, chance that repeats, sockets that are lists."""

import heapq
import itertools
import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

from typing_extensions import override

from chalicelib.engine.ports import Clock, Gateway, Ids, JobQueue

BEGINNING_MS: Final = 1_700_000_000_000.0
"""When every test begins: 14 November 2023, 22:13:20 UTC."""


class VirtualClock(Clock):
    """Time that passes when somebody waits: a test does, and each call that may write, 1 ms."""

    def __init__(self) -> None:
        self._now_ms = BEGINNING_MS

    @override
    def now_ms(self) -> float:
        """Milliseconds since the Unix epoch."""
        return self._now_ms

    @override
    def wait_ms(self, duration_ms: float) -> None:
        """Let time pass, at once."""
        self._now_ms += duration_ms


class CountedIds(Ids):
    """Ids and seeds that are the same in every run of a test."""

    def __init__(self) -> None:
        self._made = 0

    @override
    def transaction_id(self) -> str:
        """The next name."""
        self._made += 1
        return f"transaction-{self._made}"

    @override
    def seed(self) -> bytes:
        """The next 16 bytes, which look like chance."""
        self._made += 1
        return sha256(str(self._made).encode()).digest()[:16]


class DelayedJobs(JobQueue):
    """A job queue that delivers in order of time, when it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[tuple[float, int, bytes]] = []
        self._sent = itertools.count()

    @override
    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Keep a message until it is due."""
        due_ms = self._clock.now_ms() + delay_ms
        heapq.heappush(self._waiting, (due_ms, next(self._sent), body))

    def next_in_ms(self) -> float:
        """How long it is until a message is due; infinity if none waits."""
        if not self._waiting:
            return float("inf")
        return max(0.0, self._waiting[0][0] - self._clock.now_ms())

    def due(self) -> Iterator[bytes]:
        """Take messages out that are due, also those sent meanwhile."""
        while self._waiting and self._waiting[0][0] <= self._clock.now_ms():
            yield heapq.heappop(self._waiting)[-1]


class Sockets(Gateway):
    """A gateway that keeps what was posted to each connection."""

    def __init__(self) -> None:
        self.posted: dict[str, list[dict[str, Any]]] = {}

    @override
    def post(self, connection: str, data: bytes) -> None:
        """Keep a message."""
        self.posted.setdefault(connection, []).append(json.loads(data))

    @override
    def close(self, connection: str, code: int, reason: str) -> None:
        """Keep that the connection was closed, as if it were a message."""
        self.posted.setdefault(connection, []).append(
            {"type": "closed", "code": code, "reason": reason}
        )
