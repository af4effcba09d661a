"""The line in front of a contended log, as a network sees it."""

from collections.abc import Callable
from typing import TypeVar

from chalicelib.adapters.memory.line import MemoryLine
from chalicelib.engine.line import InLine
from tests.simulation.world import World

T = TypeVar("T")


class SlowLine:
    """A line in memory; each call takes a while, there and back."""

    def __init__(self, world: World) -> None:
        self._world, self._inner = world, MemoryLine()

    def _call(self, effect: Callable[[], T]) -> T:
        self._world.pause()
        done = effect()
        self._world.pause()
        return done

    def join(self, waiting: InLine, *left: str) -> None:
        """Stand in line."""
        self._world.stats["stood in line"] += 1
        self._call(lambda: self._inner.join(waiting, *left))

    def waiting(self, limit: int) -> list[InLine]:
        """Read who stands in line."""
        return self._call(lambda: self._inner.waiting(limit))

    def holds(self, place: str) -> bool:
        """Tell whether somebody stands at ``place``."""
        return self._call(lambda: self._inner.holds(place))

    def leave(self, *places: str) -> None:
        """Leave the line."""
        self._call(lambda: self._inner.leave(*places))

    def take(self, owner: str, *, now_ms: float, deadline_ms: float) -> bool:
        """Take the lease."""
        return self._call(
            lambda: self._inner.take(owner, now_ms=now_ms, deadline_ms=deadline_ms)
        )

    def give_back(self, owner: str) -> None:
        """Give the lease back."""
        self._call(lambda: self._inner.give_back(owner))
