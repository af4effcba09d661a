"""After a commit: wake the sessions that read what was written, and move the rows along.

The log's stream is the guarantee: whatever it reports has its readers woken. Where it takes a
while to report, the invocation that committed wakes them ahead of it, and the stream passes over
those that have looked at the log since (docs/decisions/0019).
"""

from collections.abc import Callable, Sequence
from typing import Final

from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.log import Entry
from chalicelib.engine.ports import Clock, Lease, SessionStore, SubscriptionIndex
from chalicelib.engine.sync.actor import HOLD_MS, Actors
from chalicelib.engine.sync.services import Committed

WOKEN_HERE: Final = 64
"""Sessions that the invocation which reports a commit wakes itself."""

WOKEN_BY_JOB: Final = 64
"""Sessions that a job wakes when there are more, several jobs at a time."""

WOKEN_AHEAD: Final = 16
"""Sessions that an invocation wakes for its own commits, one after another.

That takes about as long as the stream does to report; jobs do the rest at the same time.
"""

AHEAD_MS: Final = 5_000.0
"""Until when, from its beginning, an invocation begins to wake others, in milliseconds.

Source: API Gateway's integration timeout of 29 s, less what a session's queries may take.
"""


HandOver = Callable[[tuple[str, ...], int], None]
"""Has sessions woken for a commit by another invocation."""


class Fanout:
    """What the commit log's stream and the tick set going."""

    def __init__(
        self,
        actors: Actors,
        store: SessionStore,
        index: SubscriptionIndex,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        hand_over: HandOver,
        tick_ms: float,
    ) -> None:
        self._actors, self._store, self._index = actors, store, index
        self._tail, self._committer, self._clock = tail, committer, clock
        self._tick_ms, self._hand_over = tick_ms, hand_over
        self.ahead = False
        """Whether committers wake others themselves; then the stream need not do it again."""
        self.woken_ahead = self.spared = 0

    def commits(self, first: int, last: int) -> int:
        """Handle the commits ``first`` to ``last``, in whatever order they are reported.

        Waking is idempotent: what came before, or comes twice, does no harm.

        Returns:
            How many sessions were woken.
        """
        woken = self._wake(self._tail.reported(first, last))
        self._committer.catch_up()
        return woken

    def _wake(self, entries: Sequence[Entry]) -> int:
        """Wake whoever read what was written; the last commit stands for all of them."""
        if not entries:
            return 0
        woken, ts = self._readers(entries), entries[-1].ts
        self._share_out(woken[WOKEN_HERE:], ts)
        self.wake(woken[:WOKEN_HERE], ts)
        return len(woken)

    def _readers(self, entries: Sequence[Entry], *, newest: bool = True) -> list[str]:
        """The connections that read what was written."""
        keys = {key for entry in entries for key in entry.touched()}
        return sorted(self._index.match(keys, newest=newest))

    def _share_out(self, connections: Sequence[str], ts: int) -> None:
        for first in range(0, len(connections), WOKEN_BY_JOB):
            self._hand_over(tuple(connections[first : first + WOKEN_BY_JOB]), ts)

    def wake_ahead(self, own: str, commits: Committed, began_ms: float) -> None:
        """Wake whoever read what the session ``own`` has just committed, before the stream does.

        ``began_ms`` is when this invocation began. It may end here anywhere: the stream reports
        the commits in any case.
        """
        entries = self._written_for(commits) if self.ahead else []
        if not entries:
            return
        # At half the price: whom that misses, the stream finds.
        readers, ts = self._readers(entries, newest=False), entries[-1].ts
        others = [connection for connection in readers if connection != own]
        self._share_out(others[WOKEN_AHEAD:], ts)
        for number, connection in enumerate(others[:WOKEN_AHEAD]):
            if self._clock.now_ms() > began_ms + AHEAD_MS:
                self._share_out(others[number:WOKEN_AHEAD], ts)
                return
            self._actors.wake(connection, ts, until_ms=began_ms + HOLD_MS)
            self.woken_ahead += 1

    def _written_for(self, commits: Committed) -> list[Entry]:
        """The entries of requests; one that wrote nothing has none."""
        return [
            entry
            for ts, request in sorted(commits.items())
            for entry in self._tail.reported(ts, ts)
            if entry.request == request
        ]

    def wake(self, connections: Sequence[str], ts: int) -> None:
        """Wake sessions one after another; one that cannot be woken stops no other.

        Those that have looked already, since the committer has woken them, are passed over.

        Raises:
            Exception: the first error, when all were tried, so that the event comes again.
        """
        failed: Exception | None = None
        for connection in self._left_to_wake(connections, ts):
            try:
                self._actors.wake(connection, ts)
            except Exception as error:  # noqa: BLE001 - raised below
                failed = failed or error
        if failed is not None:
            raise failed

    def _left_to_wake(self, connections: Sequence[str], ts: int) -> Sequence[str]:
        """Those that have not looked at the log up to ``ts``, nor have a holder who will.

        A reading is a tenth of the price of waking in vain. It may be old: what it tells of a
        session stays true.
        """
        if not self.ahead or not connections:
            return connections
        leases = self._store.leases(connections)
        left = [c for c in connections if not self._will_have_seen(leases.get(c), ts)]
        self.spared += len(connections) - len(left)
        return left

    def _will_have_seen(self, lease: Lease | None, ts: int) -> bool:
        if lease is None or lease.dead:
            return False  # whoever wakes it finishes its burial
        if lease.owner is None:
            # Not by ``wake_ts``: whoever raised it may have died before they looked.
            return lease.seen >= ts
        return lease.wake_ts >= ts and lease.deadline_ms >= self._clock.now_ms()

    def tick(self, shard: int) -> int:
        """Visit the sessions of one shard: the net under crashes and lost wake-ups.

        Returns:
            How many there are.
        """
        head = self._tail.refresh().ts
        self._committer.catch_up()
        sessions = self._store.roster(shard)
        failed: Exception | None = None
        for connection, lease in sessions:
            try:
                self._actors.visit(connection, lease, head if self._is_idle(lease) else 0)
            except Exception as error:  # noqa: BLE001 - raised below
                failed = failed or error
        if failed is not None:
            raise failed
        return len(sessions)

    def _is_idle(self, lease: Lease) -> bool:
        idle_ms = self._clock.now_ms() - max(lease.sent_ms, lease.born_ms)
        return idle_ms > lease.drop_ms * 2 / 3 - self._tick_ms
