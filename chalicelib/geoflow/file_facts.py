"""Looks into files after they were uploaded: what geodata is in them, and how it looks."""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Id,
    MutationCtx,
    QueryCtx,
    Retry,
    StoredFile,
    internal_action,
    internal_mutation,
    internal_query,
)
from chalicelib.geoflow.events import Data, emit
from chalicelib.geoflow.limits import (
    FILE_STALE_MS,
    MAX_INSPECTED_BYTES,
    MAX_TOLD_CHARS,
    REMOVED_AT_ONCE,
)
from chalicelib.geoflow.model.geodata.inspection import Finding, inspected
from chalicelib.geoflow.schema import File, Geodata, Message


@internal_query
def pending(ctx: QueryCtx, file_id: Id[File]) -> File | None:
    """Return a file that nobody has looked into yet; None if it was done, or is gone."""
    file = ctx.db.get(file_id)
    return file if file is not None and file.state == "pending" else None


@internal_action(retry=Retry(times=3))
def inspect(ctx: ActionCtx, file_id: Id[File]) -> None:
    """Look into a file, and keep what was found, or why nothing was."""
    file = ctx.run_query(pending, file_id)
    if file is None:
        return
    found = _found(ctx, file)
    thumbnail = None
    if found.thumbnail is not None:
        drawn = found.thumbnail.encode()
        thumbnail = ctx.storage.store(drawn, content_type="image/svg+xml")
    kept = ctx.run_mutation(record, file_id, found.geodata, found.reason, thumbnail)
    if thumbnail is not None and not kept:
        ctx.storage.delete(thumbnail)


@internal_mutation
def record(
    ctx: MutationCtx,
    file_id: Id[File],
    geodata: Geodata | None,
    reason: Message | None,
    thumbnail_id: Id[StoredFile] | None,
) -> bool:
    """Keep what was found in a file; False if it is gone, or somebody was faster."""
    file = ctx.db.get(file_id)
    if file is None or file.state != "pending":
        return False
    _replace_thumbnail(ctx, file, thumbnail_id)
    with ctx.db.edit(file_id) as edited:
        edited.state = "ready" if geodata is not None else "unreadable"
        edited.geodata, edited.reason = geodata, reason
        edited.thumbnail_id = thumbnail_id
    _tell(ctx, ctx.db.require(file_id))
    return True


@internal_mutation
def give_up(ctx: MutationCtx) -> None:
    """Mark files as unreadable that have been pending for so long that nobody will come."""
    stale = File.by_state.eq("pending").lt(ctx.now - FILE_STALE_MS)
    for file in ctx.db.query(stale).take(REMOVED_AT_ONCE):
        reason = "nobody could look into it: try again by files:reprocess"
        ctx.db.patch(file.id, state="unreadable", reason=reason)


def _tell(ctx: MutationCtx, file: File) -> None:
    data: Data = {
        "fileId": file.id,
        "name": file.name,
        "workflowId": file.workflow_id,
        "state": file.state,
        "reason": file.reason and file.reason[:MAX_TOLD_CHARS],
        "format": file.geodata and file.geodata.format,
    }
    emit(ctx, "file.processed", data, owners=(file.owner,))


def _found(ctx: ActionCtx, file: File) -> Finding:
    if file.size > MAX_INSPECTED_BYTES:
        return Finding(reason=f"files over {MAX_INSPECTED_BYTES} bytes are not looked into")
    pieces = ctx.storage.read(file.storage_id)
    if pieces is None:
        return Finding(reason="its bytes are gone")
    return inspected(pieces)


def _replace_thumbnail(
    ctx: MutationCtx, file: File, thumbnail_id: Id[StoredFile] | None
) -> None:
    before = file.thumbnail_id
    if before is not None and before != thumbnail_id:
        ctx.storage.delete(before)
