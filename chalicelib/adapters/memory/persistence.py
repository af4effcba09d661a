"""The log and its rows in memory: the reference implementation, written to be read."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from threading import RLock

from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import ORIGIN, Entry, IndexKey, Row, newest_rows
from chalicelib.engine.persistence import (
    PAGE_BYTES,
    Interval,
    Marks,
    Page,
    Tail,
    full_tail,
)


class MemoryPersistence:
    """A log as a list, rows as a dict beside a sorted list of keys for each index."""

    applies_at_once = False

    def __init__(
        self, origin: int = ORIGIN, *, on_commit: Callable[[int], None] | None = None
    ) -> None:
        """Begin an empty log; ``on_commit`` is called with the new head after each entry."""
        self._on_commit = on_commit
        self._origin = self._applied = self._horizon = origin
        self._notes = b""
        self._log: list[Entry] = []
        self._rows: dict[tuple[int, bytes], Row] = {}
        self._keys: dict[int, list[bytes]] = {}
        self._lock = RLock()

    def append(self, entry: Entry) -> Entry | None:
        """Put ``entry`` at its position if that is free."""
        with self._lock:
            place = entry.ts - self._origin - 1
            if place < 0:
                raise BelowHorizon(f"no entry can be put at {entry.ts}")
            if place < len(self._log):
                return self._log[place]
            if place > len(self._log):
                raise AssertionError("an entry was put beyond the end of the log")
            self._log.append(entry)
        if self._on_commit is not None:
            self._on_commit(entry.ts)
        return None

    def tail(self, after: int, limit: int = 1000) -> Tail:
        """Read the entries that follow ``after``."""
        with self._lock:
            if after < self._horizon:
                raise BelowHorizon(f"the log is kept from {self._horizon} on, not {after}")
            first = after - self._origin
            return full_tail(self._log[first : first + limit], limit)

    def marks(self) -> Marks:
        """Read the watermark and the horizon."""
        return Marks(self._applied, self._horizon)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write the rows of ``entries`` where they are newer."""
        for row in newest_rows(entries):
            with self._lock:
                self._write(row)

    def _write(self, row: Row) -> None:
        held = self._rows.get((row.index, row.key))
        if held is not None and held.ts >= row.ts:
            return
        if held is None:
            insort(self._keys.setdefault(row.index, []), row.key)
        self._rows[row.index, row.key] = row

    def advance(self, expected: int, applied: int) -> bool:
        """Move the watermark if it stands at ``expected``."""
        with self._lock:
            if self._applied != expected:
                return False
            self._applied = applied
            return True

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        with self._lock:
            keys = self._keys.get(interval.index, [])
            start = bisect_left(keys, interval.low)
            stop = len(keys) if interval.high is None else bisect_left(keys, interval.high)
            span = range(stop - 1, start - 1, -1) if reverse else range(start, stop)
            found: list[Row] = []
            left = PAGE_BYTES
            for place in span:
                if left <= 0 or len(found) == limit:
                    return Page(tuple(found), keys[place + 1] if reverse else keys[place])
                row = self._rows[interval.index, keys[place]]
                if row.image is not None:
                    left -= len(row.image)
                    found.append(row)
            return Page(tuple(found), None)

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        row = self._rows.get((index, key))
        return row if row is not None and row.image is not None else None

    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        """Read rows."""
        return [self.get(*key) for key in keys]

    def raise_horizon(self, horizon: int) -> None:
        """Declare what may be trimmed."""
        with self._lock:
            self._horizon = max(self._horizon, horizon)

    def trim(self, limit: int) -> int:
        """Remove the oldest entries up to the horizon."""
        with self._lock:
            count = min(limit, self._horizon - self._origin, len(self._log))
            del self._log[:count]
            self._origin += count
            return count

    def forget(self, rows: Sequence[Row]) -> None:
        """Remove rows that are still of the given ts."""
        for row in rows:
            with self._lock:
                held = self._rows.get((row.index, row.key))
                if held is not None and held.ts == row.ts:
                    self._remove(row.index, row.key)

    def remove_index(self, index: int, limit: int) -> int:
        """Remove some rows of an index."""
        with self._lock:
            keys = self._keys.get(index, [])[:limit]
            for key in keys:
                self._remove(index, key)
            return len(keys)

    def _remove(self, index: int, key: bytes) -> None:
        del self._rows[index, key]
        keys = self._keys[index]
        del keys[bisect_left(keys, key)]

    def sweep(self, cursor: str, limit: int) -> str:  # noqa: ARG002 - the port's
        """Find nothing: entries and rows are never parted here."""
        return ""

    def notes(self) -> bytes:
        """Read the housekeeper's notes."""
        return self._notes

    def keep_notes(self, notes: bytes) -> None:
        """Keep the housekeeper's notes."""
        self._notes = notes
