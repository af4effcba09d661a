"""Runs functions: each query exact, each mutation once, each action as it comes."""

from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.database.catalogue import (
    FIRST_USER_NUMBER,
    Catalogue,
    indexes_by_id,
)
from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.counts import keep_counts
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import (
    BelowHorizon,
)
from chalicelib.engine.functions.attempts import Attempts, Run
from chalicelib.engine.functions.cache import QueryCache
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.live import Live
from chalicelib.engine.functions.mutations import Mutations
from chalicelib.engine.functions.outcome import Failure, Outcome, failure_of
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.log import Request
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, CursorSeal, Ids

FREE_QUERY_RUNS: Final = 4
"""Runs of a query at ever newer timestamps before one is pinned, which always finishes."""

MAX_PAST_ENTRIES: Final = 2000
"""How many commits back a query may be run: each is held in memory to be undone."""


def ignore(_path: str, _statistics: Statistics) -> None:
    """Observe nothing."""


class Observer(msgspec.Struct, frozen=True):
    """Who hears of calls: of their failures that are bugs, and of what they read and wrote."""

    report: Callable[[Exception, str, str], None]
    observe: Callable[[str, Statistics], None] = ignore


class Runner:
    """Runs the functions of a registry over one log."""

    def __init__(  # noqa: PLR0913 - the parts of one engine, put together in one place
        self,
        registry: Registry,
        persistence: Persistence,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        ids: Ids,
        cursors: CursorSeal,
        observer: Observer,
        files: FileAccess = FileAccess(),  # noqa: B008 - frozen
    ) -> None:
        self.registry, self._tail, self._committer = registry, tail, committer
        self._clock, self._ids, self._observer = clock, ids, observer
        self._persistence = persistence
        self._attempts = Attempts(
            registry,
            persistence,
            tail,
            clock=clock,
            ids=ids,
            cursors=cursors,
            files=files,
        )
        self.cache = QueryCache(tail)
        self.mutations = Mutations(
            self._attempts,
            tail,
            committer,
            clock=clock,
            ids=ids,
            judged=self._judged,
        )

    def query_at(self, call: Call, view: View, *, pinned: bool) -> Outcome:
        """Run a query once at ``view``.

        Unless ``pinned``, the outcome holds only if nothing that the log has after ``view``
        touches its read set. The caller looks, and then calls :meth:`vouch`: a failure of a
        torn run is nobody's business.
        """
        return self._outcome(
            self._attempts.run(call, "query", view, pinned=pinned), view.ts
        )

    def vouch(self, outcome: Outcome, path: str) -> Outcome:
        """Take note of an outcome that was found to hold: report it if it is a bug.

        What it counted is kept, and what it took to run is told to whoever observes.

        Raises:
            EngineError: it is one that the transport answers, since running again helps.
        """
        failure = outcome.failure
        if failure is not None and failure.error is not None:
            if getattr(failure.error, "retryable", False):
                raise failure.error
            self._observer.report(failure.error, path, failure.request_id)
        if outcome.counts:
            keep_counts(outcome.counts, self._persistence)
        self._observer.observe(path, outcome.statistics)
        return outcome

    def query(self, call: Call) -> Outcome:
        """Return the outcome of a query that is exact at the log's end.

        A cached one costs a reading of the log's end, which proves it.
        """
        view = self._tail.glance()
        if self.cache.knows(call, view):
            view = self._tail.refresh()
        if (known := self.cache.at(call, view)) is not None:
            return known
        for _ in range(FREE_QUERY_RUNS):
            run = self._attempts.run(call, "query", view, pinned=False)
            head = self._tail.refresh()
            if self._holds(run.transaction.read_set, view, head):
                outcome = self.vouch(self._outcome(run, head.ts), call.path)
                self.cache.keep(call, outcome)
                return outcome
            view = head
        return self.vouch(self.query_at(call, view, pinned=True), call.path)

    def query_in_past(self, call: Call, ts: int) -> Outcome:
        """Run a query at an older timestamp within the kept log.

        Raises:
            BelowHorizon: the log no longer reaches back to ``ts``.
        """
        head = self._tail.refresh()
        if ts >= head.ts:
            return self.query(call)
        if head.ts - ts > MAX_PAST_ENTRIES:
            raise BelowHorizon(
                f"that timestamp is older than the log that is kept for it: "
                f"{MAX_PAST_ENTRIES} commits"
            )
        applied = min(head.applied, ts)
        entries = self._tail.since(applied, ts)
        if entries is None:
            raise BelowHorizon("that timestamp is older than the log that is kept")
        outcome = self.query_at(call, View(applied, ts, entries), pinned=True)
        if not _reads_living_indexes(outcome, self.catalogue()):
            raise BelowHorizon("the query reads an index that was dropped since then")
        return self.vouch(outcome, call.path)

    def mutation(
        self,
        call: Call,
        request: Request | None = None,
        *,
        max_value_bytes: int | None = None,
        repeated: bool = False,
    ) -> Outcome:
        """Run a mutation until it has committed, or has failed on valid reads.

        A ``request`` that was answered before is answered the same. A value over
        ``max_value_bytes`` could not be sent: it fails before anything is written. ``repeated``:
        somebody else may be running the request; if it fails, the log says so before its client
        is told, so that nobody has it take effect afterwards.

        Raises:
            OptimisticConcurrencyControlFailure: others kept committing first.
            OutcomeUnknown: a put was not answered.
        """
        outcome = self.mutations.run(call, request, max_value_bytes=max_value_bytes)
        if outcome.failure is None or request is None or not repeated:
            return outcome
        return self.mutations.refuse(call, request, outcome, outcome.failure)

    def was_answered(self, request: Request) -> bool:
        """Tell whether the log holds an answer to ``request``, or a claim of it."""
        return (
            self._attempts.begin(self._tail.refresh()).answer_row(request.key) is not None
        )

    def claim(self, request: Request, path: str, caller: Caller) -> bool:
        """Commit that a request is being run; False if somebody has claimed it before.

        Raises:
            OutcomeUnknown: a put was not answered.
        """
        return self.mutations.claim(request, path, caller)

    def look(self) -> Transaction:
        """A transaction at the log's end, of somebody who only looks around."""
        return self._attempts.begin(self._tail.refresh())

    def watched(self, live: Live) -> None:
        """Take in who answers for live queries."""
        self._attempts.live = live

    def _judged(self, run: Run, ts: int, path: str) -> Outcome:
        return self.vouch(self._outcome(run, ts), path)

    def _holds(self, read_set: ReadSet, view: View, head: View) -> bool:
        later = self._tail.stretch(view.ts, head.ts)
        return later is not None and later.first_touching(read_set) is None

    def _outcome(self, run: Run, ts: int) -> Outcome:
        failure = None
        if run.error is not None:
            failure = failure_of(run.error, self.new_request_id())
        return Outcome(
            ts,
            run.value if run.error is None else None,
            failure=failure,
            log_lines=run.log_lines,
            read_set=run.transaction.read_set,
            claims=run.claims,
            time_read=run.time_read,
            result=run.result,
            journal=run.journal if run.error is None else None,
            statistics=run.transaction.statistics(),
            counts=tuple(run.transaction.counts),
        )

    def failure(self, error: Exception, path: str) -> Failure:
        """Describe an error to the caller, and report it if it is a bug.

        Raises:
            EngineError: it is one that the transport answers, since running again helps.
        """
        if getattr(error, "retryable", False):
            raise error
        request_id = self.new_request_id()
        self._observer.report(error, path, request_id)
        return failure_of(error, request_id)

    def new_request_id(self) -> str:
        """A name under which operators find what clients were told of a failure."""
        return self._ids.seed()[:8].hex()

    def table_of(self) -> Callable[[str], str | None]:
        """How an action's arguments are judged: the table of an id, at the known log's end."""
        return self._attempts.begin(self._tail.view()).table_of

    def catalogue(self, *, known: bool = False) -> Catalogue:
        """The catalogue at the log's end, or ``known``: as far as that has been read."""
        view = self._tail.view() if known else self._tail.refresh()
        return self._attempts.begin(view).catalogue


def _reads_living_indexes(outcome: Outcome, catalogue: Catalogue) -> bool:
    """Tell whether the rows of all that was read are still kept."""
    read_set = outcome.read_set or ReadSet()
    read = {interval.index for interval in read_set.intervals()}
    living = {table.by_id for table in catalogue.tables.values()}
    return all(
        index < FIRST_USER_NUMBER or index in living
        for index in read - indexes_by_id(catalogue).keys()
    )
