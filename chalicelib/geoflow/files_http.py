"""Files over HTTP: uploads, raw or as forms or by a link; downloads, checked each time."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final, cast

import msgspec

from chalicelib.engine.server import (
    ActionCtx,
    AppError,
    ArgumentValidationError,
    Conflict,
    Http,
    Id,
    NotFound,
    Request,
    Response,
    StoredFile,
    UploadRefused,
    ValidationFailed,
)
from chalicelib.geoflow import accesses, files
from chalicelib.geoflow.answers import READABLE, success
from chalicelib.geoflow.idempotency import named, once
from chalicelib.geoflow.model.content_types import checked_type
from chalicelib.geoflow.schema import File
from chalicelib.geoflow.uploads import receive

_CREATED: Final = 201
_SHA256_BYTES: Final = 32
_EXPOSED: Final = "Access-Control-Expose-Headers"
_PARTS: Final = "Accept-Ranges, Content-Digest, Content-Range, ETag"
"""What a page needs to read a file in parts, beside what every answer lets it read."""


class LinkWanted(msgspec.Struct, rename="camel"):
    """The body of ``/api/files/presign``: the file's SHA-256 in base64, and its type."""

    sha256: str
    content_type: str | None = None


class Finished(msgspec.Struct, rename="camel"):
    """The body of ``/api/files/finish``: the token of the link, and what the file is."""

    upload_token: str
    name: str
    content_type: str | None = None
    workflow_id: str | None = None


def mount(http: Http) -> None:
    """Answer the requests for files."""
    http.post("/api/files/upload", streamed=True)(upload)
    http.post("/api/files/presign")(presign)
    http.post("/api/files/finish")(finish)
    http.get("/api/files/{file_id}/content", streamed=True)(content)
    http.get("/api/files/{file_id}/thumbnail")(thumbnail)


def upload(ctx: ActionCtx, request: Request) -> Response:
    """Store a file and answer its id.

    A raw body has ``name`` and ``workflowId`` in the query; a form has one part with a file
    name, and may have these as fields. With an ``Idempotency-Key`` it is stored once; of the
    body, which has other boundaries each time, its ``Content-Digest`` is what is compared.
    """
    ctx.run_query(files.check_upload, _workflow(request.query))
    digest = request.headers.get("content-digest", "").encode()
    known = named(ctx, request, content=digest)
    told = (
        _stored(ctx, request)
        if known is None
        else once(ctx, known, lambda: _stored(ctx, request))
    )
    return success(ctx, told, status=_CREATED)


def _stored(ctx: ActionCtx, request: Request) -> dict[str, Any]:
    received = receive(ctx, request)
    fields = received.fields
    name = fields.get("name") or received.name
    try:
        if received.storage_id is None:
            raise ValidationFailed("the form has no file: send one part with a filename")
        if not name:
            raise ValidationFailed("say what the file is called: ?name=…")
        made = ctx.run_mutation(
            files.upload,
            received.storage_id,
            name,
            received.content_type,
            _workflow(fields),
        )
    except (AppError, ArgumentValidationError):
        # Refused for certain: had it been kept, the bytes would be a file's.
        if received.storage_id is not None:
            ctx.storage.delete(received.storage_id)
        raise
    return {"fileId": made}


def presign(ctx: ActionCtx, request: Request) -> Response:
    """Answer a link to which a file may be PUT that is too large for a request."""
    wanted = _read(request, LinkWanted)
    ctx.run_query(files.check_upload, _workflow(request.query))
    link = ctx.storage.link_upload(
        _digest(wanted.sha256), content_type=checked_type(wanted.content_type)
    )
    if link is None:
        raise AppError(
            "this deployment has no bucket, and needs no link: POST /api/files/upload takes"
            " files of any size here"
        )
    told = {
        "url": link.url,
        "method": "PUT",
        "headers": link.headers,
        "uploadToken": link.finish_token,
    }
    return success(ctx, told)


def finish(ctx: ActionCtx, request: Request) -> Response:
    """Make a file of what was PUT by a link; repeated, it answers the same id."""
    told = _read(request, Finished)
    workflow_id = _workflow({"workflowId": told.workflow_id or ""})
    ctx.run_query(files.check_upload, workflow_id)
    try:
        stored = ctx.storage.finish_upload(told.upload_token)
    except UploadRefused as refused:
        raise Conflict(str(refused), reason=refused.code) from None
    made = ctx.run_mutation(files.upload, stored, told.name, told.content_type, workflow_id)
    return success(ctx, {"fileId": made}, status=_CREATED)


def content(ctx: ActionCtx, request: Request, file_id: Id[File]) -> Response:
    """Answer the bytes of a file that the caller may see, or a range of them."""
    file = _visible(ctx, file_id)
    answered = _served(
        ctx, request, file.storage_id, name=file.name, content_type=file.content_type
    )
    if answered.stream is not None or "Location" in answered.headers:
        ctx.run_mutation(accesses.record, "download", "files", file_id)
    return answered


def thumbnail(ctx: ActionCtx, request: Request, file_id: Id[File]) -> Response:
    """Answer the picture of a file that the caller may see."""
    file = _visible(ctx, file_id)
    if file.thumbnail_id is None:
        raise NotFound("this file has no thumbnail", state=file.state)
    return _served(ctx, request, file.thumbnail_id, inline=True)


def _visible(ctx: ActionCtx, file_id: Id[File]) -> File:
    ctx.auth.require()
    file = ctx.run_query(files.get, file_id)
    if file is None:
        raise NotFound("there is no such file that you may see", id=file_id)
    return file


def _served(
    ctx: ActionCtx,
    request: Request,
    stored: Id[StoredFile],
    **offered: Any,
) -> Response:
    answered = ctx.storage.respond(request, stored, **offered)
    if answered is None:
        raise NotFound("the file is gone")
    headers = {**READABLE, _EXPOSED: f"{READABLE[_EXPOSED]}, {_PARTS}", **answered.headers}
    return msgspec.structs.replace(answered, headers=headers)


def _workflow(fields: Any) -> Any:
    """The workflow that a request names; what is none is refused where it is used."""
    return cast("Any", fields.get("workflowId") or None)


def _read(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(request.json(), kind)
    except msgspec.ValidationError as wrong:
        raise ValidationFailed(f"the body is not what is taken here: {wrong}") from None


def _digest(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != _SHA256_BYTES:
        raise ValidationFailed("sha256 must be the SHA-256 of the file in base64")
    return found
