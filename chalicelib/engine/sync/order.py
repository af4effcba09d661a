"""In which order the frames of a connection are taken up.

API Gateway promises no order between frames, and two can be handled at once. Counters order
the frames of one kind; across kinds only the gateway's stamp does, once enough time has passed
that an earlier frame is not under way any more (DESIGN.md 5).
"""

from collections.abc import Sequence
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

GAP_PATIENCE_MS: Final = 5000.0
"""How long a frame may wait for one before it until the connection is given up."""


class Received(msgspec.Struct, frozen=True):
    """A frame and the message in it."""

    frame: Frame
    message: InboxMessage


class Choice(msgspec.Struct, frozen=True):
    """Which frame is next: ``ready`` now, or perhaps one after ``wait_ms``.

    With neither, every frame waits for one that has not come.
    """

    ready: Received | None = None
    wait_ms: float | None = None


class Timing(msgspec.Struct, frozen=True):
    """What decides whether a frame is settled: all in milliseconds.

    ``settle_ms`` is 0 where the gateway delivers the frames of a connection in order.
    """

    now_ms: float
    born_ms: float
    settle_ms: float

    def until_settled(self, frame: Frame) -> float:
        """How long until no earlier frame is expected any more."""
        return frame.stamp_ms + self.settle_ms - self.now_ms


def choose(session: Session, waiting: Sequence[Received], timing: Timing) -> Choice:
    """Pick the next frame of those that wait, given by stamp."""
    waits: list[float] = []
    for place, received in enumerate(waiting):
        delay = _delay(session, received, waiting[:place], waiting, timing)
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
    """How long until a frame may be taken up; None while another one must come first."""
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
        # back over an empty view (HAZARDS.md B6).
        return None
    if any(_is_request_below(r.message, message.request_id) for r in waiting):
        return None
    if (
        timing.settle_ms
        and session.number == 0
        and message.request_id > session.next_request
    ):
        return None  # on a first connection ids have no gaps: one is under way
    if any(isinstance(r.message, Authenticate) for r in earlier):
        return None
    young = timing.now_ms - timing.born_ms < NEW_CONNECTION_MS
    recent = timing.now_ms - session.authenticated_ms < AROUND_AUTHENTICATE_MS
    near = any(isinstance(r.message, Authenticate) for r in waiting)
    return settled if young or recent or near else 0


def _is_request_below(message: InboxMessage, request_id: int) -> bool:
    return isinstance(message, Mutation | Action) and message.request_id < request_id
