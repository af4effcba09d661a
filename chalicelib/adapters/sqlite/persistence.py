"""The log and its rows in one SQLite file: durable, for one process."""

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from chalicelib.adapters.sqlite.files import (
    DirectoryLock,
    Readers,
    open_writer,
    typed_errors,
)
from chalicelib.adapters.sqlite.pending import Answered
from chalicelib.adapters.sqlite.row_reader import RowReader
from chalicelib.adapters.sqlite.writer import Writer
from chalicelib.engine.errors import StorageCorrupt
from chalicelib.engine.gates import Gate, LockGate
from chalicelib.engine.log import (
    Entry,
    IndexKey,
    Row,
    decode_entry,
)
from chalicelib.engine.persistence import (
    Interval,
    Marks,
    Page,
    Tail,
    full_tail,
)

_TRIM: Final = (
    "DELETE FROM log WHERE ts IN (SELECT ts FROM log WHERE ts <= ? ORDER BY ts LIMIT ?)"
)
_FORGET: Final = "DELETE FROM rows WHERE idx = ? AND key = ? AND ts = ?"
_REMOVE: Final = (
    "DELETE FROM rows WHERE idx = ? AND key IN"
    " (SELECT key FROM rows WHERE idx = ? ORDER BY key LIMIT ?)"
)


_NOTHING: Final = Tail(())


