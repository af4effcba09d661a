"""Runs mutations: each once, until it has committed or has failed on valid reads."""

from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.auth import Caller, user_of
from chalicelib.engine.database.committer import Committer, Conflicted, Draft, Landing
from chalicelib.engine.database.held_rows import HeldRows
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.errors import (
    EntryTooLarge,
    NotDeployed,
    OptimisticConcurrencyControlFailure,
    OutcomeUnknown,
    ResultTooLarge,
    SchemaBehind,
    StorageUnavailable,
)
from chalicelib.engine.functions.attempts import (
    Answered,
    Attempts,
    Run,
    answer_of,
    answered,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.combiner import Combiner, Waiting
from chalicelib.engine.functions.outcome import Failure, Outcome
from chalicelib.engine.functions.turns import Turns
from chalicelib.engine.line import Line
from chalicelib.engine.log import Entry, Refusal, Request
from chalicelib.engine.ports import Clock, Ids

MAX_MUTATION_RUNS: Final = 64
"""Runs of one mutation before its conflicts are reported.

After the first conflict the runs of one process take turns, so that only other processes can
overtake one; each of these runs loses to a commit, so the log as a whole makes progress.
"""

LONE_RUNS: Final = 3
"""Runs of one mutation, overtaken by other processes, after which it stands in line."""

MUTATION_PATIENCE_MS: Final = 3000.0
"""How long one mutation is run again and again, once it is its turn."""

BACKOFF_MS: Final = 2.0
"""Pause after a conflict, times the number of runs so far, up to 20 of them."""

_NOT_KEPT: Final = (
    "The error is too large to be kept: it was told where the request was run."
)

Finish = Callable[[], Outcome | None]
"""Waits for the end of a run; None if what it read does not hold after all."""


class Mutations:
    """Runs mutations one after another where they conflict.

    ``judged`` makes an outcome of a run whose reads were found valid at a timestamp.
    """

    def __init__(
        self,
        attempts: Attempts,
        tail: LogTail,
        committer: Committer,
        *,
        clock: Clock,
        ids: Ids,
        judged: Callable[[Run, int, str], Outcome],
    ) -> None:
        self._attempts, self._tail, self._committer = attempts, tail, committer
        self._clock, self._ids, self._judged = clock, ids, judged
        self.turns = Turns()
        self.combiner: Combiner | None = None
        self.widen: Callable[[str, str], None] = _leave
        """Lets a wider validator of a table take effect."""

    def share(self, line: Line, code_version: str) -> None:
        """Take turns with other processes too: at ``line``, with those of the same code."""
        self.combiner = Combiner(
            line, self, clock=self._clock, ids=self._ids, code_version=code_version
        )

    def run(
        self, call: Call, request: Request | None, *, max_value_bytes: int | None
    ) -> Outcome:
        """Run a mutation until it has committed, or has failed on valid reads.

        Raises:
            OptimisticConcurrencyControlFailure: others kept committing first.
            OutcomeUnknown: a put was not answered.
        """
        limit = max_value_bytes
        if self.combiner is not None and self.combiner.is_contended(call.path):
            outcome = self._in_line(self.combiner, call, request, limit)
            if outcome is not None:
                return outcome
        elif not self.turns.is_long(call.path):
            finish = self._try(call, request, self._committer.newest(), limit=limit)
            outcome = finish() if finish is not None else None
            if outcome is not None:
                return outcome
        deadline_ms = self._clock.now_ms() + MUTATION_PATIENCE_MS
        while True:
            # The turn ends when the commit has begun: who is next reads what it wrote.
            finish = self._try_in_turn(call, request, limit=limit)
            outcome = finish()
            if outcome is not None:
                return outcome
            if self._clock.now_ms() > deadline_ms:
                raise _kept_conflicting(call.path)

    def refuse(
        self, call: Call, request: Request, outcome: Outcome, failure: Failure
    ) -> Outcome:
        """Commit that a request has failed; return what it was answered if it was before.

        Raises:
            OptimisticConcurrencyControlFailure: others kept committing first.
            OutcomeUnknown: a put was not answered.
        """
        refusal = Refusal(failure.request_id, failure.reason, failure.data)
        try:
            is_first = self.claim(request, call.path, call.caller, refusal)
        except EntryTooLarge:
            short = Refusal(failure.request_id, _NOT_KEPT, None)
            is_first = self.claim(request, call.path, call.caller, short)
        return outcome if is_first else (self.answer(request) or outcome)

    def claim(
        self, request: Request, path: str, caller: Caller, refusal: Refusal | None = None
    ) -> bool:
        """Commit that a request is being run; False if somebody has claimed it before.

        ``refusal``: that it has failed.

        Raises:
            OptimisticConcurrencyControlFailure: others kept committing first.
            OutcomeUnknown: a put was not answered.
        """
        for _ in range(MAX_MUTATION_RUNS):
            view = self._tail.refresh()
            transaction = self._attempts.begin(view)
            if transaction.answer_row(request.key) is not None:
                return False
            draft = msgspec.structs.replace(
                self._draft(Call(path, b"", caller), request), refusal=refusal
            )
            try:
                self._committer.commit(view, transaction.read_set, Draft(draft))
            except Conflicted:
                continue
            return True
        raise OptimisticConcurrencyControlFailure(f"{path} could not be claimed; try again")

    def _try_in_turn(
        self, call: Call, request: Request | None, *, limit: int | None
    ) -> Finish:
        combiner = self.combiner
        with self.turns.taken(call.path):
            deadline_ms = self._clock.now_ms() + MUTATION_PATIENCE_MS
            for run in range(1, MAX_MUTATION_RUNS):
                if combiner is not None and run > LONE_RUNS:
                    break
                view = self._committer.newest(refresh=True)
                finish = self._try(call, request, view, limit=limit)
                if finish is not None:
                    return finish
                if self._clock.now_ms() > deadline_ms:
                    break
                self._clock.wait_ms(BACKOFF_MS * min(run, 20))
        if combiner is None:
            raise _kept_conflicting(call.path)
        return lambda: self._in_line(combiner, call, request, limit)

    def _in_line(
        self, combiner: Combiner, call: Call, request: Request | None, limit: int | None
    ) -> Outcome | None:
        """Have whoever holds the line run a mutation; None: it is to be tried again here.

        Raises:
            OutcomeUnknown: it was not run in time, or the storage did not answer.
        """
        waiting = combiner.waiting(call, request, limit)
        if waiting is None:
            return None
        try:
            outcome = combiner.run(waiting)
            return outcome if outcome is not None else self._alone(waiting)
        except (StorageUnavailable, OptimisticConcurrencyControlFailure) as error:
            # Whoever holds the line may run it yet: nobody can say that it failed.
            raise OutcomeUnknown(f"{call.path} stood in line: {error}") from error

    def _alone(self, waiting: Waiting) -> Outcome | None:
        """Find out what comes of a mutation in line that seems to write nothing.

        Whoever was to run it may be at work yet: so the ticket is used up first.
        """
        if not self.claim(waiting.ticket, waiting.call.path, waiting.call.caller):
            return self.answer(waiting.name)
        answer = self.answer(waiting.name) if waiting.request is not None else None
        if answer is not None:
            return answer
        view = self._tail.refresh()
        run = self._run(waiting.call, waiting.request, view, limit=waiting.max_value_bytes)
        if run.error is None and run.transaction.writes():
            return None
        return self._unwritten(waiting.call, run, view)

    def hold(self) -> HeldRows:
        """Begin to run what stands in line: rows are read once for all of it."""
        return self._attempts.hold()

    def commit(self, waiting: Waiting, held: HeldRows) -> bool | None:
        """Run a mutation of the line once: see :class:`Runs` of the combiner."""
        view = held.view()
        run = self._attempts.run(
            waiting.call,
            "mutation",
            view,
            pinned=False,
            request=waiting.name,
            ticket=waiting.ticket if waiting.request is not None else None,
            rows=held,
        )
        limit = waiting.max_value_bytes
        if isinstance(run.error, Answered):
            return False
        if run.error is not None or (limit is not None and len(run.value or b"") > limit):
            return self._ripe(run, view)
        if not run.transaction.writes():
            return self._ripe(run, view)
        draft = self._draft(waiting.call, waiting.name, run)
        try:
            landing = self._committer.begin(view, run.transaction.read_set, Draft(draft))
            return self._written(waiting.call, run, landing) is not None or None
        except Conflicted:
            self._tail.refresh()
            return None
        except EntryTooLarge:
            return False

    def _ripe(self, run: Run, view: View) -> bool | None:
        """False if what was read holds at the log's end; else it is to be run again."""
        return False if self._holds(run, view, self._tail.refresh()) else None

    def head(self) -> int:
        """How far the log is known."""
        return self._tail.view().ts

    def heard(self, request: Request, after: int) -> tuple[Outcome | None, int]:
        """Look for the answer of a request in what was committed since."""
        head = self._tail.refresh()
        entries = self._tail.since(after, head.ts)
        if entries is None:
            return self.answer(request), head.ts
        own = (entry for entry in entries if entry.request == request)
        return next(map(answer_of, own), None), head.ts

    def answer(self, request: Request) -> Outcome | None:
        """Look for the answer of a request at the log's end."""
        row = self._attempts.begin(self._tail.refresh()).answer_row(request.key)
        return answered(row) if row is not None else None

    def _try(
        self, call: Call, request: Request | None, view: View, *, limit: int | None
    ) -> Finish | None:
        """Run at ``view`` and begin to commit; None if the reads were overtaken."""
        run = self._run(call, request, view, limit=limit)
        if run.error is not None or not run.transaction.writes():
            return lambda: self._unwritten(call, run, view)
        draft = self._draft(call, request, run)
        try:
            landing = self._committer.begin(view, run.transaction.read_set, Draft(draft))
        except Conflicted:
            return None
        except EntryTooLarge as error:
            # Nothing was written, and nothing would be by running it again.
            too_large = msgspec.structs.replace(run, error=error)
            return lambda: self._unwritten(call, too_large, view)
        return lambda: self._written(call, run, landing)

    def _run(
        self, call: Call, request: Request | None, view: View, *, limit: int | None
    ) -> Run:
        run = self._attempts.run(call, "mutation", view, pinned=False, request=request)
        if limit is not None and len(run.value or b"") > limit:
            too_long = ResultTooLarge(f"{call.path} returned more than {limit} bytes")
            run = msgspec.structs.replace(run, value=None, error=too_long)
        return run

    def _written(self, call: Call, run: Run, landing: Landing) -> Outcome | None:
        try:
            entry = landing()
        except Conflicted:
            return None
        return self._judged(run, entry.ts, call.path)

    def _unwritten(self, call: Call, run: Run, view: View) -> Outcome | None:
        """The end of a run that writes nothing, if its reads hold."""
        if not self._committer.settle(view):
            return None
        answered = run.error
        if isinstance(answered, Answered):
            if answered.outcome.ts > view.ts:
                # What follows in this process must not be older than the answer.
                self._tail.refresh()
            return answered.outcome
        head = self._tail.refresh()
        if not self._holds(run, view, head):
            return None
        if isinstance(run.error, SchemaBehind):
            self.widen(run.error.table, run.error.validator)
            return None
        return self._judged(run, head.ts, call.path)

    def _holds(self, run: Run, view: View, head: View) -> bool:
        later = self._tail.stretch(view.ts, head.ts)
        return later is not None and later.first_touching(run.transaction.read_set) is None

    def _draft(self, call: Call, request: Request | None, run: Run | None = None) -> Entry:
        user = user_of(call.caller)
        return Entry(
            ts=0,
            transaction=self._ids.transaction_id(),
            wall_ms=int(self._clock.now_ms()),
            path=call.path,
            subject=user.token_identifier if user else None,
            request=request,
            result=run.value if run is not None else None,
            log_lines=run.log_lines if run is not None else (),
            writes=run.transaction.writes() if run is not None else (),
            origin=call.known_origin,
        )


def _leave(table: str, _validator: str) -> None:
    raise NotDeployed(f"the schema of {table} was not deployed: run the deploy step")


def _kept_conflicting(path: str) -> OptimisticConcurrencyControlFailure:
    return OptimisticConcurrencyControlFailure(
        f"{path} kept conflicting with other mutations; nothing was written, try again"
    )
