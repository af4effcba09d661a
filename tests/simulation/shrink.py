"""Shrinks a seed that breaks to a short story that breaks the same property."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.simulation.chance import Chance, Less, LessChance, Seen
from tests.simulation.limits import small_limits
from tests.simulation.profiles import Profile
from tests.simulation.properties import Broken
from tests.simulation.run import Simulation

T = TypeVar("T")


@dataclass(slots=True)
class Attempt:
    """One run from which ``less`` was taken away, and what became of it."""

    less: Less
    broken: Broken | None = None
    seen: Seen = field(default_factory=Seen)
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What a seed was, and what is left of it, after some number of ``runs``."""

    whole: Attempt
    least: Attempt
    runs: int


class Shrinker:
    """Takes away what a broken seed breaks without, until the time is up."""

    def __init__(self, seed: int, profile: Profile, limit_s: float) -> None:
        self._seed, self._profile = seed, profile
        self._until_s = time.process_time() + limit_s
        self.runs = 0
        self.least = self.attempt(Less())

    def attempt(self, less: Less) -> Attempt:
        """Run with less."""
        self.runs += 1
        attempt = Attempt(less)

        def root(key: int) -> Chance:
            return LessChance(key, less, attempt.seen)

        try:
            with small_limits() if self._profile.small else nullcontext():
                Simulation(self._seed, self._profile, attempt.lines.append, root).run()
        except Broken as why:
            attempt.broken = why
        return attempt

    def shrink(self) -> None:
        """Go round until nothing more can be taken away."""
        while not self._is_late():
            before = self.least.less
            self._drop()
            self._calm()
            self._zero()
            if self.least.less == before:
                return

    def _drop(self) -> None:
        causes = [
            key for key in self.least.seen.causes if key not in self.least.less.dropped
        ]
        self._without(
            causes[::-1],
            lambda less, some: replace(less, dropped=less.dropped.union(some)),
        )

    def _calm(self) -> None:
        keys = [key for key in self.least.seen.draws if key not in self.least.less.calm]
        self._without(keys, lambda less, some: replace(less, calm=less.calm.union(some)))

    def _zero(self) -> None:
        less, draws = self.least.less, self.least.seen.draws
        wild = [
            (key, number)
            for key, count in draws.items()
            if key not in less.calm
            for number in range(count)
            if (key, number) not in less.zeroed
        ]
        self._without(
            wild, lambda less, some: replace(less, zeroed=less.zeroed.union(some))
        )

    def _without(
        self, all_: Sequence[T], take: Callable[[Less, Iterable[T]], Less]
    ) -> None:
        """Take away pieces, large ones first, and keep what breaks all the same."""
        left, size = list(all_), len(all_)
        while size and not self._is_late():
            first = 0
            while first < len(left) and not self._is_late():
                if self._still_breaks(take(self.least.less, left[first : first + size])):
                    del left[first : first + size]
                else:
                    first += size
            size //= 2

    def _still_breaks(self, less: Less) -> bool:
        attempt, held = self.attempt(less), self.least.broken
        if attempt.broken is None or held is None:
            return False
        if attempt.broken.property is not held.property:
            return False
        self.least = attempt
        return True

    def _is_late(self) -> bool:
        return time.process_time() > self._until_s


def story(shrunk: Shrunk) -> str:
    """Tell what is left of a seed, and what broke."""
    whole, least = shrunk.whole, shrunk.least
    told = [line for line in least.lines if not line.endswith("← Ping")]
    head = f"{len(whole.lines)} lines became {len(told)} in {shrunk.runs} runs:"
    return "\n".join([head, *told, f"BROKEN: {least.broken}"])


def shrink(seed: int, profile: Profile, limit_s: float = 60) -> Shrunk | None:
    """Shrink a seed; None if it does not break. ``limit_s`` bounds the time of the CPU."""
    shrinker = Shrinker(seed, profile, limit_s)
    whole = shrinker.least
    if whole.broken is None:
        return None
    shrinker.shrink()
    return Shrunk(whole=whole, least=shrinker.least, runs=shrinker.runs)
