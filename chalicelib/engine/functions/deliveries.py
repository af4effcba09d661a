"""How a stored file is handed out over HTTP: whole, a range of it, not again, or by a link."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from chalicelib.engine.errors import BlobMissing
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_ranges import NotSatisfiable, Part, part_of
from chalicelib.engine.schema import StoredFile, Unset

if TYPE_CHECKING:
    # It runs functions, whose contexts hold what is here.
    from chalicelib.engine.functions.files import Files

MAX_WHOLE_BYTES: Final = 4 << 20
"""Most bytes of a file that are answered where answers do not stream: 4 MiB.

Source: Lambda, "synchronous payload", 6 MB, of which base64 takes a quarter.
"""

REDIRECT_VALID_S: Final = 60
"""How long a redirection to the store may be followed, in seconds: it is followed at once."""

_UNKNOWN: Final = "application/octet-stream"
_NOT_MODIFIED: Final = 304
_REDIRECT: Final = 307
_PRECONDITION_FAILED: Final = 412
_NOT_SATISFIABLE: Final = 416


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How a file is offered: under ``name``; ``inline``: shown, where it is else saved.

    ``content_type`` is told instead of the one that it was stored with.
    """

    name: str = ""
    inline: bool = False
    content_type: str = ""

    @property
    def disposition(self) -> str:
        """The header that says so (RFC 6266); names in any script are in ``filename*``."""
        kind = "inline" if self.inline else "attachment"
        if not self.name:
            return kind
        plain = "".join(
            char if char.isascii() and char.isprintable() and char not in '"\\%' else "_"
            for char in self.name
        )
        return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a link for a download is good for."""

    file: str
    name: str
    inline: bool
    content_type: str = ""


SAFE: Final[Mapping[str, str]] = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
"""Headers with which what somebody has uploaded cannot act as a page of this origin.

Each use of a kept copy is asked for again: whether it may still be seen changes.
"""


def deliver(
    files: "Files", request: Request, file: str, delivery: Delivery
) -> Response | None:
    """Answer GET or HEAD with a file, as the request's headers want it; None: there is none."""
    found = files.located(file)
    if found is None:
        return None
    etag, size = f'"{found.file.sha256}"', int(found.file.size)
    headers = {**SAFE, "ETag": etag, "Accept-Ranges": "bytes"}
    unmet = _unmet(request.headers, etag)
    if unmet is not None:
        return Response(status=unmet, headers=headers)
    try:
        part = part_of(request.headers, size, etag)
    except NotSatisfiable:
        told = {**headers, "Content-Range": f"bytes */{size}"}
        return Response(status=_NOT_SATISFIABLE, headers=told)
    headers |= _content_headers(found.file, part, delivery)
    if request.method == "HEAD":
        return Response(status=part.status, headers=headers)
    return _with_bytes(files, request, found, part, headers)


def _with_bytes(
    files: "Files", request: Request, found: Any, part: Part, headers: dict[str, str]
) -> Response | None:
    if request.stream is None and part.length > MAX_WHOLE_BYTES:
        link = files.download_link(
            found.key,
            headers["Content-Type"],
            disposition=headers["Content-Disposition"],
            valid_s=REDIRECT_VALID_S,
        )
        if link is not None:
            moved = {"Location": link, "Cache-Control": "private, no-store"}
            return Response(status=_REDIRECT, headers=moved)
    try:
        pieces = files.read(found.key, part.first, part.end)
    except BlobMissing:
        if files.located(found.file.id) is None:
            return None  # deleted in between
        raise
    return Response(status=part.status, headers=headers, stream=pieces)


def _content_headers(file: StoredFile, part: Part, delivery: Delivery) -> dict[str, str]:
    stored = _UNKNOWN if isinstance(file.content_type, Unset) else file.content_type
    headers = {
        "Content-Type": delivery.content_type or stored,
        "Content-Length": str(part.length),
        "Content-Disposition": delivery.disposition,
    }
    if part.is_whole:
        headers["Content-Digest"] = f"sha-256=:{file.sha256}:"
    else:
        headers["Content-Range"] = part.content_range
    return headers


def _unmet(headers: Mapping[str, str], etag: str) -> int | None:
    """The status that a precondition asks for instead of the file (RFC 9110, section 13)."""
    wanted, kept = headers.get("if-match"), headers.get("if-none-match")
    if wanted is not None and not _names(wanted, etag):
        return _PRECONDITION_FAILED
    if kept is not None and _names(kept.replace("W/", ""), etag):
        return _NOT_MODIFIED
    return None


def _names(tags: str, etag: str) -> bool:
    return tags.strip() == "*" or etag in {tag.strip() for tag in tags.split(",")}
