"""Rows that entries of the log have written, to be laid over those that are read of a store."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from chalicelib.engine.log import Entry, IndexKey, Row
from chalicelib.engine.persistence import Interval


class Overlay:
    """For each index, the newest row of each key that was written; it never changes.

    To lay further entries over it copies the indexes that they touch, and looks at no row of
    the entries before.
    """

    __slots__ = ("_rows", "_sorted")

    def __init__(
        self,
        rows: dict[int, dict[bytes, Row]] | None = None,
        in_order: dict[int, list[bytes]] | None = None,
    ) -> None:
        self._rows, self._sorted = rows or {}, in_order or {}

    def get(self, key: IndexKey) -> Row | None:
        """The row of a key, a tombstone if it was removed; None if nobody has written it."""
        index, stored = key
        rows = self._rows.get(index)
        return rows.get(stored) if rows is not None else None

    def within(self, interval: Interval) -> dict[bytes, Row]:
        """The rows of an interval by their keys, in key order."""
        keys = self._sorted.get(interval.index)
        if keys is None:
            return {}
        low = bisect_left(keys, interval.low)
        high = len(keys) if interval.high is None else bisect_left(keys, interval.high, low)
        if low == high:
            return {}
        rows = self._rows[interval.index]
        return {key: rows[key] for key in keys[low:high]}

    def with_entries(self, entries: Sequence[Entry]) -> "Overlay":
        """Another overlay with the rows of ``entries`` on top."""
        if not entries:
            return self
        rows, in_order = self._rows.copy(), self._sorted.copy()
        for index in {row.index for entry in entries for row in entry.rows}:
            rows[index] = rows.get(index, {}).copy()
            in_order[index] = in_order.get(index, []).copy()
        for row in _rows_of(entries):
            known = rows[row.index]
            if row.key not in known:
                insort(in_order[row.index], row.key)
            known[row.key] = row
        return Overlay(rows, in_order)


def _rows_of(entries: Sequence[Entry]) -> Iterable[Row]:
    return (row for entry in entries for row in entry.rows)
