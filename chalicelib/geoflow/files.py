"""Files: uploaded, found, shared with a workflow, removed with their bytes."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    MutationCtx,
    NotFound,
    Page,
    PaginationOptions,
    QueryCtx,
    StoredFile,
    Struct,
    Unset,
    ValidationFailed,
    mutation,
    query,
)
from chalicelib.geoflow import file_facts
from chalicelib.geoflow.accesses import note
from chalicelib.geoflow.limits import MAX_BYTES_PER_USER, MAX_FILE_BYTES, MAX_LISTED
from chalicelib.geoflow.model.content_types import checked_type
from chalicelib.geoflow.model.names import has_text
from chalicelib.geoflow.schema import (
    File,
    FileName,
    Message,
    Permission,
    User,
    Workflow,
    caller,
    oversees,
    relation_to_file,
    require_permission,
)
from chalicelib.geoflow.storage_uses import bytes_kept, count, holder_of, refuse_more
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.workflows import checked_workflow


class FileUsage(Struct):
    """Bytes that somebody's files have together, and that they may have."""

    bytes: int
    limit: int


@query
def list_by_user(ctx: QueryCtx, user_id: Id[User]) -> list[File]:
    """Return a user's files, newest first, at most 100: those that the caller may see."""
    return _newest(ctx, File.by_owner.eq(user_id))


@query
def list_by_user_page(
    ctx: QueryCtx, user_id: Id[User], pagination_opts: PaginationOptions
) -> Page[File]:
    """Return a user's files, newest first, a page at a time."""
    return _page(ctx, File.by_owner.eq(user_id), pagination_opts)


