"""Mutations read what is under way, and are told when it is gone."""

from collections.abc import Callable

import pytest

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database.committer import Committer, Conflicted, Draft
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.log import Entry
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, entry, put, ts

A, B = b"a", b"b"


class Pipeline(MemoryPersistence):
    """A store that writes what was submitted when it is told to."""

    applies_at_once = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Entry] = []
        self.failed: set[str] = set()

    def submit(self, entry: Entry) -> Callable[[], Entry | None]:
        """Take a place."""
        self.waiting.append(entry)

        def answer() -> None:
            self.write()
            if entry.transaction in self.failed:
                raise StorageUnavailable("the disk is full")

        return answer

    def under_way(self) -> tuple[Entry, ...]:
        """What waits."""
        return tuple(self.waiting)

    def settle(self, ts: int) -> None:
        """Write what waits, if ``ts`` is there."""
        if any(item.ts == ts for item in self.waiting):
            self.write()

    def write(self) -> None:
        """Write what waits."""
        while self.waiting:
            written = self.waiting.pop(0)
            self.append(written)
            self.apply([written])

    def fail(self) -> None:
        """Lose what waits."""
        self.failed |= {item.transaction for item in self.waiting}
        self.waiting.clear()


class Log:
    """A committer over a pipeline."""

    def __init__(self) -> None:
        self.pipeline = Pipeline()
        clock = VirtualClock()
        self.tail = LogTail(self.pipeline, clock)
        self.committer = Committer(self.pipeline, self.tail, clock)

    def begin(self, name: str, key: bytes, image: bytes) -> Callable[[], Entry]:
        """Begin to commit a write of a key that was read at the newest view."""
        view = self.committer.newest()
        reads = ReadSet()
        reads.add_key((INDEX, key))
        draft = Draft(entry(0, put(key, image), transaction=name))
        return self.committer.begin(view, reads, draft)

    def read(self, key: bytes) -> bytes | None:
        """Read at the newest view of a mutation."""
        view = self.committer.newest()
        row = Snapshot(self.pipeline, self.tail, view).get((INDEX, key))
        return row.image if row is not None else None


def test_what_is_under_way_is_read_by_the_next_mutation() -> None:
    log = Log()
    log.begin("first", A, b"1")

    seen = log.read(A)

    assert seen == b"1"
    assert log.tail.refresh().ts == ts(0)  # and by nobody else


def test_mutations_of_one_document_are_in_one_group() -> None:
    log = Log()
    landings = [log.begin(name, A, name.encode()) for name in ("one", "two", "three")]

    entries = [landing() for landing in landings]

    assert [item.ts for item in entries] == [ts(1), ts(2), ts(3)]
    assert log.pipeline.get(INDEX, A) is not None
    assert log.read(A) == b"three"


def test_an_earlier_view_does_not_see_what_came_under_way_later() -> None:
    log = Log()
    log.begin("one", A, b"1")
    view = log.committer.newest()

    log.begin("two", A, b"2")
    log.committer.newest()

    row = Snapshot(log.pipeline, log.tail, view).get((INDEX, A))
    assert row is not None
    assert row.image == b"1"


def test_a_commit_conflicts_with_what_came_under_way_after_its_view() -> None:
    log = Log()
    view, reads = log.committer.newest(), ReadSet()
    reads.add_key((INDEX, A))
    log.begin("rival", A, b"1")

    with pytest.raises(Conflicted):
        log.committer.begin(view, reads, Draft(entry(0, put(A, b"2"))))


def test_a_commit_on_what_has_failed_conflicts() -> None:
    log = Log()
    log.begin("fails", A, b"1")
    view, reads = log.committer.newest(), ReadSet()
    reads.add_key((INDEX, A))
    log.pipeline.fail()
    log.begin("takes its place", B, b"2")()

    with pytest.raises(Conflicted):
        log.committer.begin(view, reads, Draft(entry(0, put(A, b"2"))))


def test_what_failed_is_not_read_any_more() -> None:
    log = Log()
    log.begin("fails", A, b"1")
    assert log.read(A) == b"1"

    log.pipeline.fail()
    log.begin("takes its place", B, b"2")

    assert log.read(A) is None


@pytest.mark.parametrize("fails", [False, True])
def test_settling_tells_whether_what_was_read_is_there(fails: bool) -> None:
    log = Log()
    log.begin("under way", A, b"1")
    view = log.committer.newest()
    if fails:
        log.pipeline.fail()
        log.begin("takes its place", B, b"2")

    settled = log.committer.settle(view)

    assert settled is not fails


def test_views_stay_right_over_more_entries_than_are_laid_over_each_other() -> None:
    log = Log()
    for n in range(600):
        landing = log.begin(f"t{n}", bytes([n % 7]), str(n).encode())
        if n % 90 == 89:
            landing()

    seen = [log.read(bytes([n])) for n in range(7)]

    assert set(seen) == {str(n).encode() for n in range(593, 600)}
