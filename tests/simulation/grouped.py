"""The port of storage as the local server has it: one process, commits in groups."""

from collections.abc import Callable

from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.log import ORIGIN, Entry
from tests.simulation.storage import TornPersistence
from tests.simulation.world import World

GROUP_MS = (0.5, 12)
LOOK_AGAIN_MS = 0.4


class GroupedPersistence(TornPersistence):
    """Entries get their positions at once, and are durable together a while later."""

    def __init__(self, world: World, committed: Callable[[Entry], None]) -> None:
        super().__init__(world, committed, at_once=True)
        self._pending: list[Entry] = []
        self._failed: set[str] = set()

    def submit(self, entry: Entry) -> Callable[[], Entry | None]:
        """Begin to append an entry."""
        world = self._world
        world.pause()
        head = ORIGIN + len(self.log)
        if entry.ts <= head:
            return lambda: self.log[entry.ts - ORIGIN - 1]
        rival = next((e for e in self._pending if e.ts == entry.ts), None)
        if rival is not None:
            return lambda: self._lost(rival)
        if entry.ts != head + len(self._pending) + 1:
            raise AssertionError("an entry was put beyond the end of the log")
        self._pending.append(entry)
        if world.current is None:
            self._flush()
        elif len(self._pending) == 1:
            world.at(world.between(GROUP_MS), self._flush)
        return lambda: self._won(entry)

    def under_way(self) -> tuple[Entry, ...]:
        """The entries that are not durable yet."""
        self._world.pause()
        return tuple(self._pending)

    def settle(self, ts: int) -> None:
        """Wait for the entry at ``ts``."""
        while any(entry.ts == ts for entry in self._pending):
            self._world.sleep(LOOK_AGAIN_MS)

    def _won(self, entry: Entry) -> None:
        while entry in self._pending:
            self._world.sleep(LOOK_AGAIN_MS)
        self._world.pause(errors=False)
        if entry.transaction in self._failed:
            raise StorageUnavailable("simulated")

    def _lost(self, rival: Entry) -> Entry:
        self._won(rival)
        return rival

    def _flush(self) -> None:
        world, group = self._world, self._pending
        self._pending = []
        if world.strikes("lost_put"):
            self._failed |= {entry.transaction for entry in group}
            return
        for entry in group:
            self._land(entry)