@query
def list_by_workflow(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[File]:
    """Return the files of a workflow, newest first, at most 100."""
    return _newest(ctx, File.by_workflow.eq(workflow_id))


@query
def list_by_workflow_page(
    ctx: QueryCtx, workflow_id: Id[Workflow], pagination_opts: PaginationOptions
) -> Page[File]:
    """Return the files of a workflow, newest first, a page at a time."""
    return _page(ctx, File.by_workflow.eq(workflow_id), pagination_opts)


@query
def search(
    ctx: QueryCtx,
    text: str,
    pagination_opts: PaginationOptions,
    workflow_id: Id[Workflow] | None = None,
) -> Page[File]:
    """Return files whose name has ``text`` in it: of a workflow, or else the caller's own.

    An admin who names no workflow, and has said why (``oversight:open``), searches all.
    Newest first; a page may be short, or empty, and yet not be the last.
    """
    ctx.auth.require()
    me = caller(ctx)
    if workflow_id is not None:
        found = ctx.db.query(File.by_workflow.eq(workflow_id))
    elif me is not None and oversees(me):
        found = ctx.db.query(File)
    elif me is not None:
        found = ctx.db.query(File.by_owner.eq(me.id))
    else:
        return Page(page=[], is_done=True, continue_cursor="")
    named = found.order("desc").filter(lambda file: has_text(text, file.name))
    return named.paginate(pagination_opts)


@query
def get(ctx: QueryCtx, file_id: Id[File]) -> File | None:
    """Return the file; null if there is none that the caller may see."""
    return ctx.db.get(file_id)


@query
def usage(ctx: QueryCtx) -> FileUsage:
    """Return how many bytes the caller's files have together, and how many they may."""
    require_permission(ctx, "files.read", "owner")
    me = caller(ctx)
    kept = 0 if me is None else bytes_kept(ctx, me.id)
    return FileUsage(bytes=kept, limit=MAX_BYTES_PER_USER)


@query
def check_upload(ctx: QueryCtx, workflow_id: Id[Workflow] | None = None) -> None:
    """Refuse an upload that could not be kept; ask before its bytes go."""
    _require_may_create(ctx, workflow_id)


@mutation
def generate_upload_url(ctx: MutationCtx) -> str:
    """Return a URL to which a file may be posted for the next hour; then call ``upload``."""
    _require_may_create(ctx, None)
    return ctx.storage.generate_upload_url()


@mutation
def upload(
    ctx: MutationCtx,
    storage_id: Id[StoredFile],
    name: FileName,
    content_type: Message | None = None,
    workflow_id: Id[Workflow] | None = None,
) -> Id[File]:
    """Keep stored bytes as a file of the caller's, and look into it soon.

    Repeated, it returns the same file.

    Raises:
        Conflict: the bytes are another file's.
        NotFound: nothing is stored under that id, or there is no such workflow. Bytes wait
            a day for this call.
        RateLimited: with it the caller would keep more than 50 GB.
        ValidationFailed: it is too large, or of a type that is not taken.
    """
    me = current_user(ctx)
    _require_may_create(ctx, workflow_id)
    stored = ctx.storage.get_metadata(storage_id)
    if stored is None:
        raise NotFound("nothing is stored under this id: upload it first", id=storage_id)
    holder = holder_of(ctx, storage_id)
    if holder is not None:
        return _repeated(holder, me, storage_id)
    told = None if isinstance(stored.content_type, Unset) else stored.content_type
    file = File(
        owner=me.id,
        workflow_id=workflow_id,
        name=name,
        content_type=checked_type(content_type or told),
        size=int(stored.size),
        sha256=stored.sha256,
        pending_since=ctx.now,
        storage_id=storage_id,
    )
    return _kept(ctx, file)


@mutation
def update(
    ctx: MutationCtx,
    file_id: Id[File],
    name: FileName | Unset = UNSET,
    content_type: Message | Unset = UNSET,
    workflow_id: Id[Workflow] | Unset | None = UNSET,
) -> None:
    """Change what is given; a workflow of null takes the file out of its workflow.

    To move a file changes who may see it, and is for whoever may remove it.
    """
    file = checked_file(ctx, "files.change", file_id)
    if workflow_id is not UNSET and workflow_id != file.workflow_id:
        checked_file(ctx, "files.remove", file_id)
        _require_may_add(ctx, workflow_id)
    with ctx.db.edit(file_id) as edited:
        if name is not UNSET:
            edited.name = name
        if content_type is not UNSET:
            edited.content_type = checked_type(content_type)
        if workflow_id is not UNSET:
            edited.workflow_id = workflow_id


@mutation
def reprocess(ctx: MutationCtx, file_id: Id[File]) -> None:
    """Look into a file again, as after an upgrade of the libraries."""
    file = checked_file(ctx, "files.change", file_id)
    if file.state == "pending":
        return
    ctx.db.patch(file_id, state="pending", pending_since=ctx.now, reason=None)
    ctx.scheduler.run_after(0, file_facts.inspect, file_id)


@mutation
def remove(ctx: MutationCtx, file_id: Id[File]) -> None:
    """Remove a file for good, with its bytes and its thumbnail."""
    file = checked_file(ctx, "files.remove", file_id)
    count(ctx, file.owner, -file.size)
    ctx.db.delete(file_id)
    for stored in (file.storage_id, file.thumbnail_id):
        if stored is not None and ctx.storage.get_metadata(stored) is not None:
            ctx.storage.delete(stored)


@mutation
def generate_download_url(ctx: MutationCtx, file_id: Id[File]) -> str:
    """Return a URL that serves the file to whoever has it, for five minutes."""
    file = checked_file(ctx, "files.read", file_id)
    note(ctx, "download", "files", file_id)
    return ctx.storage.generate_download_url(
        file.storage_id, name=file.name, content_type=file.content_type
    )


@mutation
def generate_thumbnail_url(ctx: MutationCtx, file_id: Id[File]) -> str | None:
    """Return a URL that shows the thumbnail for five minutes; null if there is none."""
    file = checked_file(ctx, "files.read", file_id)
    if file.thumbnail_id is None:
        return None
    return ctx.storage.generate_download_url(file.thumbnail_id, inline=True)


def checked_file(ctx: QueryCtx, permission: Permission, file_id: Id[File]) -> File:
    """Return a file with which the caller may do that.

    Raises:
        Unauthenticated: nobody is signed in.
        NotFound: there is none that the caller may see.
        Forbidden: the caller may see it, and no more.
    """
    ctx.auth.require()
    file = ctx.db.require(file_id)
    require_permission(ctx, permission, relation_to_file(ctx, file))
    return file


def _newest(ctx: QueryCtx, files: Any) -> list[File]:
    """The first files of an index, newest first, of those that the caller may see."""
    ctx.auth.require()
    found: list[File] = ctx.db.query(files).order("desc").take(MAX_LISTED)
    return found


def _page(ctx: QueryCtx, files: Any, opts: PaginationOptions) -> Page[File]:
    ctx.auth.require()
    found: Page[File] = ctx.db.query(files).order("desc").paginate(opts)
    return found


def _require_may_create(ctx: QueryCtx, workflow_id: Id[Workflow] | None) -> None:
    require_permission(ctx, "files.create", "none")
    _require_may_add(ctx, workflow_id)
    me = caller(ctx)
    if me is not None:
        refuse_more(ctx, me.id, 1)


def _require_may_add(ctx: QueryCtx, workflow_id: Id[Workflow] | None) -> None:
    if workflow_id is not None:
        checked_workflow(ctx, "files.change", workflow_id)


def _repeated(holder: File, me: User, storage_id: Id[StoredFile]) -> Id[File]:
    if holder.owner != me.id or holder.storage_id != storage_id:
        raise Conflict("these bytes are another file's: upload them anew", id=storage_id)
    return holder.id


def _kept(ctx: MutationCtx, file: File) -> Id[File]:
    """Keep a file, if it is not too large and there is room for it."""
    if file.size > MAX_FILE_BYTES:
        raise ValidationFailed(
            f"a file may have {MAX_FILE_BYTES} bytes, and this one has {file.size}",
            limit=MAX_FILE_BYTES,
        )
    refuse_more(ctx, file.owner, file.size)
    count(ctx, file.owner, file.size)
    made = ctx.db.insert(file)
    ctx.scheduler.run_after(0, file_facts.inspect, made)
    return made
