"""Keys in a file of the data directory: what stands in for KMS on one machine.

A line is ``<name> <key in hex>``; the last is the newest, and the others open what they have
sealed. The file is made when it is first used, readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from typing_extensions import override

from chalicelib.adapters.envelope import KEY_BYTES, EnvelopeBox, HeldKeys
from chalicelib.engine.errors import SecretsUnavailable

FILE_NAME: Final = "secret_keys"
"""The file, in the data directory."""

_OWNER_ONLY: Final = 0o600
_OTHERS: Final = 0o077
_NAME_BYTES: Final = 8


class KeyFile(HeldKeys):
    """The keys of one file, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        super().__init__({})
        self._path, self._lock = path, Lock()
        self._read_at: tuple[int, int] | None = None

    @override
    def masters(self) -> Mapping[str, bytes]:
        """Read the keys; make the first if there is none.

        Raises:
            SecretsUnavailable: the file cannot be read, or is none of keys.
        """
        with self._lock:
            try:
                if not self._path.exists():
                    self._add_first()
                self._read()
            except OSError as error:
                raise SecretsUnavailable(f"{self._path}: {error.strerror}") from error
            return self._masters

    def add(self) -> str:
        """Add a key, which seals from now on; return its name.

        Raises:
            SecretsUnavailable: the file cannot be read or written, or is none of keys.
        """
        self.masters()
        with self._held():
            return self._append()

    def _add_first(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._held():
            if not self._path.exists():
                self._append()

    def _append(self) -> str:
        """Write beside and move: nobody ever reads half a key, not even after a crash."""
        name = os.urandom(_NAME_BYTES).hex()
        before = self._path.read_bytes() if self._path.exists() else b""
        beside = self._path.with_name(f".{self._path.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(before + f"{name} {os.urandom(KEY_BYTES).hex()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        return name

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Be the only process that changes the file."""
        with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> None:
        found = self._path.stat()
        if found.st_mode & _OTHERS:
            self._path.chmod(_OWNER_ONLY)  # a copy may have opened it to others
        if (found.st_mtime_ns, found.st_ino) == self._read_at:
            return
        self._masters = dict(map(self._key_of, self._path.read_text().splitlines()))
        self._read_at = found.st_mtime_ns, found.st_ino

    def _key_of(self, line: str) -> tuple[str, bytes]:
        name, _, text = line.partition(" ")
        try:
            key = bytes.fromhex(text)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise SecretsUnavailable(f"{self._path} has a line that is no key")
        return name, key


def key_file(directory: Path) -> KeyFile:
    """The keys of a data directory."""
    return KeyFile(directory / FILE_NAME)


def key_file_secrets(directory: Path) -> EnvelopeBox:
    """A box that seals with the keys of a data directory."""
    return EnvelopeBox(key_file(directory))
