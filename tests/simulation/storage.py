"""The port of storage as a network sees it: slow, torn, and not always answered."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.errors import OutcomeUnknown, StorageUnavailable
from chalicelib.engine.log import Entry, IndexKey, Row, newest_rows
from chalicelib.engine.persistence import Interval, Marks, Page, Tail
from tests.simulation.faults import EXPIRED_MS, HABITS
from tests.simulation.properties import Broken, Property
from tests.simulation.story import committed
from tests.simulation.world import World

T = TypeVar("T")

LOOK_AHEAD = 3
"""Positions beyond the end that a torn reading of the tail looks at."""


class TornPersistence:
    """Storage in memory, whose operations on several items are done item by item."""

    def __init__(
        self, world: World, committed: Callable[[Entry], None], *, at_once: bool
    ) -> None:
        self._world, self._committed = world, committed
        self._inner = MemoryPersistence()
        self.applies_at_once = at_once
        self.log: list[Entry] = []

    def call(self, effect: Callable[[], T]) -> T:
        """Do one atomic step of one call, there and back."""
        self._world.pause()
        done = effect()
        self._world.pause()
        return done

    def append(self, entry: Entry) -> Entry | None:
        """Put an entry, or seem not to."""
        world = self._world
        signed_ms = world.now_ms
        world.pause()
        if world.now_ms - signed_ms > EXPIRED_MS:
            raise StorageUnavailable("simulated")
        if world.strikes("lost_put"):
            if world.chance(HABITS.put_lands):
                # It lands all the same: before the next try is answered, or long after.
                land_ms = world.between(
                    (40, 2000) if world.chance(HABITS.put_late) else (0, 40)
                )
                world.at(land_ms, lambda: self._land_late(entry))
            world.sleep(world.between((10, 60)))
            raise OutcomeUnknown("simulated")
        held = self._land(entry)
        world.pause(errors=False)
        return held

    def raise_horizon(self, horizon: int) -> None:
        """Declare what may be trimmed."""
        self.call(lambda: self._inner.raise_horizon(horizon))

    def trim(self, limit: int) -> int:
        """Let go of the oldest entries one by one."""
        return self._each(limit, lambda: self._inner.trim(1))

    def forget(self, rows: Sequence[Row]) -> None:
        """Let go of rows one by one."""
        for row in rows:
            self.call(lambda row=row: self._inner.forget([row]))  # type: ignore[misc]  # bound at once

    def remove_index(self, index: int, limit: int) -> int:
        """Let go of an index's rows one by one."""
        return self._each(limit, lambda: self._inner.remove_index(index, 1))

    def _each(self, limit: int, one: Callable[[], int]) -> int:
        for done in range(limit):
            if not self.call(one):
                return done
        return limit

    def sweep(self, cursor: str, limit: int) -> str:
        """Find nothing."""
        return self._inner.sweep(cursor, limit)

    def notes(self) -> bytes:
        """Read the housekeeper's notes."""
        return self.call(self._inner.notes)

    def keep_notes(self, notes: bytes) -> None:
        """Keep the housekeeper's notes."""
        self.call(lambda: self._inner.keep_notes(notes))

    def _land(self, entry: Entry) -> Entry | None:
        if entry.ts <= self._inner.marks().horizon:
            raise Broken(
                Property.LOG, f"an entry was put at {entry.ts}, where the log was trimmed"
            )
        held = self._inner.append(entry)
        if held is None:
            self.log.append(entry)
            self._world.note(committed(entry))
            if self.applies_at_once:
                self._inner.apply([entry])
                self._inner.advance(entry.ts - 1, entry.ts)
            self._committed(entry)
        return held

    def _land_late(self, entry: Entry) -> None:
        self._land(entry)

    def tail(self, after: int, limit: int = 1000) -> Tail:
        """Read position by position; what was passed too early stays unseen."""
        world, found = self._world, []
        world.pause()
        position = missed = 0
        while missed < LOOK_AHEAD and position < limit:
            held = self._inner.tail(after + position, 1).entries
            if not held:
                missed += 1
            elif not missed:
                found.append(held[0])
            position += 1
            if world.chance(HABITS.torn_read):
                world.sleep(world.between((0, 3)))
        world.pause()
        return Tail(tuple(found), more=len(found) >= limit)

    def marks(self) -> Marks:
        """Read both marks."""
        return self.call(self._inner.marks)

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write row by row."""
        for row in newest_rows(entries):
            self._write(row)

    def _write(self, row: Row) -> None:
        self.call(lambda: self._inner._write(row))

    def advance(self, expected: int, applied: int) -> bool:
        """Move the watermark."""
        return self.call(lambda: self._inner.advance(expected, applied))

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read a few rows at a time, and stop wherever."""
        world = self._world
        rows: list[Row] = []
        world.pause()
        while True:
            step = min(world.random.randint(1, 3), limit - len(rows))
            page = self._inner.scan(interval, reverse=reverse, limit=step)
            rows += page.rows
            if page.resume is None or len(rows) == limit or world.chance(HABITS.short_page):
                break
            low, high = interval.low, interval.high
            low, high = (low, page.resume) if reverse else (page.resume, high)
            interval = Interval(interval.index, low, high)
            world.sleep(world.between((0, 3)))
        world.pause()
        return Page(tuple(rows), page.resume)

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        return self.call(lambda: self._inner.get(index, key))

    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        """Read rows, others writing in between."""
        world = self._world
        world.pause()
        found = [self._inner.get(*key) for key in keys if world.step()]
        world.pause()
        return found

    def live_rows(self) -> dict[IndexKey, bytes | None]:
        """All rows as they are, tombstones left out."""
        held = self._inner._rows.items()
        return {key: row.image for key, row in held if row.image is not None}
