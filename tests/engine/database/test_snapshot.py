"""A snapshot shows the rows as they were at one timestamp."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, drop, entry, move, put, ts
from tests.trial import Interrupted

ALL = Interval(INDEX, b"", None)
LOG = [
    entry(1, put(b"a", b"1", number=1), put(b"b", b"1", number=2)),
    entry(2, put(b"c", b"2", number=3)),
    entry(3, move(b"b", b"d", b"3", number=2)),
    entry(4, drop(b"a", number=1)),
    entry(5, put(b"a", b"5", number=4)),
]
STATES: list[dict[bytes, bytes]] = [
    {},
    {b"a": b"1", b"b": b"1"},
    {b"a": b"1", b"b": b"1", b"c": b"2"},
    {b"a": b"1", b"c": b"2", b"d": b"3"},
    {b"c": b"2", b"d": b"3"},
    {b"a": b"5", b"c": b"2", b"d": b"3"},
]
"""What is there after each entry. Images are as the entries have them, ``before`` included."""


def with_images(log: list[Entry]) -> list[Entry]:
    """The same entries, each with the true image before it."""
    held: dict[bytes, bytes | None] = {}
    found = []
    for one in log:
        writes = tuple(
            msgspec.structs.replace(w, before=held.get(w.id)) for w in one.writes
        )
        held |= {w.id: w.after for w in writes}
        found.append(msgspec.structs.replace(one, writes=writes))
    return found


def world(applied: int, known: int) -> tuple[Interrupted, LogTail, View]:
    """A log of five entries, of which some are applied and the view knows some."""
    storage = Interrupted()
    log = with_images(LOG)
    for one in log:
        storage.append(one)
    storage.apply(log[:applied])
    storage.advance(ts(0), ts(min(applied, known)))
    tail = LogTail(storage, VirtualClock())
    tail.refresh()
    start = min(applied, known)
    view = View(ts(start), ts(known), tail.since(ts(start), ts(known)) or ())
    return storage, tail, view


def read(
    snapshot: Snapshot, *, reverse: bool = False, limit: int | None = None
) -> dict[bytes, bytes]:
    rows = [r for s in snapshot.slices(ALL, reverse=reverse, limit=limit) for r in s.rows]
    assert [row.key for row in rows] == sorted((row.key for row in rows), reverse=reverse)
    return {row.key: row.image for row in rows if row.image is not None}


class TestOverlay:
    @pytest.mark.parametrize("applied", range(6))
    @pytest.mark.parametrize("reverse", [True, False])
    @pytest.mark.parametrize("limit", [None, 1])
    def test_lays_the_tail_over_rows_that_lag(
        self, applied: int, reverse: bool, limit: int | None
    ) -> None:
        storage, tail, view = world(applied, 5)

        assert (
            read(Snapshot(storage, tail, view), reverse=reverse, limit=limit) == STATES[5]
        )

    @pytest.mark.parametrize("applied", range(6))
    def test_is_the_same_key_by_key(self, applied: int) -> None:
        storage, tail, view = world(applied, 5)
        snapshot = Snapshot(storage, tail, view)

        found = {key: snapshot.get((INDEX, key)) for key in (b"a", b"b", b"c", b"d", b"e")}

        held = {key: row.image for key, row in found.items() if row is not None}
        assert held == STATES[5]


class TestPinned:
    @pytest.mark.parametrize("known", range(6))
    @pytest.mark.parametrize("applied", range(6))
    @pytest.mark.parametrize("reverse", [True, False])
    def test_undoes_whatever_came_later(
        self, known: int, applied: int, reverse: bool
    ) -> None:
        storage, tail, view = world(applied, known)

        snapshot = Snapshot(storage, tail, view, pinned=True)

        assert read(snapshot, reverse=reverse, limit=1) == STATES[known]

    @pytest.mark.parametrize("known", range(6))
    @pytest.mark.parametrize("applied", range(6))
    def test_is_the_same_key_by_key(self, known: int, applied: int) -> None:
        storage, tail, view = world(applied, known)
        snapshot = Snapshot(storage, tail, view, pinned=True)

        found = {key: snapshot.get((INDEX, key)) for key in (b"a", b"b", b"c", b"d", b"e")}

        assert {k: r.image for k, r in found.items() if r is not None} == STATES[known]

    def test_undoes_what_is_committed_and_applied_while_it_reads(self) -> None:
        storage, tail, view = world(5, 5)
        later = [
            entry(6 + n, put(bytes([ord("a") + n]) + b"x", b"6", number=90 + n))
            for n in range(5)
        ]

        def interfere(_: Interval) -> None:
            if later:
                one = later.pop(0)
                storage.append(one)
                storage.apply([one])

        storage.after_scan = interfere
        snapshot = Snapshot(storage, tail, view, pinned=True)

        assert read(snapshot, limit=1) == STATES[5]
        assert len(later) < 5

    def test_below_the_kept_log_is_refused(self) -> None:
        storage, tail, _ = world(5, 5)
        snapshot = Snapshot(storage, tail, View(0, 0, ()), pinned=True)

        with pytest.raises(BelowHorizon):
            read(snapshot)


def test_slices_cover_the_interval_without_a_gap() -> None:
    storage, tail, view = world(3, 5)
    snapshot = Snapshot(storage, tail, view)

    covered = [piece.interval for piece in snapshot.slices(ALL, reverse=False, limit=1)]

    assert covered[0].low == b""
    assert covered[-1].high is None
    for one, two in pairwise(covered):
        assert one.high == two.low
