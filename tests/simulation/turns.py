"""Locks and turns of one process, in virtual time: a thread's would stop the whole world."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.engine.errors import OptimisticConcurrencyControlFailure
from chalicelib.engine.functions.turns import JOINED_FROM, PATIENCE_S
from tests.simulation.world import World

TRY_AGAIN_MS = 1.0


class VirtualLock:
    """Held by one invocation at a time."""

    def __init__(self, world: World) -> None:
        self._world, self._held = world, False

    def __enter__(self) -> None:
        while self._held:
            self._world.sleep(TRY_AGAIN_MS)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False


class VirtualTurns:
    """The engine's lines for contended mutations."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lines: dict[str, list[object]] = {}

    def is_long(self, path: str) -> bool:
        """Tell whether so many wait that a newcomer should wait too."""
        return len(self._lines.get(path, ())) >= JOINED_FROM

    @contextmanager
    def taken(self, path: str) -> Iterator[None]:
        """Wait for a turn at ``path``."""
        line, mine = self._lines.setdefault(path, []), object()
        until_ms = self._world.now_ms + PATIENCE_S * 1000
        line.append(mine)
        try:
            while line[0] is not mine:
                if self._world.now_ms > until_ms:
                    raise OptimisticConcurrencyControlFailure("simulated")
                self._world.sleep(TRY_AGAIN_MS)
            yield
        finally:
            line.remove(mine)
