"""One run of a query or a mutation: a function on a snapshot, and what came of it."""

from typing import Any

import msgspec

from chalicelib.engine.auth.seen import Claims
from chalicelib.engine.database.catalogue_cache import CatalogueCache
from chalicelib.engine.database.held_rows import HeldRows
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.schema_guard import SchemaGuard
from chalicelib.engine.database.snapshot import Rows, Snapshot
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.functions.calls import (
    Call,
    Kind,
    resolve,
)
from chalicelib.engine.functions.context import Auth
from chalicelib.engine.functions.determinism import CreationTimes, Determinism
from chalicelib.engine.functions.exchange import arguments_of, value_of
from chalicelib.engine.functions.foreseen import foresee
from chalicelib.engine.functions.isolation import isolated
from chalicelib.engine.functions.live import Live, Unwatched
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.functions.outcome import Failure, Outcome
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.scope import Scope
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.log import Answer, Entry, Request, Row
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, CursorSeal, Ids


class Run(msgspec.Struct, frozen=True):
    """One run of a deterministic function: what came out, and what it touched."""

    transaction: Transaction
    result: Any
    value: bytes | None
    error: Exception | None
    log_lines: tuple[str, ...]
    claims: Claims
    time_read: bool
    journal: str | None


class Answered(Exception):
    """The request was answered before: there is nothing to run."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class Attempts:
    """Runs functions once; whether what they read was valid is for others to see."""

    def __init__(
        self,
        registry: Registry,
        persistence: Persistence,
        tail: LogTail,
        *,
        clock: Clock,
        ids: Ids,
        cursors: CursorSeal,
        files: FileAccess,
    ) -> None:
        self._registry, self._persistence, self._tail = registry, persistence, tail
        self._is_far = not persistence.applies_at_once
        self._clock, self._ids, self._cursors = clock, ids, cursors
        self._files = files
        self.live: Live = Unwatched()
        self._catalogues = CatalogueCache(tail)
        self._schema = SchemaGuard(registry.tables)
        self._creation_times = CreationTimes()

    def hold(self) -> HeldRows:
        """Begin to remember rows for many runs."""
        return HeldRows(self._persistence, self._tail)

    def begin(
        self, view: View, *, pinned: bool = False, rows: Rows | None = None
    ) -> Transaction:
        """Begin a transaction at ``view``; ``rows`` are those that go with it, if any do."""
        snapshot = Snapshot(rows or self._persistence, self._tail, view, pinned=pinned)
        return Transaction(snapshot, self._catalogues.at(snapshot))

    def run(
        self,
        call: Call,
        kind: Kind,
        view: View,
        *,
        pinned: bool,
        request: Request | None = None,
        ticket: Request | None = None,
        rows: Rows | None = None,
    ) -> Run:
        """Run a function once at ``view``.

        A ``request`` that was answered before is not run: the error is :class:`Answered`; so
        with a ``ticket`` that was used up.
        """
        transaction = self.begin(view, pinned=pinned, rows=rows)
        if self._is_far and request is not None and rows is None:
            known = transaction.catalogue
            rows = foresee(self._persistence, view, known, request, call.arguments)
            if rows is not None:
                transaction = self.begin(view, pinned=pinned, rows=rows)
        scope = Scope(
            registry=self._registry,
            transaction=transaction,
            auth=Auth(call.caller),
            determinism=Determinism(
                self._clock.now_ms(), self._ids.seed(), self._creation_times
            ),
            log=Log(),
            pages=Pages(self._cursors, call.journal),
            job=call.job,
            files=self._files,
            live=self.live,
        )
        result: Any = None
        value: bytes | None = None
        error: Exception | None = None
        try:
            for name in (ticket, request):
                if name is not None:
                    _look_up(transaction, name)
            target = resolve(self._registry, call, kind)
            tables = transaction.table_of
            arguments = arguments_of(target, call.arguments, tables)
            ctx = scope.context(target.function)
            result = isolated(target.function, ctx, **arguments)
            judged = self._registry.judges_results
            value = value_of(target, result, tables, judged=judged)
            self._schema.check(transaction)
        except Exception as raised:  # noqa: BLE001 - whatever a function raises is its outcome
            error = raised
        for warning in transaction.usage.warnings():
            scope.log.warn_plainly(warning)
        return Run(
            transaction,
            result,
            value,
            # Over a limit it is refused, also if the function made light of the error.
            transaction.usage.exceeded or error,
            scope.log.lines,
            scope.auth.claims,
            scope.determinism.was_read,
            scope.pages.journal,
        )


def _look_up(transaction: Transaction, request: Request) -> None:
    """Put the request's name into the read set, and see whether it was answered.

    Two runs of one request conflict in it, also when they conflict in nothing else
    (docs/hazards.md A1). It is looked for on a first connection, too: one that was frozen does
    not know that the client has come back on another one.
    """
    row = transaction.answer_row(request.key)
    outcome = answered(row) if row is not None else None
    if outcome is not None:
        raise Answered(outcome)


def answer_of(told: Entry | Answer) -> Outcome:
    """What a request was answered, by its entry or by the row that keeps it."""
    refusal = told.refusal
    if refusal is None:
        return Outcome(told.ts, told.result or b"null", log_lines=told.log_lines)
    failure = Failure(refusal.request_id, refusal.reason, refusal.data)
    return Outcome(told.ts, None, failure=failure, log_lines=told.log_lines)


def answered(row: Row) -> Outcome | None:
    """What a request was answered, by the row that keeps it."""
    if not row.image:
        return None
    return answer_of(msgspec.msgpack.decode(row.image, type=Answer))
