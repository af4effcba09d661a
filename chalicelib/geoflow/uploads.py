"""Reads the bodies that bring files: raw or as a form, in pieces, compared with their digest."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import new as new_hash
from typing import Final

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from chalicelib.engine.server import ActionCtx, Id, Request, StoredFile, ValidationFailed
from chalicelib.geoflow.limits import (
    MAX_FILE_BYTES,
    MAX_FORM_FIELD_BYTES,
    MAX_FORM_PARTS,
)
from chalicelib.geoflow.model.content_types import checked_type

FORM: Final = "multipart/form-data"

_DIGEST: Final = re.compile(r"(sha-256|sha-512)\s*=\s*:([^:]*):", re.IGNORECASE)
_DIGEST_BYTES: Final = {"sha-256": 32, "sha-512": 64}

Digest = tuple[str, bytes]
"""An algorithm of hashlib, and the digest that is expected."""


@dataclass
class Upload:
    """What a request has brought; ``fields`` are texts by name."""

    storage_id: Id[StoredFile] | None = None
    name: str | None = None
    content_type: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


def receive(ctx: ActionCtx, request: Request) -> Upload:
    """Store what a request brings; what it cannot be is not kept.

    Raises:
        ValidationFailed: it is too large, of a type that is not taken, not what its digest
            says, or no form that can be read.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    body = _checked(request.chunks, announced_digest(request.headers))
    if kind != FORM:
        content_type = checked_type(kind or None)
        stored = ctx.storage.store(_bounded(body), content_type=content_type)
        _, saved = parse_options_header(request.headers.get("content-disposition", ""))
        return Upload(stored, saved.get("filename"), content_type, dict(request.query))
    upload = Upload(fields=dict(request.query))
    try:
        _read_form(ctx, _events(body, options.get("boundary", "")), upload)
    except BaseException:
        if upload.storage_id is not None:
            ctx.storage.delete(upload.storage_id)
        raise
    return upload


def announced_digest(headers: Mapping[str, str]) -> Digest | None:
    """Return what ``Content-Digest`` (RFC 9530) says; algorithms that are not known are passed.

    Raises:
        ValidationFailed: it names a known one and cannot be read.
    """
    found = _DIGEST.search(headers.get("content-digest", ""))
    if found is None:
        return None
    algorithm = found[1].lower()
    try:
        digest = base64.b64decode(found[2], validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _DIGEST_BYTES[algorithm]:
        raise ValidationFailed(
            f"Content-Digest is no {algorithm} in base64 between colons",
            header=found[0][:200],
        )
    return algorithm.replace("-", ""), digest


def _read_form(
    ctx: ActionCtx, events: Iterator[MultipartSegment | bytes | None], upload: Upload
) -> None:
    for event in events:
        if not isinstance(event, MultipartSegment):
            continue
        if event.filename is None:
            upload.fields[event.name] = _text(events, event.name)
            continue
        if upload.storage_id is not None:
            raise ValidationFailed("one file a request: the form has a second one")
        told = event.header("Content-Type")
        upload.name, upload.content_type = event.filename, checked_type(told)
        digest = announced_digest({"content-digest": event.header("Content-Digest") or ""})
        pieces = _bounded(_checked(_content(events), digest))
        upload.storage_id = ctx.storage.store(pieces, content_type=upload.content_type)


def _events(
    body: Iterable[bytes], boundary: str
) -> Iterator[MultipartSegment | bytes | None]:
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_FORM_PARTS) as parser:
            for chunk in body:
                if chunk:
                    yield from parser.parse(chunk)
    except MultipartError as wrong:
        raise ValidationFailed(f"the form cannot be read: {wrong}") from None


def _content(events: Iterator[MultipartSegment | bytes | None]) -> Iterator[bytes]:
    """The bytes of the part that has just begun."""
    for event in events:
        if not isinstance(event, bytes | bytearray):
            return
        yield bytes(event)


def _text(events: Iterator[MultipartSegment | bytes | None], name: str) -> str:
    found = bytearray()
    for piece in _content(events):
        found += piece
        if len(found) > MAX_FORM_FIELD_BYTES:
            raise ValidationFailed(
                f"field {name[:100]!r} may have {MAX_FORM_FIELD_BYTES} bytes; a file needs a"
                " filename",
                limit=MAX_FORM_FIELD_BYTES,
            )
    try:
        return found.decode()
    except UnicodeDecodeError:
        raise ValidationFailed(f"field {name[:100]!r} must be text in UTF-8") from None


def _bounded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_FILE_BYTES:
            raise ValidationFailed(
                f"a file may have {MAX_FILE_BYTES} bytes", limit=MAX_FILE_BYTES
            )
        yield chunk


def _checked(chunks: Iterable[bytes], digest: Digest | None) -> Iterator[bytes]:
    """Pass chunks on, and fail at their end if they are not what was announced."""
    if digest is None:
        yield from chunks
        return
    hashed = new_hash(digest[0])
    for chunk in chunks:
        hashed.update(chunk)
        yield chunk
    if hashed.digest() != digest[1]:
        raise ValidationFailed(
            f"what came is not what Content-Digest says: its {digest[0]} is"
            f" {base64.b64encode(hashed.digest()).decode()}; nothing was kept"
        )
