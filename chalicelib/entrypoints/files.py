"""File storage over HTTP (docs/protocol.md 3)."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from chalicelib.bootstrap import Deployment
from chalicelib.engine.errors import EngineError, UploadRefused
from chalicelib.engine.functions.announced import Announced
from chalicelib.engine.functions.deliveries import MAX_WHOLE_BYTES, SAFE, Delivery, deliver
from chalicelib.engine.functions.http_messages import Request as AppRequest
from chalicelib.engine.functions.http_ranges import NotSatisfiable, Part, part_of
from chalicelib.engine.schema import StoredFile, Unset
from chalicelib.entrypoints.faults import BadJsonBody, Fault
from chalicelib.entrypoints.http import Handler, Request, Response

PREFIX: Final = "/api/storage/"

_MOST_DIGITS: Final = 20
"""No size has as many: 10^20 bytes are more than there are."""

MAX_JSON_BYTES: Final = 16 * 1024
"""Most bytes of a body that is JSON: a digest and a type."""

CACHE_CONTROL: Final = "private, max-age=2592000"
"""A file never changes, and who may see it is who has its URL. Source: docs/protocol.md 3."""

LINK_CACHE_CONTROL: Final = "private, max-age=900"
"""How long a redirection may be kept: the link that it names is good for an hour."""

_POLICY: Final = "Content-Security-Policy"
"""Whoever may upload says the type, and on AWS pages of users have the same origin: no script
of a file may run there."""

_PDF: Final = "application/pdf"
"""Shown by a viewer of the browser's own, which knows no policy and is shut out by one."""

_KEY: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class InvalidStoragePath(EngineError):
    """The last part of a file's URL is no UUID."""

    code = "InvalidStoragePath"


class FileNotFound(EngineError):
    """No file has this URL."""

    code = "FileNotFound"


class InvalidDigest(UploadRefused):
    """A ``Digest`` that was announced cannot be read."""

    code = "InvalidDigest"


class MethodNotAllowed(EngineError):
    """The URL is there, but not for this method."""

    code = "MethodNotAllowed"


class LinkWanted(msgspec.Struct, rename="camel"):
    """The body of ``/api/storage/presign``: the file's SHA-256 in base64, and its type."""

    sha256: str
    content_type: str | None = None


def upload(deployment: Deployment, request: Request) -> Response:
    """``POST /api/storage/upload``: the body is a file."""
    files = deployment.backend.files
    files.check_upload_token(request.query.get("token", ""))
    announced = Announced(
        size=_announced_size(request.headers),
        sha256=_announced_digest(request.headers),
        content_type=request.headers.get("content-type") or None,
    )
    return _json({"storageId": files.upload(request.chunks, announced)})


