"""What people keep: counted and bounded; and bytes that were uploaded and became no file."""

from __future__ import annotations

from chalicelib.engine.server import (
    Id,
    MutationCtx,
    QueryCtx,
    RateLimited,
    StoredFile,
    internal_mutation,
)
from chalicelib.geoflow.limits import (
    MAX_BYTES_PER_USER,
    MAX_COUNTED_FILES,
    REMOVED_AT_ONCE,
    UNREGISTERED_KEPT_MS,
)
from chalicelib.geoflow.schema import File, StorageUse, UploadSweep, User


def bytes_kept(ctx: QueryCtx, owner: Id[User]) -> int:
    """Return how many bytes the files of a user have together."""
    known = _known(ctx, owner)
    return _counted(ctx, owner) if known is None else known.bytes


def refuse_more(ctx: QueryCtx, owner: Id[User], size: int) -> None:
    """Refuse a file for which its owner has no room.

    Raises:
        RateLimited: with it they would keep more than a user may.
    """
    kept = bytes_kept(ctx, owner)
    if kept + size > MAX_BYTES_PER_USER:
        raise RateLimited(
            f"your files have {kept} bytes, and {MAX_BYTES_PER_USER} are all that you may"
            " keep: remove some first",
            bytes=kept,
            limit=MAX_BYTES_PER_USER,
        )


def count(ctx: MutationCtx, owner: Id[User], change: int) -> None:
    """Count bytes that come, or that go: ``change`` is negative then.

    It is called before the file is inserted or removed.
    """
    known, kept = _known(ctx, owner), bytes_kept(ctx, owner)
    now = max(0, kept + change)
    if known is None:
        ctx.db.unrestricted.insert(StorageUse(owner=owner, bytes=now))
    else:
        ctx.db.unrestricted.patch(known.id, bytes=now)


@internal_mutation
def sweep(ctx: MutationCtx) -> int:
    """Delete what was uploaded a day ago and is no file; return how much, and go on by jobs.

    What is a file's when it is looked at goes with that file. So each is looked at once.
    """
    done = ctx.db.query(UploadSweep).first()
    old = StoredFile.by_creation_time.gte(0.0 if done is None else done.through)
    found = ctx.db.system.query(old.lt(ctx.now - UNREGISTERED_KEPT_MS)).take(
        REMOVED_AT_ONCE
    )
    lost = [stored for stored in found if holder_of(ctx, stored.id) is None]
    for stored in lost:
        ctx.storage.delete(stored.id)
    if found:
        _move(ctx, done, found[-1].creation_time)
    if len(found) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, sweep)
    return len(lost)


def holder_of(ctx: QueryCtx, storage_id: Id[StoredFile]) -> File | None:
    """The file whose bytes, or whose thumbnail, these are: nobody else may remove them."""
    db = ctx.db.unrestricted
    return (
        db.query(File.by_storage.eq(storage_id)).first()
        or db.query(File.by_thumbnail.eq(storage_id)).first()
    )


def _move(ctx: MutationCtx, done: UploadSweep | None, through: float) -> None:
    if done is None:
        ctx.db.insert(UploadSweep(through=through))
    elif done.through != through:
        ctx.db.patch(done.id, through=through)


def _known(ctx: QueryCtx, owner: Id[User]) -> StorageUse | None:
    return ctx.db.unrestricted.query(StorageUse.by_owner.eq(owner)).unique()


def _counted(ctx: QueryCtx, owner: Id[User]) -> int:
    """Files that were there before anybody counted them."""
    files = ctx.db.unrestricted.query(File.by_owner.eq(owner))
    return sum(file.size for file in files.take(MAX_COUNTED_FILES))
