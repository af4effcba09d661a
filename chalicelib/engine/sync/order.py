"""In which order the frames of a connection are taken up.

API Gateway promises no order between frames, and two can be handled at once. Counters order
the frames of one kind; across kinds only the gateway's stamp does, once enough time has passed
that an earlier frame is not under way any more (docs/design.md 5).
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chalicelib.engine.ports import Frame
from chalicelib.engine.sync.messages import (
    Action,
    ActionDone,
    Authenticate,
    Connect,
    Event,
    InboxMessage,
    ModifyQuerySet,
    Mutation,
)
from chalicelib.engine.sync.session import Session

NEW_CONNECTION_MS: Final = 5000.0
"""How long after its first frame a connection's frames are given time to settle."""

AROUND_AUTHENTICATE_MS: Final = 2000.0
"""How long after an Authenticate requests are given time to settle."""

GAP_SETTLE_MS: Final = 3000.0
"""How long a request of a later connection may wait for the one before it.

There ids have gaps where requests were settled before; but a gap may also be a frame whose
handler is late, by a cold start for instance.
"""

GAP_PATIENCE_MS: Final = 5000.0
"""How long a frame may wait for one before it until the connection is given up."""


def _never(_request_id: int) -> bool:
    return False


class Received(msgspec.Struct, frozen=True):
    """A frame and the message in it."""

    frame: Frame
    message: InboxMessage


def place(received: Received) -> tuple[float, int, str]:
    """Sort key: the order in which the gateway got frames, as far as its stamp tells.

    Stamps are whole milliseconds, which a client's opening burst may share: Connect,
    Authenticate, ModifyQuerySet, requests is the order in which clients send them.
    """
    frame = received.frame
    return frame.stamp_ms, _rank(received.message), frame.id


def _rank(message: InboxMessage) -> int:
    match message:
        case Connect():
            return 0
        case Authenticate():
            return 1
        case ModifyQuerySet():
            return 2
        case _:
            return 3


class Choice(msgspec.Struct, frozen=True):
    """Which frame is next: ``ready`` now, or perhaps one ``wait_ms`` after the last look.

    With neither, every frame waits for one that has not come.
    """

    ready: Received | None = None
    wait_ms: float | None = None


class Timing(msgspec.Struct, frozen=True):
    """What decides whether a frame is settled: all in milliseconds.

    ``looked_ms`` is when the inbox was last read: what came after that is not known yet.
    ``settle_ms`` is 0 where the gateway delivers the frames of a connection in order.
    ``answered`` tells of a request id of this session whether the log has its answer.
    """

    now_ms: float
    looked_ms: float
    born_ms: float
    settle_ms: float
    answered: Callable[[int], bool] = _never

    def until_settled(self, frame: Frame) -> float:
        """How long after the last look no earlier frame is expected any more."""
        if not self.settle_ms:
            return 0
        return frame.stamp_ms + self.settle_ms - self.looked_ms


def choose(session: Session, waiting: Sequence[Received], timing: Timing) -> Choice:
    """Pick the next frame of those that wait, sorted by :func:`place`."""
    waits: list[float] = []
    for number, received in enumerate(waiting):
        delay = _delay(session, received, waiting[:number], waiting, timing)
        if delay is None:
            continue
        if delay <= 0:
            return Choice(ready=received)
        waits.append(delay)
    return Choice(wait_ms=min(waits)) if waits else Choice()


def _delay(
    session: Session,
    received: Received,
    earlier: Sequence[Received],
    waiting: Sequence[Received],
    timing: Timing,
) -> float | None:
    """How long after the last look a frame may be taken up; None: another one must come first."""
    message, settled = received.message, timing.until_settled(received.frame)
    match message:
        case ActionDone() | Connect() | Event():
            return 0
        case _ if not session.id:
            return None
        case ModifyQuerySet():
            return None if message.base_version > session.query_set else 0
        case Authenticate():
            blocked = any(isinstance(r.message, Mutation | Action) for r in earlier)
            return None if blocked or message.base_version > session.identity else settled
        case Mutation() | Action():
            return _request_delay(session, message, earlier, waiting, settled, timing)


def _request_delay(
    session: Session,
    message: Mutation | Action,
    earlier: Sequence[Received],
    waiting: Sequence[Received],
    settled: float,
    timing: Timing,
) -> float | None:
    if session.query_set == 0:
        # Answered before the first query set, a mutation would roll its optimistic update
        # back over an empty view (docs/hazards.md B6).
        return None
    if any(_is_request_below(r.message, message.request_id) for r in waiting):
        return None
    gap = timing.settle_ms > 0 and message.request_id > session.next_request
    if gap and session.number == 0:
        return None  # on a first connection ids have no gaps: one is under way
    if any(isinstance(r.message, Authenticate) for r in earlier):
        return None
    young = timing.now_ms - timing.born_ms < NEW_CONNECTION_MS
    recent = timing.now_ms - session.authenticated_ms < AROUND_AUTHENTICATE_MS
    near = any(isinstance(r.message, Authenticate) for r in waiting)
    if gap and not timing.answered(message.request_id - 1):
        return settled - timing.settle_ms + GAP_SETTLE_MS
    return settled if young or recent or near else 0


def _is_request_below(message: InboxMessage, request_id: int) -> bool:
    return isinstance(message, Mutation | Action) and message.request_id < request_id
