"""Runs functions: each query exact, each mutation once, each action as it comes."""

from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.auth import Caller, user_of
from chalicelib.engine.database.catalogue import Catalogue
from chalicelib.engine.database.committer import Committer, Conflicted, Draft
from chalicelib.engine.database.counts import keep_counts
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import (
    BelowHorizon,
    EntryTooLarge,
    OptimisticConcurrencyControlFailure,
    ResultTooLarge,
)
from chalicelib.engine.functions.attempts import Answered, Attempts, Run
from chalicelib.engine.functions.cache import QueryCache
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Failure, Outcome, failure_of
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.turns import Turns
from chalicelib.engine.log import Entry, Request
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, CursorSeal, Ids

MAX_MUTATION_RUNS: Final = 64
"""Runs of one mutation before its conflicts are reported.

After the first conflict the runs of one process take turns, so that only other processes can
overtake one; each of these runs loses to a commit, so the log as a whole makes progress.
"""

FREE_QUERY_RUNS: Final = 4
"""Runs of a query at ever newer timestamps before one is pinned, which always finishes."""

MUTATION_PATIENCE_MS: Final = 3000.0
"""How long one mutation is run again and again, once it is its turn."""

MAX_PAST_ENTRIES: Final = 2000
"""How many commits back a query may be run: each is held in memory to be undone."""

BACKOFF_MS: Final = 2.0
"""Pause after a conflict, times the number of runs so far, up to 20 of them."""


def ignore(_path: str, _statistics: Statistics) -> None:
    """Observe nothing."""


class Observer(msgspec.Struct, frozen=True):
    """Who hears of calls: of their failures that are bugs, and of what they read and wrote."""

    report: Callable[[Exception, str, str], None]
    observe: Callable[[str, Statistics], None] = ignore


class Runner:
    """Runs the functions of a registry over one log."""

    def __init__(
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
    ) -> None:
        self.registry, self._tail, self._committer = registry, tail, committer
        self._clock, self._ids, self._observer = clock, ids, observer
        self._persistence = persistence
        self._attempts = Attempts(
            registry, persistence, tail, clock=clock, ids=ids, cursors=cursors
        )
        self.cache = QueryCache(tail)
        self._turns = Turns()

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
        view = self._tail.view()
        if self.cache.at(call, view) is not None:
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
        past = View(applied, ts, entries)
        return self.vouch(self.query_at(call, past, pinned=True), call.path)

    def mutation(
        self,
        call: Call,
        request: Request | None = None,
        *,
        max_value_bytes: int | None = None,
    ) -> Outcome:
        """Run a mutation until it has committed, or has failed on valid reads.

        A ``request`` that was answered before is answered the same. A value over
        ``max_value_bytes`` could not be sent: it fails before anything is written.

        Raises:
            OptimisticConcurrencyControlFailure: others kept committing first.
            OutcomeUnknown: a put was not answered.
        """
        limit = max_value_bytes
        if not self._turns.is_long(call.path):
            outcome = self._mutate_once(call, request, self._tail.view(), limit=limit)
            if outcome is not None:
                return outcome
        with self._turns.taken(call.path):
            deadline_ms = self._clock.now_ms() + MUTATION_PATIENCE_MS
            for run in range(1, MAX_MUTATION_RUNS):
                outcome = self._mutate_once(
                    call, request, self._tail.refresh(), limit=limit
                )
                if outcome is not None:
                    return outcome
                if self._clock.now_ms() > deadline_ms:
                    break
                self._clock.wait_ms(BACKOFF_MS * min(run, 20))
        raise OptimisticConcurrencyControlFailure(
            f"{call.path} kept conflicting with other mutations; nothing was written, "
            f"try again"
        )

    def _mutate_once(
        self,
        call: Call,
        request: Request | None,
        view: View,
        *,
        limit: int | None,
    ) -> Outcome | None:
        """Run and commit at ``view``; None if the reads were overtaken."""
        run = self._attempts.run(call, "mutation", view, pinned=False, request=request)
        if limit is not None and len(run.value or b"") > limit:
            too_long = ResultTooLarge(f"{call.path} returned more than {limit} bytes")
            run = msgspec.structs.replace(run, value=None, error=too_long)
        answered = run.error
        if isinstance(answered, Answered):
            if answered.outcome.ts > view.ts:
                # What follows in this process must not be older than the answer.
                self._tail.refresh()
            return answered.outcome
        writes = run.transaction.writes() if run.error is None else ()
        read_set = run.transaction.read_set
        if not writes:
            head = self._tail.refresh()
            if not self._holds(read_set, view, head):
                return None
            return self.vouch(self._outcome(run, head.ts), call.path)
        user = user_of(call.caller)
        draft = Entry(
            ts=0,
            transaction=self._ids.transaction_id(),
            wall_ms=int(self._clock.now_ms()),
            path=call.path,
            subject=user.token_identifier if user else None,
            request=request,
            result=run.value,
            log_lines=run.log_lines,
            writes=writes,
        )
        try:
            entry = self._committer.commit(view, read_set, Draft(draft))
        except Conflicted:
            return None
        except EntryTooLarge as error:
            # Nothing was written, and nothing would be by running it again.
            too_large = msgspec.structs.replace(run, error=error)
            head = self._tail.refresh()
            valid = self._holds(read_set, view, head)
            return (
                self.vouch(self._outcome(too_large, head.ts), call.path) if valid else None
            )
        return self.vouch(self._outcome(run, entry.ts), call.path)

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
        user = user_of(caller)
        for _ in range(MAX_MUTATION_RUNS):
            view = self._tail.refresh()
            transaction = self._attempts.begin(view)
            if transaction.answer_row(request.key) is not None:
                return False
            draft = Entry(
                ts=0,
                transaction=self._ids.transaction_id(),
                wall_ms=int(self._clock.now_ms()),
                path=path,
                subject=user.token_identifier if user else None,
                request=request,
                result=None,
                log_lines=(),
                writes=(),
            )
            try:
                self._committer.commit(view, transaction.read_set, Draft(draft))
            except Conflicted:
                continue
            return True
        raise OptimisticConcurrencyControlFailure(f"{path} could not be claimed; try again")

    def _holds(self, read_set: ReadSet, view: View, head: View) -> bool:
        later = self._tail.since(view.ts, head.ts)
        return later is not None and not read_set.touched_by_any(later)

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
            identity_read=run.identity_read,
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
