"""Moving a session on: all its queries at one timestamp, subscribed before it is sent."""

from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache
from typing import Final

import msgspec

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Lease, Subscription, SubscriptionIndex
from chalicelib.engine.sync.early import Early
from chalicelib.engine.sync.reruns import (
    FIRST_RUN,
    IDENTITY_CHANGED,
    Cause,
    Step,
)
from chalicelib.engine.sync.session import LiveQuery, Session
from chalicelib.engine.sync.subscriptions import in_order, subscriptions
from chalicelib.engine.sync.touches import Touches

MAX_ROUNDS: Final = 4
"""Tries to find a timestamp at which nothing is overtaken. Under a storm of writes the last
try pins its snapshot; what has overtaken it by then is taken as another wake-up."""

KEPT_READ_SETS: Final = 4096
"""Read sets of queries that are kept sorted: most that is watched is watched by many."""


class Moved(msgspec.Struct, frozen=True):
    """A session moved to ``ts``: what to send, and what to do after it was sent.

    ``overtaken``: the log already has more that touches the session.
    """

    session: Session
    ts: int
    outcomes: dict[int, Outcome]
    obsolete: tuple[Subscription, ...]
    overtaken: bool
    step: Step = Step({}, (), behind=False)


class Mover:
    """Runs the queries of sessions and keeps their subscriptions."""

    def __init__(self, runner: Runner, tail: LogTail, index: SubscriptionIndex) -> None:
        self._runner, self._tail, self._index = runner, tail, index
        self._touches = Touches(tail)

    def early(self) -> Early:
        """What may run queries of a frame before its session is held."""
        return Early(self._runner, self._tail)

    def move(
        self,
        connection: str,
        session: Session,
        lease: Lease,
        *,
        newest: bool = False,
        early: Early | None = None,
    ) -> Moved:
        """Bring every query of ``session`` to one timestamp.

        ``newest``: not before the log's end as it is now, whatever is known of it. ``early``:
        what was run while the lease was taken.

        Run what the log since ``lease.seen`` touched; subscribe to what was read; then look
        at the log again. If nothing there overlaps any query of the set, that is the
        timestamp. Old subscriptions are left for the caller to remove after sending.
        """
        view, proved = self._starting_view(session, lease, newest=newest)
        if not session.queries and not session.dropped:
            end = view if proved else self._tail.refresh()
            return Moved(session, end.ts, {}, (), overtaken=False)
        return self._move_from(view, connection, session, lease, early, proved=proved)

    def _move_from(
        self,
        view: View,
        connection: str,
        session: Session,
        lease: Lease,
        early: Early | None,
        *,
        proved: bool,
    ) -> Moved:
        standing = _Standing(connection, session)
        reads = {i: _read_set(q.reads) for i, q in session.queries.items() if q.ran}
        # A session that has run nothing yet need not know what it has missed.
        behind = bool(reads) and lease.seen < view.ts
        causes, grazed = self._stale(session, reads, lease, view)
        stale: Collection[int] = causes.keys()
        found, unmoved, grown = _Found(reads, early or self.early()), False, False
        for round_ in range(MAX_ROUNDS):
            pinned = round_ == MAX_ROUNDS - 1
            known = self._find(session, stale, view, found, pinned=pinned)
            unmoved = _unmoved(session, reads)
            new = set() if unmoved else standing.lacks(reads)
            if new:
                grown = True
                self._index.add(in_order(new))
            # What the cache gave is proved at the view, and rows that stood before are seen
            # by whatever comes after it.
            fresh = not known or bool(new) or not (proved or round_)
            head = self._tail.refresh() if fresh else view
            later, _ = self._touches.among(reads, view.ts, head.ts)
            stale, causes = later.keys(), later | causes
            if not stale or not pinned:
                # What nothing has touched is exact at the new end as well.
                view = head
            if not stale:
                break
        self._vouch(session, found, view)
        stays = unmoved and not _journals_moved(session, found.outcomes)
        after = session if stays else _with_reads(session, found)
        # Rows that one round has added the next may not need: they are gone, too.
        idle = unmoved and not grown
        obsolete = () if idle else tuple(in_order(standing.outlive(reads)))
        ran = {i: causes[i] for i in found.outcomes}
        step = Step(ran, found.shared, behind=behind, proved=grazed)
        return Moved(after, view.ts, found.outcomes, obsolete, bool(stale), step)

    def _stale(
        self, session: Session, reads: Mapping[int, ReadSet], lease: Lease, view: View
    ) -> tuple[dict[int, Cause], int]:
        """The queries that have to be run for a session to be at ``view``, and why.

        And how many others read something that was written all the same.
        """
        causes, grazed = self._touches.among(reads, lease.seen, view.ts)
        identity_moved = session.identity != lease.version[1]
        for i in session.queries:
            if i not in reads:
                causes[i] = FIRST_RUN
            elif identity_moved:
                causes.setdefault(i, IDENTITY_CHANGED)
        return causes, 0 if identity_moved else grazed

    def _find(
        self,
        session: Session,
        stale: Collection[int],
        view: View,
        found: "_Found",
        *,
        pinned: bool,
    ) -> bool:
        """Have what ``stale`` queries come to at ``view``; False if one had to be run."""
        all_known = True
        for i in sorted(stale):
            call = _call(session, session.queries[i])
            known = self._runner.cache.at(call, view)
            outcome = (
                known
                or found.early.at(call, view)
                or self._runner.query_at(call, view, pinned=pinned)
            )
            all_known = all_known and known is not None
            (found.shared.discard if known is None else found.shared.add)(i)
            found.outcomes[i] = outcome
            found.reads[i] = outcome.read_set if outcome.read_set is not None else ReadSet()
        return all_known

    def _starting_view(
        self, session: Session, lease: Lease, *, newest: bool
    ) -> tuple[View, bool]:
        """The log's end as known if that will do, else as it is now; and whether it is enough.

        A wake-up asks for no more than its own commit, and one reading of the tail serves
        every session that is woken for it. Whoever asks for something new is to have the end as it
        is now: queries are run on what is known, and proved at the end that is read after
        them. Never the end as it was before ``lease.seen``: another process may have moved
        the session on since this one last read the log.
        """
        if newest:
            return self._tail.refresh(), True
        view = self._tail.view()
        if view.ts < max(lease.wake_ts, lease.seen):
            return self._tail.refresh(), True
        return view, lease.version[:2] == (session.query_set, session.identity)

    def _vouch(self, session: Session, found: "_Found", head: View) -> None:
        """Take note of outcomes that hold at ``head``."""
        for i, outcome in found.outcomes.items():
            if i in found.shared:
                continue  # whoever ran it has vouched for it
            query = session.queries[i]
            held = msgspec.structs.replace(outcome, ts=head.ts)
            self._runner.vouch(held, query.path)
            self._runner.cache.keep(_call(session, query), held)


