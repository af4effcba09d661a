"""The audit: follows the log, and tells admins who did what, from where.

What the documents held before and after is told to admins who have said why they want to see
what is others' (``oversight.py``).

Nothing that is committed can be forgotten here: events are made of the log's entries, each once,
and the log is trimmed no further than the audit has come.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec.structs import replace

from chalicelib.engine.server import (
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
from chalicelib.geoflow.audit_pen import Pen
from chalicelib.geoflow.limits import (
    AUDIT_KEPT_MS,
    AUDITED_AT_ONCE,
    ENTRIES_AT_ONCE,
    MAX_MOMENT_MS,
    REMOVED_AT_ONCE,
)
from chalicelib.geoflow.model.audit_chain import GENESIS
from chalicelib.geoflow.model.audit_facts import difference, is_audited
from chalicelib.geoflow.schema import (
    AuditEvent,
    AuditHead,
    Message,
    caller,
    oversees,
    require_permission,
)

FOLLOWER: Final = "audit"

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
    pen = Pen(ctx, before or _NEW)
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


_NEW: Final = AuditHead(seq=0, hash=GENESIS, base_seq=0, base_hash=GENESIS)


def _page(
    ctx: QueryCtx, range_: Any, opts: PaginationOptions, since: float, until: float | None
) -> Page[AuditEvent]:
    require_permission(ctx, "audit.read", "none")
    range_ = range_.gte(int(since))
    if until is not None:
        range_ = range_.lt(int(until))
    found: Page[AuditEvent] = ctx.db.unrestricted.query(range_).order("desc").paginate(opts)
    me = caller(ctx)
    if me is not None and oversees(me):
        return found
    return found.map(lambda event: replace(event, before=None, after=None))
