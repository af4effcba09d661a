"""Reading the rows as they were at one timestamp."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from chalicelib.engine.database.overlay import Overlay
from chalicelib.engine.database.read_set import point
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import Entry, IndexKey, Row
from chalicelib.engine.persistence import Interval, Page

FIRST_PAGE_ROWS: Final = 64
"""Rows asked for first in a range read without a limit; later pages double."""

LAST_PAGE_ROWS: Final = 1024
"""Rows asked for at most at a time."""


class Slice(msgspec.Struct, frozen=True):
    """Consecutive rows of a range read, and the part of the interval that they cover."""

    interval: Interval
    rows: Sequence[Row]


class Rows(Protocol):
    """Where rows are read from: a store, or what is remembered of one."""

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        ...

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        ...


class Snapshot:
    """Rows, overlaid with the tail of the log up to ``view.ts``.

    Unpinned, a read may show a row that is newer than the snapshot: the caller finds out by
    comparing its read set with the log after ``view.ts``, and runs again. Pinned, every such
    row is taken back with the before-images of the log, so that the first run is exact.
    """

    def __init__(
        self, rows: Rows, tail: LogTail, view: View, *, pinned: bool = False
    ) -> None:
        self._rows, self._tail, self.view = rows, tail, view
        self._pinned = pinned
        self._undone: dict[int, dict[bytes, Row]] = {}
        self._undone_to = view.ts

    @property
    def ts(self) -> int:
        """The timestamp of the snapshot."""
        return self.view.ts

    def get(self, key: IndexKey) -> Row | None:
        """Read one row."""
        index, stored = key
        if self._pinned:
            row = self._rows.get(index, stored)
            row = self._patch(point(key)).get(stored, row)
        else:
            row = self.view.overlay.get(key)
            if row is None:
                return self._rows.get(index, stored)
        return row if row is not None and row.image is not None else None

    def remembered(self, key: IndexKey) -> Row | None:
        """Read a row that is derived from others: as it is now, whatever the snapshot."""
        return self._rows.get(*key)

    def horizon(self) -> int:
        """The timestamp up to which the log is not kept any more."""
        return self._tail.horizon()

    def page(self, first: int, last: int) -> Sequence[Entry] | None:
        """The first entries of ``(first, last]``, which are durable, as many as are read at once.

        None if they are not kept any more.
        """
        if last > self.ts:
            self._tail.refresh()
        return self._tail.page(first, last)

    def head(self) -> int:
        """The log's end, read anew: the snapshot itself may lag behind what others commit."""
        return self._tail.refresh().ts

    def between(self, first: int, last: int) -> Sequence[Entry] | None:
        """The entries of ``(first, last]``; None if they are not all kept."""
        if last > self.ts:
            self._tail.refresh()
        view = self.view
        durable = last if last > view.ts else min(last, view.settled)
        entries = self._tail.since(first, durable) if first < durable else ()
        if entries is None:
            return None
        entries = [*entries, *(e for e in view.entries if durable < e.ts <= last)]
        return entries if len(entries) == last - first else None

    def slices(
        self, interval: Interval, *, reverse: bool, limit: int | None
    ) -> Iterator[Slice]:
        """Read a range, in key order, a slice at a time.

        ``limit`` is how many rows the caller expects to need; it may ask for more.
        """
        size = FIRST_PAGE_ROWS if limit is None else min(max(limit, 1), LAST_PAGE_ROWS)
        while True:
            page = self._rows.scan(interval, reverse=reverse, limit=size)
            covered = interval
            if page.resume is not None:
                covered, interval = _cut(interval, page.resume, reverse=reverse)
            rows = _laid_over(page.rows, self._patch(covered), reverse=reverse)
            yield Slice(covered, rows)
            if page.resume is None:
                return
            size = min(size * 2, LAST_PAGE_ROWS)

    def _patch(self, interval: Interval) -> dict[bytes, Row]:
        """What to lay over rows of an interval that were read before this call."""
        patch = self.view.overlay.within(interval)
        if self._pinned:
            self._undo_later_entries()
            undone = self._undone.get(interval.index, {})
            patch |= {key: row for key, row in undone.items() if interval.holds(key)}
        return patch

    def _undo_later_entries(self) -> None:
        """Take in entries that were committed after the snapshot.

        Read after the rows: whatever wrote a row that was seen is in the log by now.
        """
        head = self._tail.refresh().ts
        entries = self._tail.since(self._undone_to, head)
        if entries is None:
            raise BelowHorizon(
                "the snapshot is older than the log that is kept: run it again"
            )
        for entry in entries:
            _undo(entry, self.view.overlay, self._undone)
        self._undone_to = head


def _undo(entry: Entry, overlay: Overlay, undone: dict[int, dict[bytes, Row]]) -> None:
    """Note the state before ``entry`` of each key whose state at the snapshot is not known."""
    if entry.request is not None:
        index, key = entry.request.key
        undone.setdefault(index, {}).setdefault(key, Row(index, key, 0, b"", None))
    for write in entry.writes:
        for index, key in (*write.removed, *write.added):
            if overlay.get((index, key)) is not None:
                continue
            image = write.before if (index, key) in write.removed else None
            undone.setdefault(index, {}).setdefault(
                key, Row(index, key, 0, write.id, image)
            )


def _cut(interval: Interval, at: bytes, *, reverse: bool) -> tuple[Interval, Interval]:
    """Split where a page ended: the part that it covers, and the rest."""
    below, above = interval.split(at)
    return (above, below) if reverse else (below, above)


def _laid_over(
    page: Sequence[Row], patch: dict[bytes, Row], *, reverse: bool
) -> Sequence[Row]:
    if not patch:
        return page
    merged = {row.key: row for row in page} | patch
    return [
        merged[key]
        for key in sorted(merged, reverse=reverse)
        if merged[key].image is not None
    ]
