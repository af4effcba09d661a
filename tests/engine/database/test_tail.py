"""A process knows the end of the log as it last read it, and never less."""

from __future__ import annotations

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database.overlay import Overlay
from chalicelib.engine.database.tail import (
    LONG_TAIL_ENTRIES,
    STALE_HEAD_MS,
    LogTail,
)
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.persistence import Interval, Marks, Tail
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, drop, entry, put, ts

ALL = Interval(INDEX, b"", None)


class Counting(MemoryPersistence):
    """Storage that counts readings of the tail, and may have been trimmed."""

    def __init__(self) -> None:
        super().__init__()
        self.readings, self.horizon = 0, ORIGIN

    @override
    def tail(self, after: int, limit: int = 1000) -> Tail:
        self.readings += 1
        if after < self.horizon:
            raise BelowHorizon("trimmed")
        return super().tail(after, limit)

    @override
    def marks(self) -> Marks:
        return Marks(super().marks().applied, self.horizon)


class Overtaken(MemoryPersistence):
    """Storage that answers the first reading of the marks when another thread has had its own."""

    tail_of_both: LogTail | None = None

    @override
    def marks(self) -> Marks:
        found, tail = super().marks(), self.tail_of_both
        if tail is not None:
            self.tail_of_both = None
            tail.refresh()
        return found


@pytest.fixture
def storage() -> Counting:
    return Counting()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def tail(storage: Counting, clock: VirtualClock) -> LogTail:
    return LogTail(storage, clock)


def test_an_empty_log_ends_at_its_origin(tail: LogTail) -> None:
    assert (tail.view().ts, tail.view().applied) == (ORIGIN, ORIGIN)


def test_a_view_costs_no_reading_once_the_end_is_known(
    storage: Counting, tail: LogTail
) -> None:
    tail.refresh()
    before = storage.readings

    tail.view()

    assert storage.readings == before


def test_a_view_is_read_anew_when_the_last_reading_is_old(
    storage: Counting, tail: LogTail, clock: VirtualClock
) -> None:
    tail.refresh()
    storage.append(entry(1))
    clock.wait_ms(STALE_HEAD_MS + 1)

    assert tail.view().ts == ts(1)


def test_a_refresh_finds_every_entry_however_many(storage: Counting, tail: LogTail) -> None:
    for position in range(1, 2_502):
        storage.append(entry(position))

    assert tail.refresh().ts == ts(2_501)


def test_what_this_process_commits_is_known_without_reading(
    storage: Counting, tail: LogTail
) -> None:
    tail.refresh()
    storage.append(mine := entry(1))
    before = storage.readings

    tail.committed(mine)

    assert (tail.view().ts, storage.readings) == (ts(1), before)


def test_a_commit_beyond_a_gap_is_not_taken_in(storage: Counting, tail: LogTail) -> None:
    tail.refresh()

    tail.committed(entry(2))

    assert tail.view().ts == ORIGIN


def test_a_commit_that_is_known_is_not_taken_in_twice(
    storage: Counting, tail: LogTail
) -> None:
    storage.append(entry(1))
    tail.refresh()

    tail.committed(entry(1))

    assert tail.view().ts == ts(1)


def test_entries_since_a_timestamp_come_in_order(storage: Counting, tail: LogTail) -> None:
    for position in (1, 2, 3):
        storage.append(entry(position))
    view = tail.refresh()

    assert [e.ts for e in tail.since(ts(1), view.ts) or ()] == [ts(2), ts(3)]
    assert list(tail.since(view.ts, view.ts) or ()) == []


def test_entries_below_what_is_kept_are_read_from_the_log(
    storage: Counting, clock: VirtualClock
) -> None:
    for position in (1, 2, 3):
        storage.append(entry(position))
    storage.advance(ORIGIN, ts(3))
    tail = LogTail(storage, clock)
    tail.refresh()

    assert [e.ts for e in tail.since(ORIGIN, ts(3)) or ()] == [ts(1), ts(2), ts(3)]


def test_entries_below_the_horizon_are_not_to_be_had(
    storage: Counting, clock: VirtualClock
) -> None:
    for position in (1, 2, 3):
        storage.append(entry(position))
    storage.advance(ORIGIN, ts(3))
    storage.horizon = ts(3)
    tail = LogTail(storage, clock)
    tail.refresh()

    assert tail.since(ts(1), ts(3)) is None