class _Found:
    """What the queries of a session come to: ``shared`` are those that others have run."""

    __slots__ = ("early", "outcomes", "reads", "shared")

    def __init__(self, reads: dict[int, ReadSet], early: Early) -> None:
        self.reads, self.early = reads, early
        self.outcomes: dict[int, Outcome] = {}
        self.shared: set[int] = set()


def _with_reads(session: Session, found: _Found) -> Session:
    queries = dict(session.queries)
    for i, outcome in found.outcomes.items():
        journal = outcome.journal if outcome.journal is not None else queries[i].journal
        queries[i] = msgspec.structs.replace(
            queries[i], journal=journal, reads=found.reads[i].intervals(), ran=True
        )
    return msgspec.structs.replace(session, queries=queries)


def _journals_moved(session: Session, outcomes: Mapping[int, Outcome]) -> bool:
    for i, outcome in outcomes.items():
        if outcome.journal is not None and outcome.journal != session.queries[i].journal:
            return True
    return False


def _unmoved(session: Session, reads: Mapping[int, ReadSet]) -> bool:
    """Whether the rows that stand for a session are just those that it needs."""
    if session.dropped:
        return False
    for i, query in session.queries.items():
        held = reads[i].intervals()
        if not query.ran or (held is not query.reads and held != query.reads):
            return False
    return True


class _Standing:
    """The rows that stand for a session, worked out when one may be missing: mostly none is."""

    def __init__(self, connection: str, session: Session) -> None:
        self._connection, self._session = connection, session

    @cached_property
    def _rows(self) -> set[Subscription]:
        return _registered(self._connection, self._session)

    def lacks(self, reads: Mapping[int, ReadSet]) -> set[Subscription]:
        """Return the rows that ``reads`` need beyond those; the caller writes them."""
        new = _all_reads(self._connection, reads) - self._rows
        self._rows.update(new)
        return new

    def outlive(self, reads: Mapping[int, ReadSet]) -> set[Subscription]:
        """Return the rows that ``reads`` do not need."""
        return self._rows - _all_reads(self._connection, reads)


@lru_cache(maxsize=KEPT_READ_SETS)
def _read_set(reads: tuple[Interval, ...]) -> ReadSet:
    """What sessions that watch the same have read: nobody adds to it."""
    return ReadSet(reads)


def _call(session: Session, query: LiveQuery) -> Call:
    return Call(query.path, query.arguments, session.caller, query.journal)


def _registered(connection: str, session: Session) -> set[Subscription]:
    """The rows that stand for a session: those of queries dropped since the last one too."""
    held = [q.reads for q in session.queries.values()]
    return subscriptions(
        connection, (i for r in (*held, *session.dropped.values()) for i in r)
    )


def _all_reads(connection: str, reads: Mapping[int, ReadSet]) -> set[Subscription]:
    return subscriptions(connection, (i for r in reads.values() for i in r.intervals()))
