"""After a commit: wake the sessions that read what was written, and move the rows along."""

from collections.abc import Callable, Sequence
from typing import Final

from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.log import Entry
from chalicelib.engine.ports import Clock, Lease, SessionStore, SubscriptionIndex
from chalicelib.engine.sync.actor import Actors

WOKEN_HERE: Final = 64
"""Sessions that the invocation which reports a commit wakes itself."""

WOKEN_BY_JOB: Final = 64
"""Sessions that a job wakes when there are more, several jobs at a time."""


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
        hand_over: Callable[[tuple[str, ...], int], None],
        tick_ms: float,
    ) -> None:
        self._actors, self._store, self._index = actors, store, index
        self._tail, self._committer, self._clock = tail, committer, clock
        self._tick_ms, self._hand_over = tick_ms, hand_over

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
        keys = {key for entry in entries for key in entry.touched()}
        woken = sorted(self._index.match(keys))
        ts = entries[-1].ts
        here = woken[:WOKEN_HERE]
        for first in range(WOKEN_HERE, len(woken), WOKEN_BY_JOB):
            self._hand_over(tuple(woken[first : first + WOKEN_BY_JOB]), ts)
        self.wake(here, ts)
        return len(woken)

    def wake(self, connections: Sequence[str], ts: int) -> None:
        """Wake sessions one after another; one that cannot be woken stops no other.

        Raises:
            Exception: the first error, when all were tried, so that the event comes again.
        """
        failed: Exception | None = None
        for connection in connections:
            try:
                self._actors.wake(connection, ts)
            except Exception as error:  # noqa: BLE001 - raised below
                failed = failed or error
        if failed is not None:
            raise failed

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
