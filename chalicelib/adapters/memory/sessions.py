"""Sessions in memory: the reference implementation, written to be read."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import Final

from msgspec.structs import replace

from chalicelib.engine.errors import Overloaded
from chalicelib.engine.limits import MAX_INBOX_BYTES, MAX_INBOX_FRAMES
from chalicelib.engine.ports import (
    ROSTER_SHARDS,
    Acquired,
    Frame,
    Lease,
    roster_shard,
)

_KEEP_DEAD_MS: Final = 24 * 60 * 60 * 1000

DEAD_KEPT: Final = 100_000
"""Dead leases that are kept at most, some 40 MB of them.

Whoever connects and leaves for a day must not fill the memory. In one process a frame that is
still under way is no older than seconds, in which not so many die.
"""

_DEAD: Final = Lease(dead=True)


@dataclass(slots=True)
class _Session:
    """What is kept for one connection."""

    lease: Lease
    state: bytes = b""
    inbox: dict[str, Frame] = field(default_factory=dict)
    inbox_bytes: int = 0


_BURIED: Final = _Session(_DEAD)
"""What every buried session has become; nothing of a dead one changes any more."""


class MemorySessions:
    """Leases, states and inboxes in one dict, behind one lock."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._roster: list[dict[str, str]] = [{} for _ in range(ROSTER_SHARDS)]
        self._numbers: dict[str, dict[str, int]] = {}
        self._buried: deque[tuple[float, str]] = deque()
        self._now_ms = 0.0
        self._lock = RLock()

    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,  # noqa: ARG002 - nothing is far away
    ) -> Acquired:
        """Take the lease if it is free."""
        with self._lock:
            self._forget_dead(now_ms)
            session = self._sessions.get(connection)
            if session is None:
                if wake_ts:
                    return Acquired(_DEAD, mine=False)
                session = self._sessions[connection] = _Session(Lease(born_ms=now_ms))
            lease = session.lease
            if lease.owner is None:
                deadline = deadline_ms
            elif lease.owner == owner and lease.deadline_ms > now_ms:
                deadline = lease.deadline_ms
            else:
                return Acquired(lease, mine=False)
            if lease.dead:
                return Acquired(lease, mine=False)
            wake = max(lease.wake_ts, wake_ts)
            session.lease = replace(lease, owner=owner, deadline_ms=deadline, wake_ts=wake)
            return Acquired(session.lease, mine=True)

    def _forget_dead(self, now_ms: float) -> None:
        # Other calls are not told the time; they take the last that was heard.
        self._now_ms = max(self._now_ms, now_ms)
        while self._buried and (
            len(self._buried) > DEAD_KEPT
            or self._buried[0][0] < self._now_ms - _KEEP_DEAD_MS
        ):
            self._sessions.pop(self._buried.popleft()[1], None)

    def _living(self, connection: str) -> _Session | None:
        session = self._sessions.get(connection)
        return None if session is None or session.lease.dead else session

    def _lease(self, connection: str) -> Lease:
        session = self._sessions.get(connection)
        return _DEAD if session is None else session.lease

    def raise_wake(self, connection: str, wake_ts: int) -> Lease:
        """Raise ``wake_ts`` if it is lower."""
        with self._lock:
            session = self._living(connection)
            if session is not None and session.lease.wake_ts < wake_ts:
                session.lease = replace(session.lease, wake_ts=wake_ts)
            return self._lease(connection)

    def leave(self, connection: str, frame: Frame) -> None:
        """Put a frame into the inbox, if there is room."""
        with self._lock:
            session = self._living(connection)
            if session is None:
                return
            if (
                len(session.inbox) >= MAX_INBOX_FRAMES
                or session.inbox_bytes >= MAX_INBOX_BYTES
            ):
                raise Overloaded(f"{len(session.inbox)} frames wait already")
            self.drop_frames(connection, [frame.id])
            session.inbox[frame.id] = frame
            session.inbox_bytes += len(frame.body)

    def raise_left(self, connection: str) -> Lease:
        """Count one frame more as left."""
        with self._lock:
            session = self._living(connection)
            if session is not None:
                session.lease = replace(session.lease, left=session.lease.left + 1)
            return self._lease(connection)

    def inbox(self, connection: str) -> list[Frame]:
        """Read all frames that wait."""
        with self._lock:
            session = self._sessions.get(connection)
            frames = session.inbox.values() if session else ()
            return sorted(frames, key=lambda frame: (frame.stamp_ms, frame.id))

    def drop_frames(self, connection: str, ids: Iterable[str]) -> None:
        """Remove frames from the inbox."""
        with self._lock:
            session = self._sessions.get(connection)
            if session is None:
                return
            for id_ in ids:
                if (frame := session.inbox.pop(id_, None)) is not None:
                    session.inbox_bytes -= len(frame.body)

    def state(self, connection: str) -> bytes:
        """Read the state item."""
        session = self._sessions.get(connection)
        return b"" if session is None else session.state

    def write_state(self, connection: str, state: bytes) -> None:
        """Write the state item."""
        with self._lock:
            if (session := self._living(connection)) is not None:
                session.state = state

    def release(self, connection: str, owner: str, lease: Lease, *, final: bool) -> bool:
        """Save and give back the lease, unless there is something left to do."""
        with self._lock:
            session = self._living(connection)
            if session is None or session.lease.owner != owner:
                return False
            held = session.lease
            if not final and (held.left > lease.left or held.wake_ts > lease.seen):
                return False
            session.lease = replace(
                lease,
                owner=None,
                deadline_ms=0,
                left=held.left,
                wake_ts=held.wake_ts,
                dead=False,
                born_ms=held.born_ms,
            )
            return True

    def condemn(self, connection: str) -> None:
        """Mark the session dead."""
        with self._lock:
            session = self._sessions.setdefault(connection, _Session(Lease()))
            if not session.lease.dead:
                session.lease = replace(session.lease, dead=True)
                self._buried.append((self._now_ms, connection))

    def bury(self, connection: str) -> None:
        """Remove all but the dead lease."""
        with self._lock:
            session = self._sessions.get(connection)
            if session is not None:
                # A day's dead are many: of each no more is kept than that it is dead.
                self._sessions[connection] = _BURIED
            name = self._roster[roster_shard(connection)].pop(connection, None)
            if name is not None and (numbers := self._numbers.get(name)) is not None:
                numbers.pop(connection, None)
                if not numbers:
                    del self._numbers[name]

    def enlist(self, connection: str, session: str, number: int) -> list[str]:
        """Record whose connection this is."""
        with self._lock:
            self._roster[roster_shard(connection)][connection] = session
            numbers = self._numbers.setdefault(session, {})
            numbers[connection] = number
            return sorted(
                other
                for other in numbers
                if numbers[other] < number and self._living(other)
            )

    def roster(self, shard: int) -> list[tuple[str, Lease]]:
        """Read the sessions of one shard."""
        with self._lock:
            return [(name, self._lease(name)) for name in sorted(self._roster[shard])]

    def leases(self, connections: Sequence[str]) -> dict[str, Lease]:
        """Read several leases."""
        with self._lock:
            return {c: self._lease(c) for c in connections if c in self._sessions}
