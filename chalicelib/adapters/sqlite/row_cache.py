"""Rows in memory: what was read lately, kept as the file has it.

A read of the file lets other threads run several times over, and each of them keeps the reader
waiting for its turn: under load that costs far more than the read itself.
"""

from collections.abc import Iterable
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from chalicelib.engine.log import REQUESTS_INDEX, Row, session_part
from chalicelib.engine.persistence import Interval, Page

KEPT_BYTES: Final = 64 << 20
"""Memory that the rows take at most, roughly, in bytes."""

KEPT_ROW_BYTES: Final = 64 << 10
"""Rows, and ranges, from this size on are not kept: a few would drive all others out."""

KEPT_LENGTHS: Final = 32
"""Most lengths of a prefix for which ranges of one index are kept: each write tries them all."""

_ROW_BYTES: Final = 300  # what a row takes besides its image, roughly
BEYOND: Final = b"\xff"
"""Sorts after whatever may follow a prefix of fields."""

V = TypeVar("V")
_Key = tuple[int, bytes]
_Ranges = dict[tuple[bool, int], Page]


class Unknown:
    """Stands for a row that is not in memory; None is one that is not there."""


UNKNOWN: Final = Unknown()


class RowCache:
    """Rows, and ranges of all keys with one prefix.

    Readers take what is here without a lock. It is the state of the file at the last call of
    :meth:`written`, which the writer makes before it shows anybody that the log is longer.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._lock = Lock()
        self.writes = 0
        """Counts changes of the file. A reader notes it before it reads the file."""
        self._rows: _Generations[Row | None] = _Generations(kept_bytes // 2)
        self._ranges: _Generations[_Ranges] = _Generations(kept_bytes // 2)
        self._lengths: dict[int, set[int]] = {}
        self._last_answered: _Generations[bytes] = _Generations(kept_bytes // 8)

    def last_answered(self, session: bytes) -> bytes | None:
        """A key above which no request of a session is in the file; None if that is not known.

        So the file need not be asked for a request that is new, as nearly all of them are.
        """
        found: bytes | None = self._last_answered.get((REQUESTS_INDEX, session))
        return found

    def keep_last_answered(self, session: bytes, key: bytes, writes: int) -> None:
        """Remember the last key of a session in the file, read after ``writes`` was noted."""
        with self._lock:
            if writes == self.writes:
                self._put_last_answered(session, key)

    def _put_last_answered(self, session: bytes, key: bytes) -> None:
        self._last_answered.put((REQUESTS_INDEX, session), key, _ROW_BYTES)

    def row(self, index: int, key: bytes) -> Row | Unknown | None:
        """Return the row at a key, None if there is none, or UNKNOWN."""
        found: Row | Unknown | None = self._rows.get((index, key), UNKNOWN)
        return found

    def page(self, interval: Interval, *, reverse: bool, limit: int) -> Page | None:
        """Return the page that a scan would read, if it is known."""
        if not _is_prefix(interval):
            return None
        known: _Ranges | None = self._ranges.get((interval.index, interval.low))
        return known.get((reverse, limit)) if known is not None else None

    def keep_row(self, index: int, key: bytes, row: Row | None, writes: int) -> None:
        """Remember what was read of the file after ``writes`` was noted."""
        # Each request is looked up once, before it is answered: that is not worth a place.
        size = _size(row)
        if index == REQUESTS_INDEX or size > KEPT_ROW_BYTES:
            return
        with self._lock:
            if writes == self.writes:
                self._rows.put((index, key), row, size)

    def keep_page(
        self, interval: Interval, page: Page, *, reverse: bool, limit: int, writes: int
    ) -> None:
        """Remember a page that was read of the file after ``writes`` was noted."""
        size = _page_size(page)
        if not _is_prefix(interval) or page.resume is not None or size > KEPT_ROW_BYTES:
            return
        with self._lock:
            lengths = self._lengths.setdefault(interval.index, set())
            length = len(interval.low)
            full = len(lengths) >= KEPT_LENGTHS and length not in lengths
            if writes != self.writes or full:
                return
            lengths.add(length)
            key = interval.index, interval.low
            pages = {**(self._ranges.get(key) or {}), (reverse, limit): page}
            self._ranges.put(key, pages, sum(map(_page_size, pages.values())))

    def written(self, rows: Iterable[Row]) -> None:
        """Take in rows that are in the file now, each the newest of its key."""
        with self._lock:
            self.writes += 1
            for row in rows:
                if row.index == REQUESTS_INDEX:
                    self._answered(row.key)
                    continue
                at = row.index, row.key
                if at in self._rows:
                    living = row if row.image is not None else None
                    self._rows.put(at, living, _size(row))
                for length in self._lengths.get(row.index, ()):
                    self._rewrite((row.index, row.key[:length]), row)

    def _answered(self, key: bytes) -> None:
        session = session_part(key)
        last = self.last_answered(session) if session is not None else None
        if session is not None and last is not None and last < key:
            self._put_last_answered(session, key)

    def forget(self, rows: Iterable[Row]) -> None:
        """Forget rows that may have been written, or not: the file knows."""
        with self._lock:
            self.writes += 1
            for row in rows:
                self._rows.drop((row.index, row.key))
                if row.index == REQUESTS_INDEX and (part := session_part(row.key)):
                    self._last_answered.drop((REQUESTS_INDEX, part))
                for length in self._lengths.get(row.index, ()):
                    self._ranges.drop((row.index, row.key[:length]))

    def clear(self) -> None:
        """Forget all: something else was written, or may have been."""
        with self._lock:
            self.writes += 1
            self._rows.clear()
            self._ranges.clear()
            self._lengths.clear()
            self._last_answered.clear()

    def _rewrite(self, prefix: _Key, row: Row) -> None:
        known = self._ranges.get(prefix)
        if known is None:
            return
        pages = {how: _with(page, row) for how, page in known.items()}
        kept = {how: page for how, page in pages.items() if page is not None}
        self._ranges.put(prefix, kept, sum(map(_page_size, kept.values())))


class _Generations(Generic[V]):
    """A young and an old dict: when the young one is full it becomes the old one.

    What was put again meanwhile is young again; what is only read is dropped after a while, and
    comes back with the next read. So readers need no lock; everything else is done under the
    lock of the owner.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes // 2
        self._young: dict[_Key, V] = {}
        self._old: dict[_Key, V] = {}
        self._sizes: dict[_Key, int] = {}
        self._bytes = 0

    def __contains__(self, key: _Key) -> bool:
        return key in self._young or key in self._old

    def get(self, key: _Key, default: Any = None) -> Any:
        """Return what is held at a key."""
        found = self._young.get(key, default)
        return found if found is not default else self._old.get(key, default)

    def put(self, key: _Key, value: V, size: int) -> None:
        """Hold a value, in the place of an earlier one."""
        self._young[key] = value
        self._bytes += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        # After it is in the young one: a reader finds one or the other.
        self._old.pop(key, None)
        if self._bytes > self._most_bytes:
            self._old, self._young, self._sizes, self._bytes = self._young, {}, {}, 0

    def drop(self, key: _Key) -> None:
        """Hold nothing at a key."""
        self._bytes -= self._sizes.pop(key, 0)
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        """Hold nothing."""
        self._young, self._old, self._sizes, self._bytes = {}, {}, {}, 0


def _is_prefix(interval: Interval) -> bool:
    """Tell whether an interval holds the keys that begin with its lower end, and no others."""
    return bool(interval.low) and interval.high == interval.low + BEYOND


def _with(page: Page, row: Row) -> Page | None:
    """The page after a row of its interval was written; None if it must be read anew."""
    place = next((n for n, held in enumerate(page.rows) if held.key == row.key), None)
    if place is None:
        return page if row.image is None else None
    if row.image is None:
        return None
    return Page((*page.rows[:place], row, *page.rows[place + 1 :]), None)


def _size(row: Row | None) -> int:
    return _ROW_BYTES + (len(row.image or b"") if row is not None else 0)


def _page_size(page: Page) -> int:
    return _ROW_BYTES + sum(map(_size, page.rows))
