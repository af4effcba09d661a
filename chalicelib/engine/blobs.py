"""The port for the bytes of stored files.

Implementations: ``adapters.memory`` (the reference), ``adapters.directory``, ``adapters.s3``.
All must pass ``tests/conformance/test_blob_store.py``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

import msgspec

PIECE_BYTES: Final = 64 * 1024
"""About how many bytes of a blob are held at a time, where an adapter may choose."""


class BlobFacts(msgspec.Struct, frozen=True):
    """What is known of a blob once all of it has come: its bytes are these and no others.

    ``size`` is in bytes, ``sha256`` the 32 bytes of the digest.
    """

    size: int
    sha256: bytes


class UploadLink(msgspec.Struct, frozen=True):
    """Where somebody else may PUT a blob, and the headers that the request must have."""

    url: str
    headers: Mapping[str, str]


class BlobStore(Protocol):
    """Blobs, each under a key that is written once and never again.

    Keys are UUIDs in their usual form. The store knows nothing of documents: which blob is
    whose, and which may go, is decided by those who call. It is never asked what it holds.
    """

    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        """Write a blob as its chunks come; no more than a few megabytes are held of it.

        On return it is durable. Until then there is none: if ``chunks`` raises, or the process
        dies, nobody can ever read a part of it. ``content_type`` is what the store itself would
        say when it serves the blob by a link.

        Raises:
            StorageFull: there is no room.
            StorageUnavailable: it may or may not be there; :meth:`delete` makes sure.
        """
        ...

    def get(self, key: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read the bytes from ``first`` up to before ``end``, or all of them, in pieces.

        Raises:
            BlobMissing: there is no such blob. Like the next, it comes no later than the first
                piece would.
            StorageUnavailable: the store does not answer.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove a blob, and whatever an interrupted :meth:`put` left of one; idempotent.

        Raises:
            StorageUnavailable: it may still be there.
        """
        ...

    def upload_link(
        self, key: str, *, sha256: bytes, content_type: str | None, valid_s: int
    ) -> UploadLink | None:
        """Let whoever has the link put the blob with this digest, once, for ``valid_s`` seconds.

        Returns:
            None if the store cannot.
        """
        ...

    def linked(self, key: str) -> BlobFacts | None:
        """Return what came by way of an :meth:`upload_link`; None while nothing has.

        Raises:
            StorageUnavailable: the store does not answer.
        """
        ...

    def download_link(
        self,
        key: str,
        *,
        content_type: str | None,
        valid_s: int,
        disposition: str | None = None,
    ) -> str | None:
        """Return a URL that serves the blob to whoever has it, for ``valid_s`` seconds.

        ``disposition`` is the header that says under which name it is saved.

        Returns:
            None if the store cannot.
        """
        ...
