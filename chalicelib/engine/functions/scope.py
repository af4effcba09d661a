"""What the functions of one transaction share: the one that was called and those it calls."""

from functools import partial
from typing import Any

import msgspec

from chalicelib.engine.database.access import Access
from chalicelib.engine.database.documents import Reader, Writer
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.functions.context import (
    Auth,
    MutationCtx,
    PolicyCtx,
    QueryCtx,
    SystemCtx,
)
from chalicelib.engine.functions.determinism import Determinism
from chalicelib.engine.functions.jobs import JobBook
from chalicelib.engine.functions.live import Live, Unwatched
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.functions.registration import Function, SystemQueryFunction
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.scheduler import Scheduled, Scheduler, in_transaction
from chalicelib.engine.functions.storage import FileAccess


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a query or a mutation; what is done for a ``job`` is under no row policy."""

    registry: Registry
    transaction: Transaction
    auth: Auth
    determinism: Determinism
    log: Log
    pages: Pages
    files: FileAccess
    live: Live = Unwatched()
    job: str | None = None
    scheduled: Scheduled = msgspec.field(default_factory=Scheduled)

    def context(self, function: Function[..., Any]) -> QueryCtx:
        """Return what ``function`` is given: a public one sees what row policies let it see."""
        access = Access(
            self.transaction,
            self.registry.tables,
            self.determinism.new_internal,
            self.pages,
        )
        if function.visibility == "public" and self.job is None:
            policy = PolicyCtx(self.auth, Reader(access), self.determinism)
            access = msgspec.structs.replace(access, policy_ctx=policy)
        if function.kind == "mutation":
            writer = Writer(access)
            return MutationCtx(
                self.auth,
                writer,
                self.determinism,
                self.log,
                self._call,
                partial(self._scheduler, writer),
                self.files,
                self.registry.addresses,
            )
        shared = self.determinism, self.log, self._call, self.files
        parts = self.auth, Reader(access), *shared, self.registry.addresses
        if isinstance(function, SystemQueryFunction):
            ctx = SystemCtx(*parts)
            ctx.registry, ctx.watched = self.registry, self.live
            return ctx
        return QueryCtx(*parts)

    def _scheduler(self, db: Writer) -> Scheduler:
        now_ms = self.determinism.now_ms
        scheduling = in_transaction(
            JobBook(db, now_ms), now_ms, self.transaction.table_of, self.job
        )
        return Scheduler(self.registry, scheduling, self.scheduled)

    def _call(
        self, function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function that another one calls, by the same rules as if a client did."""
        signature = function.signature
        raw = signature.encode_args(signature.bind(args, kwargs))
        arguments = signature.decode_args(raw, self.transaction.table_of)
        with self.transaction.rolled_back_on_error():
            result = function(self.context(function), **arguments)
            # Neither side sees what the other does to the value afterwards.
            return signature.decode_result(signature.encode_result(result))
