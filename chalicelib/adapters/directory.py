"""Blobs as files of a directory."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from typing_extensions import override

from chalicelib.engine.blobs import PIECE_BYTES, BlobFacts, BlobStore, UploadLink
from chalicelib.engine.errors import BlobMissing, StorageFull, StorageUnavailable

_SHARD_CHARS: Final = 2
"""Characters of a key that name its directory: 256 of them keep each one short."""

_INCOMING: Final = "incoming"
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DirectoryBlobs(BlobStore):
    """Blobs under one directory, which is made when the first one comes.

    A blob is written beside its place, brought to the disk, and moved there: whatever stops
    the process or the machine, a blob is there whole or not at all.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @override
    def put(
        self, key: str, chunks: Iterable[bytes], *, content_type: str | None
    ) -> BlobFacts:
        incoming, place = self._incoming(key), self._place(key)
        try:
            with _typed_errors():
                for directory in (incoming.parent, place.parent):
                    directory.mkdir(parents=True, exist_ok=True)
            with _created(incoming) as file:
                facts = _written(file, chunks)
            with _typed_errors():
                incoming.replace(place)
                _bring_to_disk(place.parent)
                _bring_to_disk(self._directory)
        except BaseException:
            with suppress(OSError):
                incoming.unlink(missing_ok=True)
            raise
        return facts

    @override
    def get(self, key: str, first: int = 0, end: int | None = None) -> Iterator[bytes]:
        try:
            file = self._place(key).open("rb")
        except FileNotFoundError:
            raise BlobMissing(key) from None
        except OSError as error:
            raise _unavailable(error) from error
        with file, _typed_errors():
            file.seek(first)
            left = None if end is None else end - first
            while piece := file.read(
                PIECE_BYTES if left is None else min(PIECE_BYTES, left)
            ):
                left = None if left is None else left - len(piece)
                yield piece

    @override
    def delete(self, key: str) -> None:
        with _typed_errors():
            for path in (self._incoming(key), self._place(key)):
                path.unlink(missing_ok=True)

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

    def _place(self, key: str) -> Path:
        return self._directory / key[:_SHARD_CHARS] / key

    def _incoming(self, key: str) -> Path:
        return self._directory / _INCOMING / key


@contextmanager
def _created(path: Path) -> Iterator[IO[bytes]]:
    """Give a new file that its owner alone may read."""
    with _typed_errors():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        yield file


def _written(file: IO[bytes], chunks: Iterable[bytes]) -> BlobFacts:
    size, digest = 0, sha256()
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        with _typed_errors():
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
    with _typed_errors():
        os.fsync(file.fileno())
    return BlobFacts(size, digest.digest())


def _bring_to_disk(directory: Path) -> None:
    """Make the names in a directory durable; those of files are not by their own fsync."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Raise what the system raises as errors of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise StorageFull(
                "the disk of the data directory is full: make room, try again"
            ) from error
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"a file's bytes cannot be reached: {error}")
