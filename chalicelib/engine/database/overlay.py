"""Rows that entries of the log have written, to be laid over those that are read of a store."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Final

from chalicelib.engine.log import Entry, IndexKey, Row
from chalicelib.engine.persistence import Interval


class Overlay:
    """For each index, the newest row of each key that was written up to a timestamp.

    It never changes. Overlays that were laid over each other share their rows, and each looks
    at those up to its own timestamp: so another entry costs no more than its rows.
    """

    __slots__ = ("_pile", "_ts")

    def __init__(self, pile: "_Pile | None" = None, ts: int = 0) -> None:
        self._pile, self._ts = pile or _Pile(()), ts

    def get(self, key: IndexKey) -> Row | None:
        """The row of a key, a tombstone if it was removed; None if nobody has written it."""
        index, stored = key
        versions = self._pile.rows.get(index, _NONE).get(stored)
        return None if versions is None else _newest(versions, self._ts)

    def within(self, interval: Interval) -> dict[bytes, Row]:
        """The rows of an interval by their keys, in key order."""
        versions = self._pile.rows.get(interval.index)
        if versions is None:
            return {}
        keys = self._pile.keys_within(interval)
        found = [(key, _newest(versions[key], self._ts)) for key in keys]
        return {key: row for key, row in found if row is not None}

    def with_entries(self, entries: Sequence[Entry]) -> "Overlay":
        """Another overlay, with the rows of later entries on top."""
        if not entries:
            return self
        pile = self._pile
        if not pile.grow(self._ts, entries):
            # Something else lies on this one already: what has failed meanwhile, for example.
            pile = pile.up_to(self._ts)
            pile.grow(self._ts, entries)
        return Overlay(pile, entries[-1].ts)


class _Pile:
    """Rows by index and key, each key's in the order of their timestamps; it only grows.

    Readers need no lock for the rows of one key, which are added at their end.
    """

    __slots__ = ("_keys", "_lock", "rows", "ts")

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows: dict[int, dict[bytes, list[Row]]] = {}
        self.ts = 0
        self._keys: dict[int, list[bytes]] = {}
        self._lock = Lock()
        for row in rows:
            self._add(row)

    def grow(self, ts: int, entries: Sequence[Entry]) -> bool:
        """Add the rows of entries that follow ``ts``; False if it has grown beyond that."""
        with self._lock:
            if self.ts != ts:
                return False
            for entry in entries:
                for row in entry.rows:
                    self._add(row)
            self.ts = entries[-1].ts
            return True

    def up_to(self, ts: int) -> "_Pile":
        """Another pile, of the rows up to ``ts``."""
        with self._lock:
            known = [
                row
                for by_key in self.rows.values()
                for versions in by_key.values()
                for row in versions
                if row.ts <= ts
            ]
        pile = _Pile(known)
        pile.ts = ts
        return pile

    def keys_within(self, interval: Interval) -> list[bytes]:
        """The keys of an interval, in order."""
        with self._lock:
            keys = self._keys[interval.index]
            low = bisect_left(keys, interval.low)
            high = interval.high
            return keys[low : None if high is None else bisect_left(keys, high, low)]

    def _add(self, row: Row) -> None:
        by_key = self.rows.get(row.index)
        if by_key is None:
            self._keys[row.index] = []
            by_key = self.rows[row.index] = {}
        versions = by_key.get(row.key)
        if versions is None:
            by_key[row.key] = [row]
            insort(self._keys[row.index], row.key)
        else:
            versions.append(row)


_NONE: Final[Mapping[bytes, list[Row]]] = {}


def _newest(versions: Sequence[Row], ts: int) -> Row | None:
    """The last of the versions up to ``ts``; mostly there is none after it."""
    for row in reversed(versions):
        if row.ts <= ts:
            return row
    return None
