"""Moving a session on: all its queries at one timestamp, subscribed before it is sent."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Final

import msgspec

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.database.written import Stretch
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Lease, Subscription, SubscriptionIndex
from chalicelib.engine.sync.reruns import (
    FIRST_RUN,
    IDENTITY_CHANGED,
    LOG_NOT_KEPT,
    Cause,
    Step,
    first_touch,
)
from chalicelib.engine.sync.session import LiveQuery, Session
from chalicelib.engine.sync.subscriptions import in_order, subscriptions

MAX_ROUNDS: Final = 4
"""Tries to find a timestamp at which nothing is overtaken. Under a storm of writes the last
try pins its snapshot; what has overtaken it by then is taken as another wake-up."""

KEPT_READ_SETS: Final = 4096
"""Read sets of queries that are kept sorted: most that is watched is watched by many."""


_NOTHING: Final = Stretch(())


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

    def move(
        self, connection: str, session: Session, lease: Lease, *, newest: bool = False
    ) -> Moved:
        """Bring every query of ``session`` to one timestamp.

        ``newest``: not before the log's end as it is now, whatever is known of it.

        Run what the log since ``lease.seen`` touched; subscribe to what was read; then look
        at the log again. If nothing there overlaps any query of the set, that is the
        timestamp. Old subscriptions are left for the caller to remove after sending.
        """
        view, proved = self._starting_view(session, lease, newest=newest)
        if not session.queries and not session.dropped:
            end = view if proved else self._tail.refresh()
            return Moved(session, end.ts, {}, (), overtaken=False)
        return self._move_from(view, connection, session, lease, proved=proved)

    def _move_from(
        self, view: View, connection: str, session: Session, lease: Lease, *, proved: bool
    ) -> Moved:
        standing = _Standing(connection, session)
        identity_moved = session.identity != lease.version[1]
        reads = {i: _read_set(q.reads) for i, q in session.queries.items() if q.ran}
        # A session that has run nothing yet need not know what it has missed.
        behind = reads and lease.seen < view.ts
        missed = self._tail.stretch(lease.seen, view.ts) if behind else _NOTHING
        stale = {
            i
            for i in session.queries
            if i not in reads or identity_moved or _touched(reads[i], missed)
        }
        grazed = (
            sum(missed.grazes(reads[i]) for i in reads if i not in stale) if missed else 0
        )
        outcomes: dict[int, Outcome] = {}
        causes = {i: _cause(reads.get(i), missed) for i in stale}
        shared: set[int] = set()
        for round_ in range(MAX_ROUNDS):
            pinned = round_ == MAX_ROUNDS - 1
            unproved = False
            for i in sorted(stale):
                call = _call(session, session.queries[i])
                known = self._runner.cache.at(call, view)
                outcomes[i] = known or self._runner.query_at(call, view, pinned=pinned)
                unproved = unproved or known is None
                (shared.discard if known is None else shared.add)(i)
                reads[i] = outcomes[i].read_set or ReadSet()
            new = standing.lacks(reads)
            self._index.add(in_order(new))
            # What the cache gave is proved at the view, and rows that stood before are seen
            # by whatever comes after it.
            fresh = unproved or bool(new) or not (proved or round_)
            head = self._tail.refresh() if fresh else view
            passed = head.ts > view.ts
            later = self._tail.stretch(view.ts, head.ts) if passed else _NOTHING
            stale = {i for i in session.queries if _touched(reads[i], later)}
            causes.update({i: _cause(reads[i], later) for i in stale - causes.keys()})
            if not stale or not pinned:
                # What nothing has touched is exact at the new end as well.
                view = head
            if not stale:
                break
        # What the cache gave, whoever ran it has vouched for.
        self._vouch(session, {i: outcomes[i] for i in outcomes.keys() - shared}, view)
        after = _with_reads(session, reads, outcomes)
        obsolete = set() if after is session else standing.outlive(reads)
        ran = {i: causes[i] for i in outcomes}
        step = Step(ran, shared, behind=bool(behind), proved=grazed)
        return Moved(after, view.ts, outcomes, tuple(in_order(obsolete)), bool(stale), step)

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

    def _vouch(self, session: Session, outcomes: Mapping[int, Outcome], head: View) -> None:
        """Take note of outcomes that hold at ``head``."""
        for i, outcome in outcomes.items():
            query = session.queries[i]
            held = msgspec.structs.replace(outcome, ts=head.ts)
            self._runner.vouch(held, query.path)
            self._runner.cache.keep(_call(session, query), held)


def _with_reads(
    session: Session, reads: Mapping[int, ReadSet], outcomes: Mapping[int, Outcome]
) -> Session:
    if _unmoved(session, reads) and all(
        outcome.journal in (None, session.queries[i].journal)
        for i, outcome in outcomes.items()
    ):
        return session
    queries = dict(session.queries)
    for i, outcome in outcomes.items():
        journal = outcome.journal if outcome.journal is not None else queries[i].journal
        queries[i] = msgspec.structs.replace(
            queries[i], journal=journal, reads=reads[i].intervals(), ran=True
        )
    return msgspec.structs.replace(session, queries=queries)


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
        if _unmoved(self._session, reads):
            return set()
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


def _touched(reads: ReadSet, missed: Stretch | None) -> bool:
    """Whether what was ``missed`` touched ``reads``; what is no longer kept may have."""
    return missed is None or missed.first_touching(reads) is not None


def _cause(reads: ReadSet | None, missed: Stretch | None) -> Cause:
    """Say what made a query stale that had read ``reads``."""
    if reads is None:
        return FIRST_RUN
    if missed is None:
        return LOG_NOT_KEPT
    entry = missed.first_touching(reads)
    touch = reads.touch_of(entry) if entry is not None else None
    if entry is None or touch is None:
        return IDENTITY_CHANGED
    return first_touch(touch, entry)


def _registered(connection: str, session: Session) -> set[Subscription]:
    """The rows that stand for a session: those of queries dropped since the last one too."""
    held = [q.reads for q in session.queries.values()]
    return subscriptions(
        connection, (i for r in (*held, *session.dropped.values()) for i in r)
    )


def _all_reads(connection: str, reads: Mapping[int, ReadSet]) -> set[Subscription]:
    return subscriptions(connection, (i for r in reads.values() for i in r.intervals()))
