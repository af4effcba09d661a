"""Group commit: one thread writes what many append, with one sync of the disk."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final

from chalicelib.adapters.sqlite.files import typed
from chalicelib.adapters.sqlite.pending import Answered, Pending
from chalicelib.adapters.sqlite.recent import Recent
from chalicelib.adapters.sqlite.row_cache import RowCache
from chalicelib.adapters.sqlite.statements import put_entries, put_rows
from chalicelib.adapters.sqlite.tombstones import Tombstones
from chalicelib.engine.errors import (
    BelowHorizon,
    EngineError,
    OutcomeUnknown,
    StorageFull,
    StorageUnavailable,
)
from chalicelib.engine.gates import Gate
from chalicelib.engine.log import Entry, Row, encode_entry, newest_rows
from chalicelib.engine.persistence import Marks

GROUP_ENTRIES: Final = 512
"""Most entries that are committed together."""

GROUP_BYTES: Final = 8 << 20
"""A group is closed when its entries reach this, in encoded bytes."""

_logger = logging.getLogger(__name__)


class Writer:
    """The head of the log: decides who gets a position, and writes in groups.

    ``head`` and ``recent`` hold only what is durable, ``under_way`` what follows. They are
    read without the lock: an entry is in ``recent`` before ``head`` shows it.

    The rows of an entry are there before ``head`` shows it, since one transaction writes both.
    A query that saw some of them, and then looked for entries after its snapshot, would find
    none, and take its reading for whole. So who has read rows waits for the head to show what
    they may have shown: ``committing`` is the last entry that the file may hold, ``in_cache``
    the last one that the rows in memory may hold.
    """

    def __init__(
        self, connection: sqlite3.Connection, marks: Marks, gate: Callable[[], Gate]
    ) -> None:
        self.head = self.applied = self.committing = self.in_cache = marks.applied
        self.horizon = marks.horizon
        self.recent = Recent()
        self.under_way: tuple[Entry, ...] = ()
        """The entries that have a position and are not durable yet, in order."""
        self.on_commit: Callable[[int], None] | None = None
        self._connection = connection
        self._tombstones = Tombstones(time.monotonic(), marks.applied)
        self._gate = gate
        self.cache = RowCache()
        self._pending: dict[int, Pending] = {}
        self._lock = Lock()
        self._file = Lock()
        self._queue: SimpleQueue[Pending | None] = SimpleQueue()
        self._closed = False
        self._unsettled = False
        self._thread = Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, entry: Entry) -> Answered | None:
        """Give ``entry`` its position, behind those that are under way; do not wait.

        Returns:
            What to call for the answer; None if a durable entry holds the position.
        """
        if entry.ts <= self.head:
            return None
        rival = self._pending.get(entry.ts)
        if rival is not None:
            return rival.lost
        data = encode_entry(entry)
        with self._lock:
            if entry.ts <= self.head:
                return None
            rival = self._pending.get(entry.ts)
            if rival is not None:
                return rival.lost
            if self._closed:
                raise StorageUnavailable("the store was closed")
            if entry.ts != self.head + len(self._pending) + 1:
                raise AssertionError("an entry was put beyond the end of the log")
            mine = self._pending[entry.ts] = Pending(entry, data, self._gate)
            self.under_way = (*self.under_way, entry)
            self._queue.put(mine)
        return mine.won

    def settle(self, ts: int) -> None:
        """Return when the entry under way at ``ts`` is durable, or has failed."""
        pending = self._pending.get(ts)
        if pending is not None:
            with suppress(EngineError):
                pending.settled()

    def await_head(self, ts: int) -> None:
        """Return once the head shows the entry at ``ts``, which is durable."""
        if ts > self.head:
            with self._lock:  # or it could be gone from there, and not in the head yet
                pending = self._pending.get(ts)
            if pending is not None:
                with suppress(EngineError):
                    pending.settled()

    def transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do ``work`` in a transaction of its own; all rows in memory are forgotten.

        Raises:
            StorageFull, StorageUnavailable, StorageCorrupt: Nothing was written.
            OutcomeUnknown: The transaction may have been committed.
        """
        try:
            self._transact(work)
        finally:
            self.cache.clear()

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write the rows of entries, each if the row there is older."""
        rows = newest_rows(entries)
        try:
            self._transact(lambda connection: put_rows(connection, rows))
        finally:
            self.cache.forget(rows)

    def keep_house(
        self, work: Callable[[sqlite3.Connection], object], rows: Sequence[Row] = ()
    ) -> None:
        """Do ``work`` that changes no rows but these; raises as :meth:`transact`."""
        try:
            self._transact(work)
        finally:
            self.cache.forget(rows)

    def _transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with self._file:
            committing = False
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                work(self._connection)
                committing = True
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                raise self._judge(error, committing=committing) from error
            except BaseException:
                self._roll_back()
                raise
            self._unsettled = False

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                _logger.exception("a transaction could not be rolled back")

    def _judge(self, error: sqlite3.Error, *, committing: bool) -> EngineError:
        """Tell whether a failed transaction is surely not in the file.

        The last frame of a transaction commits it, so a disk that was full before it had
        that frame is certain. A failed sync is not: after a crash the frames may turn out
        to be there. The doubt ends with the next commit, which overwrites them.
        """
        known = typed(error)
        if committing and not isinstance(known, StorageFull):
            self._unsettled = True
        if self._unsettled:
            return OutcomeUnknown(str(known))
        return known

    def close(self) -> None:
        """Write what was submitted, then stop. Later submissions are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group, stop = self._gather(first)
            self._commit(group)
            if stop:
                return

    def _gather(self, first: Pending) -> tuple[list[Pending], bool]:
        group, size = [first], len(first.data)
        while len(group) < GROUP_ENTRIES and size < GROUP_BYTES:
            try:
                following = self._queue.get_nowait()
            except Empty:
                break
            if following is None:
                return group, True
            group.append(following)
            size += len(following.data)
        return group, False

    def _commit(self, group: Sequence[Pending]) -> None:
        try:
            rows = newest_rows([pending.entry for pending in group])
            self.committing = group[-1].entry.ts
            self._transact(lambda connection: self._write(connection, group, rows))
        except EngineError as error:
            self._fail(group, error)
        except Exception as error:
            _logger.exception("a group of %d entries could not be written", len(group))
            self._fail(group, StorageUnavailable(str(error)))
        else:
            self._publish(group, rows)

    def _write(
        self,
        connection: sqlite3.Connection,
        group: Sequence[Pending],
        rows: Sequence[Row],
    ) -> None:
        put_entries(connection, [(put.entry.ts, put.data) for put in group])
        put_rows(connection, rows)
        connection.execute("UPDATE marks SET applied = ?", (group[-1].entry.ts,))
        until = self._tombstones.ripe(time.monotonic(), self.head)
        if until is not None:
            self._tombstones.drop(connection, until)

    def _publish(self, group: Sequence[Pending], rows: Sequence[Row]) -> None:
        last = group[-1].entry.ts
        # Before the head moves: who sees it there reads rows that are at least as new.
        self.in_cache = last
        self.cache.written(rows)
        with self._lock:
            for pending in group:
                self.recent.keep(pending.entry)
                del self._pending[pending.entry.ts]
            self.head = self.applied = last
            # Afterwards: who misses an entry here, and looks at the head then, finds it there.
            self.under_way = self.under_way[len(group) :]
        for pending in group:
            pending.end()
        if self.on_commit is not None:
            try:
                self.on_commit(last)
            except Exception:
                # The entries are durable and answered: a broken hook must not stop the log.
                _logger.exception("the hook that is called after commits failed")

    def _fail(self, group: Sequence[Pending], error: EngineError) -> None:
        """Refuse ``group``, and all that was submitted behind it: their place is gone.

        Readers have seen nothing of it: SQLite shows them the frames of a commit when they are
        synced, and not before.
        """
        self.cache.clear()  # what is in the file is not known for certain
        with self._lock:
            behind = list(self._pending.values())[len(group) :]
            self._pending.clear()
            self.under_way = ()
            kept_stop = self._drain()
        for pending in group:
            pending.end(error)
        for pending in behind:
            pending.end(StorageUnavailable("an entry before this one was not written"))
        if kept_stop:
            self._queue.put(None)

    def _drain(self) -> bool:
        stop = False
        while True:
            try:
                stop = self._queue.get_nowait() is None or stop
            except Empty:
                return stop

    def below_horizon(self, ts: int) -> None:
        """Refuse a position of which nothing can be said.

        Raises:
            BelowHorizon: Entries after ``ts`` may have been trimmed.
        """
        if ts < self.horizon:
            raise BelowHorizon(f"the log is kept from {self.horizon} on, not {ts}")
