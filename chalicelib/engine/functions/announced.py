"""What is said of a file before it comes, and whether that was true."""

import base64

import msgspec

from chalicelib.engine.blobs import BlobFacts
from chalicelib.engine.errors import (
    ContentLengthMismatch,
    InvalidContentType,
    Sha256Mismatch,
)


class Announced(msgspec.Struct, frozen=True):
    """What whoever uploads has said of the file beforehand; None is not said."""

    size: int | None = None
    sha256: bytes | None = None
    content_type: str | None = None


class LinkedUpload(msgspec.Struct, frozen=True):
    """How to upload a file straight into the store, and the token that then finishes it."""

    url: str
    headers: dict[str, str]
    finish_token: str


class Pledge(msgspec.Struct, frozen=True, array_like=True):
    """What the token of a linked upload holds."""

    key: str
    sha256: bytes
    content_type: str | None


def check_type(content_type: str | None) -> None:
    """See that a type can be sent as a header: with a line break in it, it would be several.

    Raises:
        InvalidContentType: it cannot.
    """
    if content_type is not None and not (
        content_type.isascii() and content_type.isprintable()
    ):
        raise InvalidContentType(content_type)


def compare(facts: BlobFacts, announced: Announced) -> None:
    """See that what has come is what was announced.

    Raises:
        ContentLengthMismatch: it is longer, or shorter.
        Sha256Mismatch: it is something else.
    """
    if announced.size is not None and announced.size != facts.size:
        raise ContentLengthMismatch(announced=announced.size, received=facts.size)
    if announced.sha256 is not None and announced.sha256 != facts.sha256:
        raise Sha256Mismatch(
            announced=digest_text(announced.sha256), received=digest_text(facts.sha256)
        )


def digest_text(digest: bytes) -> str:
    """A digest as files and errors tell it."""
    return base64.b64encode(digest).decode()
