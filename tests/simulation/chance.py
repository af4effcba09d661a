"""Chance as a tree: each cause has its own, which follows from the one that it came out of.

So the chance of everything else stays what it was when one cause is taken away, or when all
goes well with it. That is what makes a broken seed shrink: with one stream of chance for all,
each change would be another seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from zlib import crc32

from typing_extensions import override

MOST_BITS = 64
"""Longer draws are names and seeds; made calm, they would not be different any more."""


class Chance(Random):
    """The chance of one cause: a client's act, an invocation. ``key`` names it in a run."""

    def __init__(self, key: int) -> None:
        super().__init__(key)
        self.key = key
        self._children: Counter[str] = Counter()

    def child(self, label: str) -> Chance:
        """The chance of what comes out of this one next."""
        key = crc32(f"{label} {self._children[label]}".encode(), self.key)
        self._children[label] += 1
        return self.born(key)

    def born(self, key: int) -> Chance:
        """A chance of the same kind."""
        return Chance(key)

    @property
    def is_dropped(self) -> bool:
        """Whether what it belongs to is not to happen at all."""
        return False


Draw = tuple[int, int]
"""One draw: the key of its chance, and its number there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Less:
    """What is taken away from a run.

    ``dropped``: causes that do not happen. ``calm``: chances that only draw what is calmest:
    no fault, the shortest time, the first of a choice. ``zeroed``: draws of others that do.
    """

    dropped: frozenset[int] = frozenset()
    calm: frozenset[int] = frozenset()
    zeroed: frozenset[Draw] = frozenset()


@dataclass(slots=True)
class Seen:
    """What a run consists of: its causes that could be dropped, and its draws by chance."""

    causes: dict[int, None] = field(default_factory=dict)
    draws: dict[int, int] = field(default_factory=dict)


class LessChance(Chance):
    """Chance from which something was taken away."""

    def __init__(self, key: int, less: Less, seen: Seen) -> None:
        super().__init__(key)
        self._less, self._seen = less, seen
        self._is_calm = key in less.calm

    @override
    def born(self, key: int) -> Chance:
        return LessChance(key, self._less, self._seen)

    @property
    @override
    def is_dropped(self) -> bool:
        self._seen.causes[self.key] = None
        return self.key in self._less.dropped

    @override
    def random(self) -> float:
        drawn = super().random()
        return 0.0 if self._is_zero() else drawn

    @override
    def getrandbits(self, k: int, /) -> int:
        drawn = super().getrandbits(k)
        return drawn if k > MOST_BITS or not self._is_zero() else 0

    def _is_zero(self) -> bool:
        number = self._seen.draws.get(self.key, 0)
        self._seen.draws[self.key] = number + 1
        return self._is_calm or (self.key, number) in self._less.zeroed


Root = Callable[[int], Chance]
"""Makes the chance of a seed."""
