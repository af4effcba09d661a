"""Functions over files."""

from typing import Any

from chalicelib.engine.schema.builtin import StoredBlob, UnclaimedBlob
from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    StoredFile,
    Struct,
    action,
    internal_query,
    mutation,
    query,
)
from tests.apps.files.schema import Picture


class Shown(Struct):
    """A picture as clients see it; ``url`` is null when its file is gone."""

    file: Id[StoredFile]
    url: str | None


@mutation
def upload_url(ctx: MutationCtx) -> str:
    """Where to post a file."""
    return ctx.storage.generate_upload_url()


@mutation
def add(ctx: MutationCtx, album: str, file: Id[StoredFile]) -> Id[Picture]:
    """Put an uploaded file into an album."""
    return ctx.db.insert(Picture(album=album, file=file))


@query
def show(ctx: QueryCtx, album: str) -> list[Shown]:
    """The pictures of an album."""
    pictures = ctx.db.query(Picture.by_album.eq(album)).take(100)
    return [Shown(file=p.file, url=ctx.storage.get_url(p.file)) for p in pictures]


@query
def url(ctx: QueryCtx, file: Id[StoredFile]) -> str | None:
    """Where a file is served."""
    return ctx.storage.get_url(file)


@query
def metadata(ctx: QueryCtx, file: Id[StoredFile]) -> StoredFile | None:
    """What is known of a file."""
    return ctx.storage.get_metadata(file)


@query
def listed(ctx: QueryCtx) -> list[StoredFile]:
    """Every file."""
    return ctx.db.system.query(StoredFile).collect()


@mutation
def link(
    ctx: MutationCtx, file: Id[StoredFile], name: str = "", inline: bool = False
) -> str:
    """Where a file is served for the next minutes."""
    return ctx.storage.generate_download_url(file, name=name, inline=inline)


@mutation
def remove(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    """Delete a file."""
    ctx.storage.delete(file)


@mutation
def remove_and_fail(ctx: MutationCtx, file: Id[StoredFile]) -> None:
    """Delete a file, and then do not."""
    ctx.storage.delete(file)
    raise Conflict("not after all")


@action
def upload_url_from_action(ctx: ActionCtx) -> str:
    """Where to post a file, by an action."""
    return ctx.storage.generate_upload_url()


@action
def store(ctx: ActionCtx, content: bytes, content_type: str | None) -> Id[StoredFile]:
    """Store what the caller sends."""
    return ctx.storage.store(content, content_type=content_type)


@action
def store_pieces(ctx: ActionCtx, pieces: list[bytes]) -> Id[StoredFile]:
    """Store pieces, one after the other."""
    return ctx.storage.store(iter(pieces))


@action
def load(ctx: ActionCtx, file: Id[StoredFile]) -> bytes | None:
    """The bytes of a file."""
    return ctx.storage.get(file)


@action
def store_and_load(ctx: ActionCtx, content: bytes) -> bytes | None:
    """Store what the caller sends, and read it again."""
    return ctx.storage.get(ctx.storage.store(content))


@action
def describe(ctx: ActionCtx, file: Id[StoredFile]) -> list[Any]:
    """Where a file is served, and its size."""
    found = ctx.storage.get_metadata(file)
    return [ctx.storage.get_url(file), found.size if found is not None else None]


@action
def remove_from_action(ctx: ActionCtx, file: Id[StoredFile]) -> None:
    """Delete a file, by an action."""
    ctx.storage.delete(file)


@internal_query
def keys(ctx: QueryCtx) -> list[str]:
    """What a client never sees: the keys of the bytes that are files'."""
    return [blob.key for blob in ctx.db.system.query(StoredBlob)]


@internal_query
def unclaimed(ctx: QueryCtx) -> list[str]:
    """What a client never sees: the keys of bytes that are no file's and not deleted yet."""
    return [blob.key for blob in ctx.db.system.query(UnclaimedBlob) if not blob.deleted]


@internal_query
def remembered(ctx: QueryCtx) -> list[str]:
    """What a client never sees: the keys of bytes that are deleted, and will be once more."""
    return [blob.key for blob in ctx.db.system.query(UnclaimedBlob) if blob.deleted]
