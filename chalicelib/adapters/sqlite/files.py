"""The data directory: its lock, its connections, and what SQLite's errors mean to us."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from chalicelib.engine.errors import (
    EngineError,
    StorageCorrupt,
    StorageFull,
    StorageLocked,
    StorageUnavailable,
)
from chalicelib.engine.log import ORIGIN

DATABASE_NAME: Final = "log.sqlite3"
"""The file, in the data directory, that holds the log and the rows."""

BUSY_MS: Final = 5_000
"""How long a statement waits for somebody's ``sqlite3`` shell, in milliseconds."""

_LOCK_NAME: Final = "lock"
_APPLICATION_ID: Final = 0x47454F46
_FORMAT: Final = 2

_LAYOUT: Final = f"""
BEGIN;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_FORMAT};
CREATE TABLE log (ts INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE rows (
    idx INTEGER NOT NULL, key BLOB NOT NULL, ts INTEGER NOT NULL,
    id BLOB NOT NULL, image BLOB,
    PRIMARY KEY (idx, key)
) WITHOUT ROWID;
CREATE INDEX tombstones ON rows (ts) WHERE image IS NULL;
CREATE TABLE marks (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    applied INTEGER NOT NULL, horizon INTEGER NOT NULL, notes BLOB NOT NULL DEFAULT x''
);
INSERT INTO marks VALUES (1, {ORIGIN}, {ORIGIN}, x'');
COMMIT;
"""  # noqa: S608 - numbers of our own


_FROM_FORMAT_1: Final = """
BEGIN;
ALTER TABLE marks ADD COLUMN notes BLOB NOT NULL DEFAULT x'';
PRAGMA user_version = 2;
COMMIT;
"""


class DirectoryLock:
    """The right to be the one process that uses a data directory.

    The system gives it back when the process ends, however it ends.
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock, making the directory if it is missing.

        Raises:
            StorageLocked: Another process, or another store of this one, has it.
            StorageUnavailable: The directory cannot be made or written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = os.open(directory / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StorageUnavailable(
                f"the data directory cannot be used: {error}"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode() or "unknown"
            os.close(self._file)
            raise StorageLocked(
                f"process {holder} is using {directory}: stop it, or give this one another"
                " data directory"
            ) from None
        os.truncate(self._file, 0)
        os.write(self._file, str(os.getpid()).encode())

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two hold 'the' lock."""
        os.close(self._file)


@contextmanager
def typed_errors() -> Iterator[None]:
    """Raise what SQLite raises as errors of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise typed(error) from error


def typed(error: sqlite3.Error) -> EngineError:
    """Return our error for one of SQLite's."""
    # Extended codes keep the kind of error in their low byte.
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StorageFull(
                "the disk of the data directory is full: make room, try again"
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StorageCorrupt(
                f"the data file is damaged ({error}): stop, keep a copy, restore a backup"
            )
        case _:
            return StorageUnavailable(f"the data file cannot be used: {error}")


def open_writer(directory: Path) -> sqlite3.Connection:
    """Open the file for writing, making it if there is none.

    Raises:
        StorageCorrupt: The file is damaged, or is not one of ours.
        StorageUnavailable: The file cannot be opened.
    """
    with typed_errors():
        connection = sqlite3.connect(
            directory / DATABASE_NAME,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not empty and found != _APPLICATION_ID:
        raise StorageCorrupt("the data file was made by another program")
    # An answered commit must outlive a loss of power: each syncs the write-ahead log.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    # In pages. Fewer checkpoints: each syncs the main file while commits wait.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    if empty:
        connection.executescript(_LAYOUT)
    held = connection.execute("PRAGMA user_version").fetchone()[0]
    if held == 1:
        connection.executescript(_FROM_FORMAT_1)
        held = _FORMAT
    if held != _FORMAT:
        raise StorageCorrupt(
            f"the data file has format {held}, this program reads {_FORMAT}"
        )


class Readers:
    """Read-only connections: each is used by one thread at a time, then by the next."""

    def __init__(self, directory: Path) -> None:
        self._address = f"{(directory / DATABASE_NAME).absolute().as_uri()}?mode=ro"
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    def borrow(self) -> "_Loan":
        """Lend a connection for the block of a ``with``.

        Raises:
            StorageUnavailable: The store was closed, or SQLite failed in the block.
        """
        return _Loan(self)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Take back what was lent."""
        if self._closed:
            connection.close()
        else:
            self._idle.append(connection)

    def take(self) -> sqlite3.Connection:
        """Lend a connection that is given back by hand.

        Raises:
            StorageUnavailable: The store was closed.
        """
        if self._closed:
            raise StorageUnavailable("the store was closed")
        try:
            return self._idle.pop()
        except IndexError:
            return sqlite3.connect(
                self._address,
                uri=True,
                timeout=BUSY_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
            )

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they are given back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class _Loan:
    """A connection for one block: a class, since every read of the file goes through it."""

    __slots__ = ("_connection", "_readers")

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def __enter__(self) -> sqlite3.Connection:
        with typed_errors():
            self._connection = self._readers.take()
        return self._connection

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._readers.give_back(self._connection)
        if isinstance(error, sqlite3.Error):
            raise typed(error) from error
