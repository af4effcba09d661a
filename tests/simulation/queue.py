"""The port of jobs, as a queue that delivers at least once."""

from collections.abc import Callable

from tests.simulation.faults import HABITS
from tests.simulation.world import World


class Queue:
    """Each message once or twice; ``start`` hands it to a process after a delay."""

    def __init__(self, world: World, start: Callable[[bytes, float], None]) -> None:
        self._world, self._start = world, start

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Deliver a message later."""
        world = self._world
        world.pause()
        if b'"type":"run"' in body and world.strikes("forgotten"):
            return
        twice = not world.profile.ordered and world.chance(HABITS.job_twice)
        for _ in range(1 + twice):
            self._start(body, delay_ms + world.between((0, 60)))
        world.pause(errors=False)
