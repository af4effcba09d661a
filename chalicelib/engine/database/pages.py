"""Pagination: a page is an interval of an index, from one cursor to another.

A page that is read again, since its documents changed or its client came back, ends where it
ended before: its journal says where. So the pages of a list stay joined, without gap or double,
while each of them grows and shrinks.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final, TypeVar

import msgspec

from chalicelib.engine.errors import InvalidCursor, PaginationRefused
from chalicelib.engine.limits import (
    MAX_ARRAY_ITEMS,
    MAX_BYTES_READ,
    MAX_DOCUMENTS_READ,
    MAX_PAGE_ITEMS,
)
from chalicelib.engine.ports import CursorSeal
from chalicelib.engine.schema import Page, PageStatus, PaginationOptions

D = TypeVar("D")

Bounds = tuple[bytes, bytes | None]
"""Full keys ``low <= key < high``."""

SPLIT_RATIO: Final = 0.75
"""Share of what a page may hold or read from which it should be asked for in two."""

_FINGERPRINT_BYTES: Final = 8
_END, _AFTER = b"\x00", b"\x01"


class Place(msgspec.Struct, frozen=True):
    """A place in a query: after the document with this full key; None is the very end."""

    key: bytes | None


class Read(msgspec.Struct, frozen=True):
    """A document that a page has read; ``item`` is None if it is not shown.

    ``key`` is its full key, ``size`` that of its image in bytes. One that is ``hidden`` is
    none that its reader may see: nothing of the page tells that it was there.
    """

    key: bytes
    size: int
    item: Any
    hidden: bool = False


class Source(msgspec.Struct, frozen=True):
    """A query that is read by pages.

    ``read`` gives the documents within bounds, and is told how many will be asked for at
    least. ``identity`` names the query: table, index, range.
    """

    identity: bytes
    bounds: Bounds
    reverse: bool
    read: Callable[[Bounds, int | None], Iterator[Read]]


class Pages:
    """What one run has to do with pages: it may read one. ``journal`` is where that ended."""

    def __init__(self, seal: CursorSeal, journal: str | None) -> None:
        self._seal, self._given = seal, journal
        self.journal: str | None = None
        self._began = False

    def read(
        self, source: Source, wanted: PaginationOptions, *, rows: int, size: int
    ) -> Page[Any]:
        """Read a page; it ends early before ``rows`` documents or ``size`` bytes are read.

        Raises:
            PaginationRefused: the page is too long or too short, or the second of the run.
            InvalidCursor: a cursor is from another query.
        """
        self._begin(wanted.num_items)
        mark = _fingerprint(source)
        start = self._opened(wanted.cursor, mark)
        end = self._end(wanted, mark)
        limits = _Limits(
            _least(wanted.maximum_rows_read, rows, MAX_DOCUMENTS_READ),
            _least(wanted.maximum_bytes_read, size, MAX_BYTES_READ),
            _least(None, rows, MAX_DOCUMENTS_READ),
            _least(None, size, MAX_BYTES_READ),
        )
        if start is not None and start.key is None:
            reading = _Reading(Place(None))
        else:
            bounds = _between(source, start, end)
            reading = _read(source, bounds, end, wanted.num_items, limits)
        self.journal = self._sealed(reading.end, mark)
        middle = reading.middle
        return Page(
            page=reading.items,
            is_done=reading.end.key is None,
            continue_cursor=self.journal,
            split_cursor=self._sealed(Place(middle), mark) if middle is not None else None,
            page_status=reading.status,
        )

    def _begin(self, count: int) -> None:
        if self._began:
            raise PaginationRefused(
                "MultiplePaginatedDatabaseQueries",
                "This query or mutation function ran multiple paginated queries. Only a single"
                " paginated query is supported in each function.",
            )
        self._began = True
        if count < 1:
            raise PaginationRefused(
                "NoDocumentsForPagination",
                "Must request at least one document while paginating: numItems is 1 or more.",
            )
        if count > MAX_PAGE_ITEMS:
            raise PaginationRefused(
                "PageSizeTooLarge", f"numItems is {count}, the most is {MAX_PAGE_ITEMS}."
            )

    def _end(self, wanted: PaginationOptions, mark: bytes) -> Place | None:
        if isinstance(wanted.end_cursor, str):
            return self._opened(wanted.end_cursor, mark)
        try:
            return self._opened(self._given, mark)
        except InvalidCursor:
            return (
                None  # of the code before this one, or of arguments that it read otherwise
            )

    def _opened(self, cursor: str | None, mark: bytes) -> Place | None:
        if cursor is None:
            return None
        plain = self._seal.open(cursor)
        found, place = plain[:_FINGERPRINT_BYTES], plain[_FINGERPRINT_BYTES:]
        if found != mark or place[:1] not in (_END, _AFTER):
            raise InvalidCursor
        return Place(place[1:] if place[:1] == _AFTER else None)

    def _sealed(self, place: Place, mark: bytes) -> str:
        text = _END if place.key is None else _AFTER + place.key
        return self._seal.seal(mark + text)


class _Limits(msgspec.Struct, frozen=True):
    """What a page may read: of what is seen, as its reader wants it; and of all there is."""

    rows: int
    size: int
    all_rows: int
    all_size: int


class _Reading(msgspec.Struct):
    """What was read of a page, and where it ends: what may be seen, and all together."""

    end: Place
    items: list[Any] = []
    keys: list[bytes] = []
    all_keys: list[bytes] = []
    size: int = 0
    all_size: int = 0
    status: PageStatus | None = None
    is_spent: bool = False

    @property
    def middle(self) -> bytes | None:
        """The key in the middle of what was read; of what is hidden, only if it is very much."""
        keys = self.all_keys if self.is_spent else self.keys
        return keys[(len(keys) - 1) // 2] if len(keys) > 1 else None

    def take(self, row: Read) -> None:
        """Note a document that was read."""
        self.all_keys.append(row.key)
        self.all_size += row.size
        if row.hidden:
            return
        self.keys.append(row.key)
        self.size += row.size
        if row.item is not None:
            self.items.append(row.item)


def _read(
    source: Source, bounds: Bounds, end: Place | None, count: int, limits: _Limits
) -> _Reading:
    """Read on until the page is full; with an ``end``, until there."""
    reading = _Reading(end or Place(None))
    for row in source.read(bounds, count if end is None else None):
        if end is not None and _has_no_room(reading, row, limits):
            reading.status = "SplitRequired"
            break
        reading.take(row)
        is_whole = len(reading.items) == count or _has_no_room(reading, row, limits)
        if end is None and is_whole:
            reading.end = Place(row.key)
            break
    reading.is_spent = _is_read(reading, limits, SPLIT_RATIO)
    if reading.status is None and _is_long(reading, limits):
        reading.status = "SplitRecommended"
    return reading


def _has_no_room(reading: _Reading, row: Read, limits: _Limits) -> bool:
    """Tell whether a page is full; what is hidden fills it only up to what may be read at all."""
    return _is_read(reading, limits) or (
        not row.hidden
        and (
            len(reading.items) >= MAX_ARRAY_ITEMS
            or len(reading.keys) >= limits.rows
            or reading.size >= limits.size
        )
    )


def _is_read(reading: _Reading, limits: _Limits, share: float = 1) -> bool:
    return (
        len(reading.all_keys) >= limits.all_rows * share
        or reading.all_size >= limits.all_size * share
    )


def _is_long(reading: _Reading, limits: _Limits) -> bool:
    return (
        reading.is_spent
        or len(reading.items) > MAX_ARRAY_ITEMS * SPLIT_RATIO
        or len(reading.keys) > limits.rows * SPLIT_RATIO
        or reading.size > limits.size * SPLIT_RATIO
    )


def _between(source: Source, start: Place | None, end: Place | None) -> Bounds:
    """The part of the query's bounds after ``start`` and up to ``end``, in its direction."""
    low, high = source.bounds
    if source.reverse:
        start, end = end, start
    # Forwards a page lies after its start, up to and with its end; backwards both turn round.
    if start is not None and start.key is not None:
        low = max(low, start.key if source.reverse else _beyond(start.key))
    if end is not None and end.key is not None:
        limit = end.key if source.reverse else _beyond(end.key)
        high = limit if high is None else min(high, limit)
    return low, high if high is None else max(low, high)


def _beyond(key: bytes) -> bytes:
    return key + b"\x00"


def _least(wanted: Any, left: int, most: int) -> int:
    asked = wanted if isinstance(wanted, int) else most
    return max(1, min(asked, left, most))


def _fingerprint(source: Source) -> bytes:
    low, high = source.bounds
    text = msgspec.msgpack.encode((source.identity, low, high, source.reverse))
    return blake2b(text, digest_size=_FINGERPRINT_BYTES).digest()
