"""Rate limits in an SQLite file of their own, beside the log: they need not outlive a power cut."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from chalicelib.adapters.sqlite.files import BUSY_MS, typed_errors
from chalicelib.engine.rates import Quota, Rate, admit, packed, unpacked

FILE_NAME: Final = "rates.sqlite3"
"""The file in the data directory."""

SWEPT_EVERY: Final = 1000
"""Requests after which callers are forgotten who have not asked for long."""

_LAYOUT: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS rates (
    caller TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL, times BLOB NOT NULL
) WITHOUT ROWID;
"""
_READ: Final = "SELECT times FROM rates WHERE caller = ?"
_WRITE: Final = "INSERT OR REPLACE INTO rates VALUES (?, ?, ?)"
_SWEEP: Final = "DELETE FROM rates WHERE expires_ms <= ?"


class SqliteRates:
    """A row for each caller; every request is one transaction that locks the file."""

    def __init__(self, directory: Path) -> None:
        """Open the file in ``directory``, making it if it is missing.

        Raises:
            StorageCorrupt: It is no such file.
            StorageUnavailable: It cannot be opened.
        """
        self._lock, self._asked = Lock(), 0
        with typed_errors():
            self._connection = sqlite3.connect(
                directory / FILE_NAME,
                timeout=BUSY_MS / 1000,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.executescript(_LAYOUT)

    def take(self, caller: str, rate: Rate, now_ms: float) -> Quota:
        """Grant one request, or refuse it."""
        with self._lock, typed_errors(), self._transaction():
            self._sweep(now_ms)
            with closing(self._connection.execute(_READ, (caller,))) as found:
                row = found.fetchone()
            times, quota = admit(unpacked(row[0]) if row else [], rate, now_ms)
            if quota.is_granted:
                expires_ms = times[-1] + rate.window_ms
                self._connection.execute(_WRITE, (caller, expires_ms, packed(times)))
            return quota

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Lock the file from the beginning, so that nobody counts between reading and writing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _sweep(self, now_ms: float) -> None:
        self._asked += 1
        if self._asked % SWEPT_EVERY == 0:
            self._connection.execute(_SWEEP, (now_ms,))
