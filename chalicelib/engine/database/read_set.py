"""What a run has read: intervals of index keys.

One read set serves three purposes: to see that a transaction conflicts with a later entry, to
prove that a cached result is still exact, and to know which commits a live query waits for.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from chalicelib.engine.log import CUT_KEY_BYTES, MAX_KEY_BYTES, Entry, IndexKey, members_of
from chalicelib.engine.persistence import Interval

_Span = tuple[bytes, bytes | None]


class ReadSet:
    """Intervals, kept sorted and disjoint for each index.

    Documents of which some fields alone were read have a read set of their own for those.
    """

    __slots__ = ("_intervals", "_loose", "_parts", "_spans")

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._spans: dict[int, list[_Span]] = {}
        self._parts: dict[tuple[str, ...], ReadSet] = {}
        self._loose: set[int] = set()
        self._intervals: tuple[Interval, ...] | None = None
        for interval in intervals:
            self.add(interval)

    def __len__(self) -> int:
        """How many intervals are held; neighbours may not be joined yet."""
        whole = sum(map(len, self._spans.values()))
        return whole + sum(map(len, self._parts.values()))

    def add(self, interval: Interval) -> None:
        """Record that every key of ``interval`` was looked for, and what of its documents."""
        self._intervals = None
        if interval.fields:
            part = self._parts.setdefault(interval.fields, ReadSet())
            part.add(Interval(interval.index, interval.low, interval.high))
            return
        self._spans.setdefault(interval.index, []).append((interval.low, interval.high))
        self._loose.add(interval.index)

    def add_members(self, interval: Interval) -> None:
        """Record that it was looked which keys there are in ``interval``, and no row of them.

        A write that changes a document and leaves its key where it was does not touch this.
        """
        self.add(Interval(members_of(interval.index), interval.low, interval.high))

    def add_key(self, key: IndexKey, fields: tuple[str, ...] = ()) -> None:
        """Record that one key was looked for, and which fields there, if not all."""
        self.add(point(key, fields))

    def holds(self, key: IndexKey) -> bool:
        """Tell whether the row at ``key`` was read, with all that is in it."""
        index, stored = key
        if index not in self._spans:
            return False
        spans = self._tidy(index)
        place = bisect_right(spans, stored, key=_low) - 1
        if place < 0:
            return False
        high = spans[place][1]
        return high is None or stored < high

    def touched_by(self, entry: Entry) -> bool:
        """Tell whether ``entry`` changed something that was read."""
        spans = self._spans
        return any(
            self.holds((index, key))
            for index, keys in entry.keys_by_index.items()
            if index in spans
            for key in keys
        ) or (bool(self._parts) and self._touched_in_part(entry))

    def _touched_in_part(self, entry: Entry) -> bool:
        return any(part.seen_in(entry, fields) for fields, part in self._parts.items())

    def seen_in(self, entry: Entry, fields: tuple[str, ...]) -> IndexKey | None:
        """A key of what was read where ``entry`` has moved a row, or changed one of ``fields``."""
        if not self.touched_by(entry):
            return None
        for write in entry.writes:
            for key in (*write.removed, *write.added):
                if self.holds(key) and write.concerns(key, fields):
                    return key
        return None

    def touch_of(self, entry: Entry) -> tuple[Interval, bytes] | None:
        """The interval that was read and the key in it that ``entry`` wrote, if any."""
        for index in self._spans:
            for key in entry.keys_by_index.get(index, ()):
                if self.holds((index, key)):
                    return self._around((index, key)), key
        for fields, part in self._parts.items():
            if (found := part.seen_in(entry, fields)) is not None:
                return part._around(found, fields), found[1]  # noqa: SLF001 - of this class
        return None

    def _around(self, key: IndexKey, fields: tuple[str, ...] = ()) -> Interval:
        """The interval that holds a key which was read."""
        spans = self._spans[key[0]]
        low, high = spans[bisect_right(spans, key[1], key=_low) - 1]
        return Interval(key[0], low, high, fields)

    def touched_by_any(self, entries: Iterable[Entry]) -> bool:
        """Tell whether one of ``entries`` changed something that was read."""
        return any(self.touched_by(entry) for entry in entries)

    def holds_any(self, keys_by_index: Mapping[int, Sequence[bytes]]) -> bool:
        """Tell whether one of many keys lies in what was read, be it in part; they are in order."""
        return any(
            self._holds_one_of(index, keys_by_index[index])
            for index in self._spans
            if index in keys_by_index
        ) or any(part.holds_any(keys_by_index) for part in self._parts.values())

    def _holds_one_of(self, index: int, keys: Sequence[bytes]) -> bool:
        spans = self._tidy(index)
        if len(keys) < len(spans):
            return any(self.holds((index, key)) for key in keys)
        for low, high in spans:
            place = bisect_left(keys, low)
            if place < len(keys) and (high is None or keys[place] < high):
                return True
        return False

    @property
    def is_partial(self) -> bool:
        """Whether of some rows no more than their keys or some fields were read."""
        return bool(self._parts) or any(index < 0 for index in self._spans)

    def grazed_by(self, keys_by_index: Mapping[int, Sequence[bytes]]) -> bool:
        """Tell whether one of many keys lies where no more than a part of the rows was read.

        They are in order.
        """
        if any(part.holds_any(keys_by_index) for part in self._parts.values()):
            return True
        members = [index for index in self._spans if index < 0]
        return any(
            self._holds_one_of(index, keys_by_index.get(members_of(index), ()))
            for index in members
        )

    def intervals(self) -> tuple[Interval, ...]:
        """The same as values, in order and disjoint."""
        if self._intervals is None:
            parts = sorted(self._parts.items())
            self._intervals = (
                *self._whole(),
                *(i for fields, part in parts for i in part._whole(fields)),  # noqa: SLF001 - of this class
            )
        return self._intervals

    def _whole(self, fields: tuple[str, ...] = ()) -> Iterator[Interval]:
        for index in sorted(self._spans):
            for low, high in self._tidy(index):
                yield Interval(index, low, high, fields)

    def _tidy(self, index: int) -> list[_Span]:
        spans = self._spans[index]
        if index in self._loose:
            spans = self._spans[index] = _merged(spans)
            self._loose.discard(index)
        return spans


def point(key: IndexKey, fields: tuple[str, ...] = ()) -> Interval:
    """The interval that holds ``key`` and nothing else."""
    index, stored = key
    return Interval(index, stored, stored + b"\x00", fields)


def widened(
    index: int, low: bytes, high: bytes | None, fields: tuple[str, ...] = ()
) -> Interval:
    """The interval of stored keys in which every full key of ``low <= key < high`` is found.

    Long keys are stored cut; their order below the cut is lost, so an end that lies below a
    cut moves outwards to the border of all keys that share the prefix.
    """
    if len(low) > MAX_KEY_BYTES:
        low = low[:MAX_KEY_BYTES]
    if high is not None and len(high) > MAX_KEY_BYTES:
        high = high[:MAX_KEY_BYTES] + b"\xff" * (CUT_KEY_BYTES - MAX_KEY_BYTES + 1)
    return Interval(index, low, high, fields)


def _low(span: _Span) -> bytes:
    return span[0]


def _merged(spans: list[_Span]) -> list[_Span]:
    merged: list[_Span] = []
    for low, high in sorted(spans, key=_low):
        if merged and (merged[-1][1] is None or low <= merged[-1][1]):
            before, end = merged[-1]
            if end is not None and (high is None or high > end):
                merged[-1] = (before, high)
        else:
            merged.append((low, high))
    return merged