def presign(deployment: Deployment, request: Request) -> Response:
    """``POST /api/storage/presign``: a link by which a large file goes into the store itself."""
    files = deployment.backend.files
    files.check_upload_token(request.query.get("token", ""))
    try:
        wanted = msgspec.json.decode(_small_body(request), type=LinkWanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadJsonBody(f"the body is not what this endpoint takes: {error}") from None
    link = files.link_upload(
        Announced(sha256=_digest(wanted.sha256), content_type=wanted.content_type or None)
    )
    finish_url = deployment.backend.behaviour.files.url(f"finish?token={link.finish_token}")
    body = {
        "url": link.url,
        "method": "PUT",
        "headers": link.headers,
        "finishUrl": finish_url,
    }
    return _json(body)


def finish(deployment: Deployment, request: Request) -> Response:
    """``POST /api/storage/finish``: what was put by a link becomes a file."""
    token = request.query.get("token", "")
    return _json({"storageId": deployment.backend.files.finish_link(token)})


def link(deployment: Deployment, request: Request) -> Response:
    """``GET /api/storage/link``: a file, to whoever a function has given a link of minutes."""
    files = deployment.backend.files
    ticket = files.ticket_of(request.query.get("token", ""))
    asked = AppRequest(
        method=request.method,
        path=request.path,
        headers=request.headers,
        stream=request.stream,
    )
    delivery = Delivery(
        name=ticket.name, inline=ticket.inline, content_type=ticket.content_type
    )
    answered = deliver(files, asked, ticket.file, delivery)
    if answered is None:
        raise FileNotFound("there is no such file, or no longer")
    return Response(answered.status, b"", dict(answered.headers), answered.stream)


def download(deployment: Deployment, request: Request) -> Response:
    """``GET /api/storage/{uuid}``: a file, or one range of it; HEAD leaves the bytes out."""
    key = request.path.removeprefix(PREFIX)
    if not _KEY.fullmatch(key):
        raise InvalidStoragePath(f"{key!r} is not the UUID of a file")
    key = key.lower()
    file = deployment.backend.files.find(key)
    if file is None:
        raise FileNotFound(f"there is no file {key}")
    try:
        part = part_of(request.headers, int(file.size))
    except NotSatisfiable as wrong:
        return _not_satisfiable(wrong, int(file.size))
    headers = _headers(file, part)
    if request.method == "HEAD":
        return Response(part.status, b"", headers)
    if request.stream is None and part.length > MAX_WHOLE_BYTES:
        link = deployment.backend.files.download_link(
            key, None if isinstance(file.content_type, Unset) else file.content_type
        )
        if link is not None:
            moved = {"Location": link, "Cache-Control": LINK_CACHE_CONTROL}
            return Response(307, b"", moved)
    pieces = deployment.backend.files.read(key, part.first, part.end)
    return Response(part.status, b"", headers, pieces)


def handler_of(method: str, path: str) -> Handler:
    """Return what answers a request below :data:`PREFIX`."""
    posted = _POSTED.get(path.removeprefix(PREFIX))
    if posted is not None and method in {"POST", "OPTIONS"}:
        return posted
    if posted is None and method in {"GET", "HEAD", "OPTIONS"}:
        return link if path == PREFIX + "link" else download
    return _refuse_method


_POSTED: Final[Mapping[str, Handler]] = {
    "upload": upload,
    "presign": presign,
    "finish": finish,
}


def _refuse_method(deployment: Deployment, request: Request) -> Response:  # noqa: ARG001 - a handler
    raise MethodNotAllowed(f"{request.path} does not take {request.method}")


def _headers(file: StoredFile, part: Part) -> dict[str, str]:
    headers = {
        "Content-Length": str(part.length),
        "Cache-Control": CACHE_CONTROL,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": SAFE["X-Content-Type-Options"],
    }
    kind = None if isinstance(file.content_type, Unset) else file.content_type
    if kind is not None:
        headers["Content-Type"] = kind
    if kind != _PDF:
        headers[_POLICY] = SAFE[_POLICY]
    if part.is_whole:
        headers["Digest"] = f"sha-256={file.sha256}"
    else:
        headers["Content-Range"] = part.content_range
    return headers


def _not_satisfiable(wrong: NotSatisfiable, size: int) -> Response:
    body = msgspec.json.encode(Fault("RangeNotSatisfiable", str(wrong)))
    headers = {"Content-Type": "application/json", "Content-Range": f"bytes */{size}"}
    return Response(416, body, headers)


def _small_body(request: Request) -> bytes:
    body = b""
    for chunk in request.chunks:
        body += chunk
        if len(body) > MAX_JSON_BYTES:
            raise BadJsonBody(f"the body may have {MAX_JSON_BYTES} bytes")
    return body


def _announced_size(headers: Mapping[str, str]) -> int | None:
    """What ``Content-Length`` says; more digits than any size has are as good as most of them."""
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return int(text.lstrip("0")[:_MOST_DIGITS] or "0")


def _announced_digest(headers: Mapping[str, str]) -> bytes | None:
    """The SHA-256 of a ``Digest`` header (RFC 3230), which may name others too."""
    for each in headers.get("digest", "").split(","):
        algorithm, _, text = each.strip().partition("=")
        if algorithm.lower() == "sha-256":
            return _digest(text)
    return None


def _digest(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 32:  # noqa: PLR2004 - bytes of SHA-256
        raise InvalidDigest(f"{text!r} is no SHA-256 in base64")
    return found


def _json(body: object) -> Response:
    return Response(200, msgspec.json.encode(body), {"Content-Type": "application/json"})