class SqlitePersistence:
    """A log of which every answered entry is on the disk, together with its rows.

    Appends that come while the disk is busy are written together, in one transaction with
    their rows and the watermark: so the watermark is always the head, and ``apply`` has
    nothing to do for entries of this log.
    """

    applies_at_once = True

    def __init__(
        self,
        directory: Path,
        *,
        on_commit: Callable[[int], None] | None = None,
        gate: Callable[[], Gate] = LockGate,
    ) -> None:
        """Open the data directory, making what is missing.

        ``on_commit`` is called with the new head after each group, on the writer's thread;
        it must be quick. Appenders wait at what ``gate`` makes.

        Raises:
            StorageLocked: Another process uses the directory.
            StorageCorrupt: The file is damaged or is not one of ours.
            StorageUnavailable: The file cannot be opened.
        """
        self._lock = DirectoryLock(directory)
        try:
            self._connection = open_writer(directory)
            try:
                self._writer = Writer(self._connection, _open_marks(self._connection), gate)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        self.on_commit = on_commit
        self._readers = Readers(directory)
        self._rows = RowReader(self._writer, self._readers)
        self._closed = False

    @property
    def on_commit(self) -> Callable[[int], None] | None:
        """What is called, on the writer's thread, with the new head after each group."""
        return self._writer.on_commit

    @on_commit.setter
    def on_commit(self, hook: Callable[[int], None] | None) -> None:
        self._writer.on_commit = hook

    def close(self) -> None:
        """Finish what was submitted, fold the write-ahead log in, let go of all."""
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._readers.close()
        self._connection.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def append(self, entry: Entry) -> Entry | None:
        """Put ``entry`` at its position if that is free, and apply it.

        Raises:
            StorageFull: The disk is full; nothing was written.
            StorageUnavailable: Nothing was written.
            OutcomeUnknown: The disk failed at the commit. Repeating the append tells.
        """
        return self.submit(entry)()

    def submit(self, entry: Entry) -> Answered:
        """Begin an append; return what waits for its answer.

        A position is decided at once, so that the next entry may be submitted behind one
        that is not yet durable; answers come in order. If an entry cannot be written, those
        submitted behind it are not either.
        """
        self._writer.below_horizon(entry.ts - 1)
        answered = self._writer.submit(entry)
        return answered or (lambda: self._at(entry.ts))

    def under_way(self) -> tuple[Entry, ...]:
        """The entries that are not durable yet."""
        return self._writer.under_way

    def settle(self, ts: int) -> None:
        """Wait for the entry at ``ts``."""
        self._writer.settle(ts)

    def _at(self, ts: int) -> Entry:
        return self.tail(ts - 1, 1).entries[0]

    def tail(self, after: int, limit: int = 1000) -> Tail:
        """Read the entries that follow ``after``: from memory, if near the head."""
        writer = self._writer
        writer.below_horizon(after)
        head = writer.head
        if after >= head:
            return _NOTHING
        span = range(after + 1, min(head, after + limit) + 1)
        try:
            return full_tail(writer.recent.span(span), limit)
        except KeyError:
            return self._tail_of_file(span, limit)

    def _tail_of_file(self, span: range, limit: int) -> Tail:
        with self._readers.borrow() as connection:
            cursor = connection.execute(
                "SELECT ts, entry FROM log WHERE ts BETWEEN ? AND ? ORDER BY ts",
                (span[0], span[-1]),
            )
            found = full_tail(_without_gap(span[0], cursor), limit)
            cursor.close()
        if not found.more and len(found.entries) < len(span):
            # Trimmed while it was read: the horizon was raised before.
            self._writer.below_horizon(span[0] - 1 + len(found.entries))
        return found

    def marks(self) -> Marks:
        """Read the watermark, which is the head, and the horizon."""
        return Marks(self._writer.applied, self._writer.horizon)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write rows where they are newer; those of appended entries are there already."""
        recent = self._writer.recent
        missing = [entry for entry in entries if recent.get(entry.ts) is not entry]
        if missing:
            self._writer.apply(missing)

    def advance(self, expected: int, applied: int) -> bool:
        """Tell whether the watermark is where it should go: it moves with the log alone."""
        return self._writer.applied == expected and applied == expected

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        return self._rows.scan(interval, reverse=reverse, limit=limit)

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        return self._rows.get(index, key)

    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        """Read rows."""
        return [self._rows.get(*key) for key in keys]

    def raise_horizon(self, horizon: int) -> None:
        """Declare what may be trimmed."""
        self._writer.keep_house(
            lambda connection: connection.execute(
                "UPDATE marks SET horizon = max(horizon, ?)", (horizon,)
            )
        )
        self._writer.horizon = max(self._writer.horizon, horizon)

    def trim(self, limit: int) -> int:
        """Remove the oldest entries up to the horizon."""
        return self._change(_TRIM, (self._writer.horizon, limit))

    def forget(self, rows: Sequence[Row]) -> None:
        """Remove rows that are still of the given ts."""
        gone = [(row.index, row.key, row.ts) for row in rows]
        self._writer.keep_house(
            lambda connection: connection.executemany(_FORGET, gone), rows
        )

    def remove_index(self, index: int, limit: int) -> int:
        """Remove some rows of an index."""
        try:
            return self._change(_REMOVE, (index, index, limit))
        finally:
            self._writer.cache.clear()

    def sweep(self, cursor: str, limit: int) -> str:  # noqa: ARG002 - the port's
        """Find nothing: entries and rows of any size are one value here."""
        return ""

    def notes(self) -> bytes:
        """Read the housekeeper's notes."""
        with self._readers.borrow() as connection:
            found: bytes = connection.execute("SELECT notes FROM marks").fetchone()[0]
        return found

    def keep_notes(self, notes: bytes) -> None:
        """Keep the housekeeper's notes."""
        self._change("UPDATE marks SET notes = ?", (notes,))

    def _change(self, statement: str, values: tuple[int | bytes, ...]) -> int:
        """Do one statement in a transaction of its own; return how many rows it changed."""
        changed: list[int] = []

        def work(connection: sqlite3.Connection) -> None:
            changed.append(connection.execute(statement, values).rowcount)

        self._writer.keep_house(work)
        return changed[0]


def _without_gap(first: int, stored: Iterable[tuple[int, bytes]]) -> Iterator[Entry]:
    """The entries from ``first`` on, up to the first position that is missing."""
    for position, (ts, data) in enumerate(stored, first):
        if ts != position:
            return
        yield _decoded(ts, data)


def _decoded(ts: int, data: bytes) -> Entry:
    try:
        return decode_entry(data)
    except (msgspec.DecodeError, zlib.error) as error:
        raise StorageCorrupt(f"the entry at {ts} cannot be read: {error}") from error


def _open_marks(connection: sqlite3.Connection) -> Marks:
    """Read where the log ends.

    Raises:
        StorageCorrupt: The log and its watermark do not agree.
    """
    with typed_errors():
        marks = Marks(*connection.execute("SELECT applied, horizon FROM marks").fetchone())
        last = connection.execute("SELECT max(ts) FROM log").fetchone()[0]
        if (marks.horizon if last is None else last) != marks.applied:
            raise StorageCorrupt(
                f"the log ends at {last}, the watermark at {marks.applied}: use a backup"
            )
    return marks
