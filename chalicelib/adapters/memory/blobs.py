"""Blobs in memory: the reference, written to be read."""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from typing_extensions import override

from chalicelib.engine.blobs import PIECE_BYTES, BlobFacts, BlobStore, UploadLink
from chalicelib.engine.errors import BlobMissing


class MemoryBlobs(BlobStore):
    """Blobs that are gone when the process is."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    @override
    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        content = b"".join(chunks)
        self.held[key] = content
        return BlobFacts(len(content), sha256(content).digest())

    @override
    def get(self, key: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        content = self.held.get(key)
        if content is None:
            raise BlobMissing(key)
        wanted = content[first:end]
        for at in range(0, len(wanted), PIECE_BYTES):
            yield wanted[at : at + PIECE_BYTES]

    @override
    def delete(self, key: str) -> None:
        self.held.pop(key, None)

    @override
    def upload_link(
        self, key: str, *, sha256: bytes, content_type: str | None, valid_s: int
    ) -> UploadLink | None:
        return None

    @override
    def linked(self, key: str) -> BlobFacts | None:
        return None

    @override
    def download_link(
        self,
        key: str,
        *,
        content_type: str | None,
        valid_s: int,
        disposition: str | None = None,
    ) -> str | None:
        return None
