"""Which of many entries wrote what somebody has read, without looking at each.

Whoever comes back after thousands of commits asks this. So entries that follow each other are
taken together as a block, blocks as a larger one, and so on. A block knows the keys that all of its
entries touched, in order: one search tells that none of them lies in what was read.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Final

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.log import Entry

SIZES: Final = (8, 64, 512, 4096)
"""Entries in a block of each size; each begins at a multiple of its size.

What lies between two timestamps is at most 14 of each and of single entries, however much that
is, besides the largest: 20,000 entries are five of those.
"""


class Block:
    """Some entries that follow each other, as one. It never changes."""

    def __init__(self, parts: "tuple[Entry | Block, ...]") -> None:
        self.parts = parts

    @cached_property
    def keys_by_index(self) -> dict[int, list[bytes]]:
        """The keys that the entries touched, each once and in order: see ``Entry``.

        They are found when they are first asked for, which is never where nobody lags behind.
        """
        found: dict[int, list[list[bytes]]] = {}
        for part in self.parts:
            for index, keys in part.keys_by_index.items():
                found.setdefault(index, []).append(keys)
        # What is in order already is not compared again, but merged.
        return {
            index: list(dict.fromkeys(sorted(chain.from_iterable(keys))))
            for index, keys in found.items()
        }


class Stretch:
    """The entries between two timestamps; it holds them, even if they are forgotten elsewhere."""

    def __init__(self, parts: Sequence[Entry | Block]) -> None:
        self._parts = parts

    def first_touching(self, reads: ReadSet) -> Entry | None:
        """The first entry that changed something of ``reads``, if there is any."""
        return _first_touching(self._parts, reads)

    def grazes(self, reads: ReadSet) -> bool:
        """Whether rows were written of which ``reads``, that it does not touch, knows a part."""
        return reads.is_partial and any(
            reads.grazed_by(_in_order(part)) for part in self._parts
        )


class Written:
    """The entries after ``base``, without a gap. Its owner locks it."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.entries: list[Entry] = []
        self._levels = [_Level(size, base) for size in SIZES]

    @property
    def end(self) -> int:
        """The timestamp of the last entry."""
        return self.base + len(self.entries)

    def between(self, since: int, until: int) -> list[Entry]:
        """The entries of ``(since, until]``, of which ``since`` is not below the base."""
        return self.entries[since - self.base : until - self.base]

    def stretch(self, since: int, until: int) -> Stretch:
        """The same entries, in as few blocks as there are."""
        if until - since < SIZES[0]:
            return Stretch(self.between(since, until))
        self._grow()
        return Stretch(self._parts(since, until, len(self._levels)))

    def forget(self, surplus: int) -> None:
        """Let go of the oldest entries, and of every block that holds one of them."""
        del self.entries[:surplus]
        self.base += surplus
        for level in self._levels:
            level.forget(self.base)

    def _grow(self) -> None:
        """Take the entries together that have come since this was last called."""
        below: _Level | Written = self
        for level in self._levels:
            level.grow(below)
            below = level

    def _parts(self, since: int, until: int, height: int) -> list[Entry | Block]:
        """What covers ``(since, until]``: large blocks between smaller ones."""
        if height == 0:
            return list(self.between(since, until))
        level = self._levels[height - 1]
        first, last = -(-since // level.size), until // level.size
        if first >= last:
            return self._parts(since, until, height - 1)
        return [
            *self._parts(since, first * level.size, height - 1),
            *level.blocks[first - level.first : last - level.first],
            *self._parts(last * level.size, until, height - 1),
        ]


class _Level:
    """The whole blocks of one size, in order: those that begin at its multiples."""

    def __init__(self, size: int, base: int) -> None:
        self.size, self.first = size, -(-base // size)
        self.blocks: list[Block] = []

    def between(self, since: int, until: int) -> list[Block]:
        """The blocks of ``(since, until]``, both of which are multiples of the size."""
        return self.blocks[
            since // self.size - self.first : until // self.size - self.first
        ]

    @property
    def end(self) -> int:
        """The timestamp at which the last block ends."""
        return (self.first + len(self.blocks)) * self.size

    def grow(self, below: "_Level | Written") -> None:
        """Make the blocks that the level below has all parts of."""
        for start in range(self.end, below.end - self.size + 1, self.size):
            self.blocks.append(Block(tuple(below.between(start, start + self.size))))

    def forget(self, base: int) -> None:
        """Let go of the blocks that begin below ``base``."""
        first = -(-base // self.size)
        del self.blocks[: first - self.first]
        self.first = first


def _in_order(part: Entry | Block) -> Mapping[int, Sequence[bytes]]:
    if isinstance(part, Block):
        return part.keys_by_index
    return {index: sorted(keys) for index, keys in part.keys_by_index.items()}


def _first_touching(parts: Sequence[Entry | Block], reads: ReadSet) -> Entry | None:
    for part in parts:
        if isinstance(part, Block):
            if reads.holds_any(part.keys_by_index) and (
                # None, where a row was read in part, and nothing of that has changed.
                (found := _first_touching(part.parts, reads)) is not None
            ):
                return found
        elif reads.touched_by(part):
            return part
    return None
