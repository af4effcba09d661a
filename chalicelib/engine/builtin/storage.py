"""What is committed about files. Bytes are written before, and deleted after, a commit."""

from typing import Final

from msgspec import UNSET

from chalicelib.engine.database.documents import Writer, system_writer
from chalicelib.engine.errors import UploadAbandoned
from chalicelib.engine.functions.context import MutationCtx, QueryCtx
from chalicelib.engine.functions.registration import internal_mutation, internal_query
from chalicelib.engine.schema import Id, StoredFile, Struct
from chalicelib.engine.schema.builtin import StoredBlob, UnclaimedBlob

UPLOAD_PATIENCE_MS: Final = 24 * 3_600_000.0
"""How long an upload may take before its bytes are given up, in milliseconds: a day."""

LATE_WRITE_MS: Final = 2 * 3_600_000.0
"""How long after a delete a write may still come, in milliseconds: twice what a link is good.

A store that did not answer may do later what it was asked; who has a link may use it.
"""


class Located(Struct):
    """A stored file and the key of its bytes."""

    key: str
    file: StoredFile


@internal_mutation
def begin(ctx: MutationCtx, key: str) -> None:
    """Announce bytes that will come: whatever happens, they are found again."""
    due = ctx.now + UPLOAD_PATIENCE_MS
    system_writer(ctx.db).insert(UnclaimedBlob(key=key, due=due))


@internal_mutation
def finish(
    ctx: MutationCtx, key: str, sha256: str, size: float, content_type: str | None
) -> Id[StoredFile]:
    """Make a file of bytes that are all there. Repeated, it names the same file.

    Raises:
        UploadAbandoned: the bytes were given up meanwhile.
    """
    system = system_writer(ctx.db)
    made = system.query(StoredBlob.by_key.eq(key)).first()
    if made is not None:
        return made.file
    unclaimed = _unclaimed(system, key)
    if unclaimed is None or unclaimed.doomed:
        raise UploadAbandoned
    system.delete(unclaimed.id)
    kind = UNSET if content_type is None else content_type
    file = system.insert(StoredFile(sha256=sha256, size=size, content_type=kind))
    system.insert(StoredBlob(key=key, file=file))
    return file


@internal_mutation
def abandon(ctx: MutationCtx, key: str) -> bool:
    """Give up bytes that were announced; False if they are a file's after all."""
    system = system_writer(ctx.db)
    unclaimed = _unclaimed(system, key)
    if unclaimed is not None and not unclaimed.doomed:
        system.patch(unclaimed.id, doomed=True, due=ctx.now)
    return unclaimed is not None


@internal_mutation
def doom(ctx: MutationCtx, limit: int) -> list[str]:
    """Give up what is due, and return the keys of bytes that are to be deleted.

    A commit decides between this and :func:`finish`: no file ever loses its bytes.
    """
    system = system_writer(ctx.db)
    due = system.query(UnclaimedBlob.by_due.lte(ctx.now)).take(limit)
    for blob in due:
        if not blob.doomed:
            system.patch(blob.id, doomed=True)
    return [blob.key for blob in due]


@internal_mutation
def note_deleted(ctx: MutationCtx, keys: list[str]) -> None:
    """Take note that bytes are deleted; those that were due for the second time are forgotten.

    Two sweeps at once are one time: only when it is due again can no write come any more.
    """
    system = system_writer(ctx.db)
    for key in keys:
        blob = _unclaimed(system, key)
        if blob is not None and not blob.deleted:
            system.patch(blob.id, deleted=True, due=ctx.now + LATE_WRITE_MS)
        elif blob is not None and blob.due <= ctx.now:
            system.delete(blob.id)


@internal_mutation
def delete(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    """Delete a file, for an action."""
    ctx.storage.delete(file)


@internal_query
def find(ctx: QueryCtx, key: str) -> StoredFile | None:
    """The file whose bytes are under ``key``."""
    blob = ctx.db.system.query(StoredBlob.by_key.eq(key)).first()
    return ctx.db.system.get(blob.file) if blob is not None else None


@internal_query
def locate(ctx: QueryCtx, file: Id[StoredFile]) -> Located | None:
    """A file and where its bytes are."""
    blob = ctx.db.system.query(StoredBlob.by_file.eq(file)).first()
    found = ctx.db.system.get(file)
    if blob is None or found is None:
        return None
    return Located(key=blob.key, file=found)


def _unclaimed(system: Writer, key: str) -> UnclaimedBlob | None:
    return system.query(UnclaimedBlob.by_key.eq(key)).first()