def test_a_process_that_slept_below_the_horizon_begins_anew(
    storage: Counting, tail: LogTail
) -> None:
    tail.refresh()
    for position in (1, 2, 3):
        storage.append(entry(position))
    storage.advance(ORIGIN, ts(2))
    storage.horizon = ts(2)

    assert (tail.refresh().ts, tail.view().applied) == (ts(3), ts(2))


def test_whoever_begins_at_an_older_mark_forgets_nothing_that_others_know(
    clock: VirtualClock,
) -> None:
    storage = Overtaken()
    for position in (1, 2, 3):
        storage.append(entry(position))
    storage.tail_of_both = tail = LogTail(storage, clock)

    tail.glance()

    assert tail.view().ts == ts(3)
    assert [e.ts for e in tail.since(ts(1), ts(3)) or ()] == [ts(2), ts(3)]


def test_entries_that_are_applied_leave_the_view(storage: Counting, tail: LogTail) -> None:
    storage.append(entry(1, put(b"a", b"{}")))
    storage.append(entry(2, put(b"b", b"{}")))
    tail.refresh()

    tail.applied(ts(1))

    assert [e.ts for e in tail.view().entries] == [ts(2)]


def test_a_mark_beyond_the_known_end_is_not_believed(
    storage: Counting, tail: LogTail
) -> None:
    tail.refresh()

    tail.applied(ts(9))

    assert tail.view().applied == ORIGIN


def test_a_long_tail_has_the_watermark_read_again(storage: Counting, tail: LogTail) -> None:
    tail.refresh()
    for position in range(1, LONG_TAIL_ENTRIES + 2):
        storage.append(entry(position))
    storage.advance(ORIGIN, ts(LONG_TAIL_ENTRIES))

    view = tail.refresh()

    assert (view.ts, len(view.entries)) == (ts(LONG_TAIL_ENTRIES + 1), 1)


def test_the_overlay_has_the_newest_state_of_each_key(
    storage: Counting, tail: LogTail
) -> None:
    storage.append(entry(1, put(b"a", b"1"), put(b"b", b"1", number=2)))
    storage.append(entry(2, put(b"a", b"2")))
    storage.append(entry(3, drop(b"b", number=2)))

    found = tail.refresh().overlay.within(ALL)

    assert {key: row.image for key, row in found.items()} == {b"a": b"2", b"b": None}


def test_a_report_that_begins_where_the_log_was_trimmed_is_taken_as_far_as_it_is_kept() -> (
    None
):
    storage, clock = MemoryPersistence(), VirtualClock()
    for position in (1, 2, 3):
        storage.append(entry(position))
    tail = LogTail(storage, clock)
    tail.refresh()

    found = tail.reported(ORIGIN - 1, ORIGIN + 2)

    assert [e.ts for e in found] == [ORIGIN + 1, ORIGIN + 2]
    assert list(tail.reported(ORIGIN + 4, ORIGIN + 9)) == []


def test_what_a_view_lays_over_the_rows_is_what_its_entries_leave(
    storage: Counting, tail: LogTail
) -> None:
    tail.refresh()
    views = []
    for position in range(1, 8):
        write = drop(b"a") if position % 3 == 0 else put(b"abc"[position % 2 :][:1], b"x")
        storage.append(mine := entry(position, write))
        tail.committed(mine)
        if position == 5:
            tail.applied(ts(2))
        views.append(tail.view())
        if position % 2:
            assert views[-1].overlay.within(ALL)  # every other one is built upon

    assert [view.overlay.within(ALL) for view in views] == [
        Overlay().with_entries(view.entries).within(ALL) for view in views
    ]
    assert [len(view.entries) for view in views] == [1, 2, 3, 4, 3, 4, 5]


def test_a_glance_reads_the_marks_alone_and_ends_where_the_rows_do(
    storage: Counting, tail: LogTail
) -> None:
    for position in (1, 2):
        storage.append(entry(position))
    storage.advance(ORIGIN, ts(1))

    glance = tail.glance()

    assert (glance.ts, glance.applied, storage.readings) == (ts(1), ts(1), 0)


def test_after_a_glance_the_end_is_read_before_a_put_may_rely_on_it(
    storage: Counting, tail: LogTail
) -> None:
    storage.append(entry(1))
    tail.glance()

    assert tail.is_stale()
    assert (tail.view().ts, storage.readings) == (ts(1), 1)
    assert tail.glance().ts == ts(1)
