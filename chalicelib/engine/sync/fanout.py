"""After a commit: wake the sessions that read what was written, and move the rows along."""

from collections.abc import Sequence

from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.log import Entry
from chalicelib.engine.ports import Clock, Lease, SessionStore, SubscriptionIndex
from chalicelib.engine.sync.actor import Actors


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
        tick_ms: float,
    ) -> None:
        self._actors, self._store, self._index = actors, store, index
        self._tail, self._committer, self._clock = tail, committer, clock
        self._tick_ms = tick_ms

    def commits(self, first: int, last: int) -> int:
        """Handle the commits ``first`` to ``last``, in whatever order they are reported.

        Waking is idempotent: what came before, or comes twice, does no harm.

        Returns:
            How many sessions were woken.
        """
        view = self._tail.view()
        if view.ts < last:
            view = self._tail.refresh()
        entries = self._tail.since(first - 1, max(first - 1, min(last, view.ts)))
        woken = self._wake(entries or ())
        self._committer.catch_up()
        return woken

    def _wake(self, entries: Sequence[Entry]) -> int:
        newest: dict[str, int] = {}
        for entry in entries:
            for connection in self._index.match(entry.touched()):
                newest[connection] = entry.ts
        for connection, ts in newest.items():
            self._actors.wake(connection, ts)
        return len(newest)

    def tick(self, shard: int) -> int:
        """Visit the sessions of one shard: the net under crashes and lost wake-ups.

        Returns:
            How many there are.
        """
        head = self._tail.refresh().ts
        self._committer.catch_up()
        sessions = self._store.roster(shard)
        for connection, lease in sessions:
            self._actors.visit(connection, lease, head if self._is_idle(lease) else 0)
        return len(sessions)

    def _is_idle(self, lease: Lease) -> bool:
        idle_ms = self._clock.now_ms() - max(lease.sent_ms, lease.born_ms)
        return idle_ms > lease.drop_ms * 2 / 3 - self._tick_ms
