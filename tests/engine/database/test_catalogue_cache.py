"""The catalogue is read once and known until an entry changes it."""

from __future__ import annotations

from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database.catalogue import (
    CATALOGUE_ID,
    CATALOGUE_KEY,
    CATALOGUE_TABLE,
    Catalogue,
    encode_catalogue,
)
from chalicelib.engine.database.catalogue_cache import CatalogueCache
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.log import ORIGIN, Entry, Row, Write
from tests.backend import VirtualClock
from tests.conformance.entries import entry, put, ts


class Counting(MemoryPersistence):
    """Storage that counts the rows that it was asked for."""

    asked = 0

    @override
    def get(self, index: int, key: bytes) -> Row | None:
        self.asked += 1
        return super().get(index, key)


def version(position: int, name: str, before: str | None = None) -> Entry:
    """An entry that makes ``name`` the code version."""
    image = encode_catalogue(Catalogue(name))
    old = encode_catalogue(Catalogue(before)) if before else None
    removed = (CATALOGUE_KEY,) if before else ()
    write = Write(CATALOGUE_TABLE, CATALOGUE_ID, old, image, removed, (CATALOGUE_KEY,))
    return entry(position, write)


class World:
    def __init__(self) -> None:
        self.storage = Counting()
        self.tail = LogTail(self.storage, VirtualClock())
        self.cache = CatalogueCache(self.tail)

    def now(self) -> str:
        view = self.tail.refresh()
        return self.cache.at(Snapshot(self.storage, self.tail, view)).code_version

    def applied(self, *entries: Entry) -> None:
        for one in entries:
            self.storage.append(one)
            self.storage.apply([one])
            self.storage.advance(one.ts - 1, one.ts)


def test_of_an_empty_log_is_empty() -> None:
    assert World().now() == ""


def test_is_read_once_while_nothing_changes_it() -> None:
    world = World()
    world.applied(version(1, "one"))
    world.now()
    asked = world.storage.asked
    for position in range(2, 20):
        world.storage.append(entry(position, put(b"k", b"{}")))

        assert world.now() == "one"

    assert world.storage.asked == asked


def test_changes_with_the_entry_that_changes_it() -> None:
    world = World()
    world.applied(version(1, "one"))
    before = world.now()

    world.storage.append(version(2, "two", "one"))

    assert (before, world.now()) == ("one", "two")


def test_of_an_older_snapshot_is_the_older_one() -> None:
    world = World()
    world.storage.append(version(1, "one"))
    world.storage.append(version(2, "two", "one"))
    world.now()

    older = View(ORIGIN, ts(1), world.tail.since(ORIGIN, ts(1)) or ())
    snapshot = Snapshot(world.storage, world.tail, older, pinned=True)

    assert world.cache.at(snapshot).code_version == "one"
    assert world.now() == "two"
