"""The audit: follows the log, and tells admins who did what, from where.

Nothing that is committed can be forgotten here: events are made of the log's entries, each once,
and the log is trimmed no further than the audit has come.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from chalicelib.engine.server import (
    Change,
    Committed,
    Meta,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    internal_mutation,
    internal_query,
    mutation,
    query,
)
from chalicelib.geoflow.accesses import note
from chalicelib.geoflow.limits import (
    AUDIT_KEPT_MS,
    AUDITED_AT_ONCE,
    ENTRIES_AT_ONCE,
    MAX_MOMENT_MS,
    REMOVED_AT_ONCE,
)
from chalicelib.geoflow.model.audit_chain import FACTS, GENESIS, link
from chalicelib.geoflow.model.audit_facts import difference, is_audited
from chalicelib.geoflow.schema import (
    AuditEvent,
    AuditHead,
    AuditVia,
    Message,
    SensitiveAccess,
    require_permission,
)

FOLLOWER: Final = "audit"
_ACCESSES: Final = "sensitiveAccesses"

Moment = Annotated[float, Meta(ge=0, le=MAX_MOMENT_MS)]
"""A time in ms since the Unix epoch."""


class Chain(Struct):
    """Where the chain begins and ends: see :class:`AuditHead`."""

    seq: int
    hash: str
    base_seq: int
    base_hash: str


@query
def by_document(
    ctx: QueryCtx,
    document: str,
    pagination_opts: PaginationOptions,
    since: Moment = 0,
    until: Moment | None = None,
) -> Page[AuditEvent]:
    """Return what happened to a document, newest first, as an admin.

    ``since`` and ``until`` bound the time, in ms since the Unix epoch; ``until`` is excluded.
    """
    return _page(ctx, AuditEvent.by_document.eq(document), pagination_opts, since, until)


@query
def by_actor(
    ctx: QueryCtx,
    actor: str | None,
    pagination_opts: PaginationOptions,
    since: Moment = 0,
    until: Moment | None = None,
) -> Page[AuditEvent]:
    """Return what somebody did, by token identifier, newest first, as an admin.

    ``actor`` null is what nobody did who was signed in: jobs, and the admin key.
    """
    return _page(ctx, AuditEvent.by_actor.eq(actor), pagination_opts, since, until)


@query
def by_time(
    ctx: QueryCtx,
    pagination_opts: PaginationOptions,
    since: Moment = 0,
    until: Moment | None = None,
) -> Page[AuditEvent]:
    """Return what happened, newest first, as an admin."""
    return _page(ctx, AuditEvent.by_time, pagination_opts, since, until)


@query
def head(ctx: QueryCtx) -> Chain:
    """Return where the chain begins and ends, as an admin: write it down elsewhere."""
    require_permission(ctx, "audit.read", "none")
    return chain(ctx)


@mutation
def inspect(ctx: MutationCtx, document: str, reason: Message) -> str | None:
    """Return a document of anybody as JSON, as an admin who says why: that is an event.

    Secrets are left out; null, if there is no such document.
    """
    require_permission(ctx, "audit.read", "none")
    found = ctx.history.document(document)
    if found is None or not is_audited(found[0]):
        return None
    table, values = found
    note(ctx, "admin.read", table, document, reason)
    told = difference(table, None, values)
    return None if told is None else told.after


@internal_query
def chain(ctx: QueryCtx) -> Chain:
    """Return where the chain begins and ends."""
    held = ctx.db.unrestricted.query(AuditHead).first() or _NEW
    return Chain(
        seq=held.seq, hash=held.hash, base_seq=held.base_seq, base_hash=held.base_hash
    )


@internal_query
def links(ctx: QueryCtx, after: int) -> list[AuditEvent]:
    """Return the events that follow one, oldest first: for whoever walks along the chain."""
    found = ctx.db.query(AuditEvent.by_seq.gt(after))
    return found.take(AUDITED_AT_ONCE)


@internal_mutation
def follow(ctx: MutationCtx) -> int:
    """Make events of what the log says next; return how many, and go on by jobs."""
    before = ctx.db.query(AuditHead).first()
    pen = _Pen(ctx, before or _NEW)
    start = position = ctx.history.position(FOLLOWER)
    entries = ctx.history.after(position, ENTRIES_AT_ONCE)
    for entry in entries:
        if not pen.take(entry):
            break
        position = entry.ts
    ctx.history.move(FOLLOWER, position)
    pen.save(before)
    if pen.is_full or position - start == ENTRIES_AT_ONCE:
        ctx.scheduler.run_after(0, follow)
    return pen.written


@internal_mutation
def prune(ctx: MutationCtx) -> int:
    """Remove events that are old enough, oldest first; the chain begins after them."""
    held = ctx.db.query(AuditHead).first()
    old = AuditEvent.by_time.lt(int(ctx.now - AUDIT_KEPT_MS))
    if held is None or ctx.db.query(old).first() is None:
        return 0
    found = ctx.db.query(AuditEvent.by_seq.gt(held.base_seq)).take(REMOVED_AT_ONCE)
    gone = [event for event in found if event.time < ctx.now - AUDIT_KEPT_MS]
    for event in gone:
        ctx.db.delete(event.id)
    if gone:
        ctx.db.patch(held.id, base_seq=gone[-1].seq, base_hash=gone[-1].hash)
    if len(gone) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, prune)
    return len(gone)


class _Pen:
    """Writes the next events of the chain."""

    def __init__(self, ctx: MutationCtx, head: AuditHead) -> None:
        self._ctx, self._seq, self._hash = ctx, head.seq, head.hash
        self._base = head.base_seq, head.base_hash
        self._within, self.written = head.within, 0

    @property
    def is_full(self) -> bool:
        """Whether one transaction should hold no more."""
        return self.written >= AUDITED_AT_ONCE

    def take(self, entry: Committed) -> bool:
        """Write the events of an entry; False if there is no room for all of them."""
        changes = [change for change in entry.changes if is_audited(change.table)]
        while self._within < len(changes):
            if self.is_full:
                return False
            self._change(entry, changes[self._within])
            self._within += 1
        self._within = 0
        return True

    def save(self, before: AuditHead | None) -> None:
        """Keep where the chain ends now."""
        if before is None:
            seq, digest = self._base
            self._ctx.db.insert(
                AuditHead(
                    seq=self._seq,
                    hash=self._hash,
                    base_seq=seq,
                    base_hash=digest,
                    within=self._within,
                )
            )
        elif self.written or before.within != self._within:
            with self._ctx.db.edit(before.id) as head:
                head.seq, head.hash = self._seq, self._hash
                head.within = self._within
        if self.written:
            # Logs are kept elsewhere, by others: this is the anchor that nobody can take back.
            self._ctx.log.info(f"audit head {self._seq}:{self._hash}")  # noqa: G004 - no logger

    def _change(self, entry: Committed, change: Change) -> None:
        if change.table == _ACCESSES:
            self._access(entry, change)
            return
        told = difference(change.table, change.before, change.after)
        if told is None:
            return
        operation = "update"
        if told.before is None or told.after is None:
            operation = "insert" if told.before is None else "remove"
        self._write(
            entry,
            operation=operation,
            table=change.table,
            document=change.document,
            before=told.before,
            after=told.after,
            detail=None,
        )

    def _access(self, entry: Committed, change: Change) -> None:
        """What was read: the note of it has done its duty."""
        if change.after is None:
            return
        noted = self._ctx.db.normalize_id(SensitiveAccess, change.document)
        if noted is not None and self._ctx.db.get(noted) is not None:
            self._ctx.db.delete(noted)
        found = change.after
        self._write(
            entry,
            operation=found["kind"],
            table=found["table"],
            document=found["document"],
            before=None,
            after=None,
            detail=found.get("detail"),
        )

    def _write(self, entry: Committed, **what: Any) -> None:
        origin = entry.origin
        facts: dict[str, Any] = {
            "seq": self._seq + 1,
            "time": entry.time_ms,
            "position": entry.ts,
            "transaction": entry.transaction,
            "path": entry.path,
            "actor": entry.subject,
            "via": _via(entry),
            "address": (origin.address or None) if origin else None,
            "agent": (origin.agent or None) if origin else None,
            **what,
        }
        digest = link(self._hash, facts)
        made = {name: facts[name] for name in FACTS}
        self._ctx.db.insert(AuditEvent(**made, previous=self._hash, hash=digest))
        self._seq, self._hash = self._seq + 1, digest
        self.written += 1


def _via(entry: Committed) -> AuditVia:
    if entry.origin is not None and entry.origin.is_admin:
        return "admin key"
    if entry.subject is not None:
        return "user"
    return "system" if entry.origin is None else "nobody"


_NEW: Final = AuditHead(seq=0, hash=GENESIS, base_seq=0, base_hash=GENESIS)


def _page(
    ctx: QueryCtx, range_: Any, opts: PaginationOptions, since: float, until: float | None
) -> Page[AuditEvent]:
    require_permission(ctx, "audit.read", "none")
    range_ = range_.gte(int(since))
    if until is not None:
        range_ = range_.lt(int(until))
    found: Page[AuditEvent] = ctx.db.unrestricted.query(range_).order("desc").paginate(opts)
    return found
