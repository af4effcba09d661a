"""The engine's ports over what the local server has in its own process."""

import threading
import time
from typing import Any, Final

from typing_extensions import override

from chalicelib.adapters.system import SystemIds
from chalicelib.engine.errors import ConnectionGone, MessageTooLarge, StorageUnavailable
from chalicelib.engine.log import ORIGIN
from local.chance import ChancePool
from local.connections import Connections, Gone, TooLarge
from local.lambda_host import LambdaFunction
from local.queues import MAX_DELAY_S, Queue, QueueFull

MAX_RECORDS: Final = 100
"""Entries in one event of the commit log, as many as the deployed function is given."""


SEED_BYTES: Final = 16

NAMES_AHEAD: Final = 64
"""Names that are made at once: each session that is woken is given one."""

ATTEMPTS: Final = 5
"""How often an event of the commit log is sent when its handler fails."""


class PooledIds(SystemIds):
    """Names out of a pool of the machine's chance."""

    def __init__(self) -> None:
        self._pool = ChancePool()
        self._names: list[str] = []

    @override
    def transaction_id(self) -> str:
        """32 hexadecimal digits."""
        while True:
            try:
                # Each name goes to one thread: a list gives each of its parts away once.
                return self._names.pop()
            except IndexError:
                text = self._pool.take(NAMES_AHEAD * SEED_BYTES).hex()
                self._names.extend([text[i : i + 32] for i in range(0, len(text), 32)])

    @override
    def seed(self) -> bytes:
        """16 bytes that were given to nobody else."""
        return self._pool.take(SEED_BYTES)


class OwnSockets:
    """The gateway, without the way over HTTP."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def post(self, connection: str, data: bytes) -> None:
        """Send one message."""
        try:
            self._connections.post(connection, data)
        except Gone as gone:
            raise ConnectionGone(f"connection {connection} is closed") from gone
        except TooLarge as large:
            raise MessageTooLarge(f"a message of {len(data)} bytes is too large") from large

    def unsent(self, connection: str) -> int:
        """How many messages its client has not taken."""
        return self._connections.unsent(connection)

    def close(self, connection: str, code: int, reason: str) -> None:
        """Close a socket; one that is closed already is left alone."""
        try:
            self._connections.close(connection, code, reason)
        except Gone:
            return


class OwnQueue:
    """The job queue, in this process."""

    def __init__(self) -> None:
        self.queue: Queue | None = None

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Deliver ``body`` later."""
        if self.queue is None:
            raise RuntimeError("the queue of jobs has not been connected")
        try:
            self.queue.send(body.decode(), min(max(delay_ms, 0) / 1000, MAX_DELAY_S))
        except QueueFull as full:
            raise StorageUnavailable(str(full)) from full


class CommitFeed:
    """Plays the commit log's stream for a store that tells of its commits by a call.

    The events are those that the stream would send, but for images: no handler needs them.
    """

    def __init__(self) -> None:
        self._head = self._told = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._function: LambdaFunction | None = None

    def connect(self, function: LambdaFunction, head: int) -> None:
        """Have commits after ``head`` told to ``function``."""
        self._function, self._told = function, max(head, ORIGIN)

    def committed(self, head: int) -> None:
        """Take in that the log's end is ``head`` now."""
        with self._changed:
            self._head = max(self._head, head)
            self._changed.notify()

    def start(self) -> None:
        """Begin to tell."""
        threading.Thread(target=self._run, name="commit-feed", daemon=True).start()

    def stop(self) -> None:
        """Tell no more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def _run(self) -> None:
        while (event := self._next()) is not None:
            for attempt in range(ATTEMPTS):
                if self._function is None or self._stopping:
                    break
                what = f"{len(event['Records'])} commits"
                outcome = self._function.attempt(event, what=what)
                if outcome.error is None and not _failures(outcome.value):
                    break
                time.sleep(0.1 * 2**attempt)  # as the stream would send the batch again

    def _next(self) -> dict[str, Any] | None:
        with self._changed:
            while self._head <= self._told and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            first = self._told + 1
            self._told = min(self._head, self._told + MAX_RECORDS)
            last = self._told
        return {"Records": [_record(ts) for ts in range(first, last + 1)]}


def _failures(answer: object) -> bool:
    """Tell whether a handler asks for records of its batch to come again."""
    return isinstance(answer, dict) and bool(answer.get("batchItemFailures"))


def _record(ts: int) -> dict[str, Any]:
    number = str(ts)
    change = {"Keys": {"pk": _LOG, "ts": {"N": number}}, "SequenceNumber": number}
    return {**_OF_EACH, "eventID": number, "dynamodb": {**change, **_OF_EACH_CHANGE}}


_LOG: Final = {"S": "main"}
_OF_EACH_CHANGE: Final = {"StreamViewType": "KEYS_ONLY"}
_OF_EACH: Final = {
    "eventName": "INSERT",
    "eventVersion": "1.1",
    "eventSource": "aws:dynamodb",
    "awsRegion": "us-east-1",
}
