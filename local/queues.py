"""Plays SQS and its poller: messages with a delay, delivered at least once."""

import hashlib
import heapq
import itertools
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from local.events import ACCOUNT_ID, now_ms
from local.lambda_host import (
    PATIENCE_S,
    LambdaFunction,
    Outcome,
    Stopped,
    Throttled,
)
from local.limits import MAX_MESSAGES

MAX_DELAY_S: Final = 900
"""Longest delay of a message. Source: SQS, ``DelaySeconds``."""

MAX_RECEIVES: Final = 5
"""How often a message is delivered before it is given up."""


class QueueFull(Exception):
    """As many messages wait as are kept. SQS has no such bound; a process has."""


@dataclass(slots=True, eq=False)
class Message:
    """A message in a queue; ``receives`` counts its deliveries."""

    message_id: str
    body: str
    sent_ms: int
    receives: int = 0
    first_received_ms: int = 0


GiveUp = Callable[[Message], None]


@dataclass(order=True, slots=True)
class _Due:
    at: float
    position: int
    message: Message = field(compare=False)


class Queue:
    """An SQS queue in this process, and the event source that calls a function with it.

    A message whose call raises, or times out, is delivered again after ``retry_s``; after
    ``MAX_RECEIVES`` deliveries it goes to ``give_up``. Messages do not survive the process.
    """

    def __init__(
        self, function: LambdaFunction, *, give_up: GiveUp, retry_s: float = 1.0
    ) -> None:
        self._function, self._give_up, self._retry_s = function, give_up, retry_s
        self._arn = f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:{function.name}"
        self._due: list[_Due] = []
        self._positions = itertools.count()
        self._changed = threading.Condition()
        self._stopping = False

    def send(self, body: str, delay_s: float = 0.0) -> str:
        """Put a message in; it is delivered ``delay_s`` seconds from now. Returns its id.

        Raises:
            QueueFull: as many messages wait as are kept.
            ValueError: the delay is negative, or longer than SQS keeps a message back.
        """
        if not 0 <= delay_s <= MAX_DELAY_S:
            raise ValueError(f"a delay is 0 to {MAX_DELAY_S} seconds, not {delay_s}")
        if len(self._due) >= MAX_MESSAGES:
            raise QueueFull(f"{len(self._due)} messages wait already")
        message = Message(str(uuid.uuid4()), body, now_ms())
        self._put(message, delay_s)
        return message.message_id

    def start(self) -> None:
        """Begin to deliver."""
        name = f"queue-{self._function.name}"
        threading.Thread(target=self._deliver, name=name, daemon=True).start()

    def stop(self) -> None:
        """Deliver no more. Calls under way are left to themselves."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _put(self, message: Message, delay_s: float) -> None:
        due = _Due(time.monotonic() + delay_s, next(self._positions), message)
        with self._changed:
            heapq.heappush(self._due, due)
            if self._due[0] is due:
                self._changed.notify_all()

    def _deliver(self) -> None:
        while (message := self._next()) is not None:
            self._call(message)

    def _next(self) -> Message | None:
        """Wait for a message that is due; None when the queue stops."""
        with self._changed:
            while not self._stopping:
                wait_s = self._due[0].at - time.monotonic() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._due).message
                if self._function.relieve():
                    wait_s = min(PATIENCE_S, wait_s or PATIENCE_S)
                self._changed.wait(wait_s)
        return None

    def _call(self, message: Message) -> None:
        message.receives += 1
        message.first_received_ms = message.first_received_ms or now_ms()

        def done(outcome: Outcome) -> None:
            if outcome.error is not None or _reported_failed(outcome.value):
                self._return(message)

        try:
            what = f"message {message.receives}"
            self._function.submit(self._event(message), what=what, done=done)
        except Throttled:
            message.receives -= 1
            self._put(message, self._retry_s)
        except Stopped:
            return

    def _return(self, message: Message) -> None:
        if message.receives >= MAX_RECEIVES:
            self._give_up(message)
        else:
            self._put(message, self._retry_s)

    def _event(self, message: Message) -> dict[str, Any]:
        record = {
            "messageId": message.message_id,
            "receiptHandle": f"{message.message_id}#{message.receives}",
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.receives),
                "SentTimestamp": str(message.sent_ms),
                "SenderId": ACCOUNT_ID,
                "ApproximateFirstReceiveTimestamp": str(message.first_received_ms),
            },
            "messageAttributes": {},
            "md5OfBody": hashlib.md5(
                message.body.encode(), usedforsecurity=False
            ).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": "us-east-1",
        }
        return {"Records": [record]}


def _reported_failed(value: object) -> bool:
    """Tell whether a handler reported the message in ``batchItemFailures``."""
    return isinstance(value, dict) and bool(value.get("batchItemFailures"))
