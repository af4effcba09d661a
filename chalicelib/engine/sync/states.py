"""Session states: how they are stored, and those that a process remembers."""

from collections import OrderedDict
from threading import Lock
from typing import Final

import msgspec

from chalicelib.engine.sync.holding import CLOSE_AGAIN
from chalicelib.engine.sync.services import Ended
from chalicelib.engine.sync.session import Session

STATES_KEPT: Final = 20_000
"""Sessions whose state a process remembers, so that it need not be read again."""


class _State(msgspec.Struct, frozen=True, array_like=True):
    revision: int
    session: Session


_decoder = msgspec.msgpack.Decoder(_State)


def encode_state(session: Session, revision: int) -> bytes:
    """Write a state item."""
    return msgspec.msgpack.encode(_State(revision, session))


def session_of(data: bytes) -> Session:
    """Read a state item, whichever lease it goes with; for whoever only looks."""
    return _state_of(data).session


def _state_of(data: bytes) -> _State:
    return _decoder.decode(data) if data else _State(0, Session())


def decode_state(data: bytes, revision: int) -> Session:
    """Read the state that goes with a lease.

    Raises:
        Ended: it is another one; an older write came late, after its repetition.
    """
    state = _state_of(data)
    if state.revision != revision:
        raise Ended(CLOSE_AGAIN, "StateLost")
    return state.session


class States:
    """Session states that this process was the last to write, by revision."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: OrderedDict[str, tuple[int, Session]] = OrderedDict()

    def get(self, connection: str, revision: int) -> Session | None:
        """The state at ``revision``, if it is known."""
        held = self._held.get(connection)
        return held[1] if held is not None and held[0] == revision else None

    def newest(self, connection: str) -> Session | None:
        """The session as it was when it was last run here; it may have been elsewhere since."""
        held = self._held.get(connection)
        return held[1] if held is not None else None

    def put(self, connection: str, revision: int, session: Session) -> None:
        """Remember what was written."""
        with self._lock:
            self._held[connection] = revision, session
            self._held.move_to_end(connection)
            if len(self._held) > STATES_KEPT:
                self._held.popitem(last=False)

    def drop(self, connection: str) -> None:
        """Forget a session that has ended."""
        with self._lock:
            self._held.pop(connection, None)
