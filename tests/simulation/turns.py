"""A lock between invocations of one process, in virtual time."""

from types import TracebackType

from tests.simulation.world import World

TRY_AGAIN_MS = 1.0


class Turns:
    """Held by one invocation at a time; a thread's lock would stop the whole world."""

    def __init__(self, world: World) -> None:
        self._world, self._held = world, False

    def __enter__(self) -> None:
        while self._held:
            self._world.sleep(TRY_AGAIN_MS)
        self._held = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._held = False
