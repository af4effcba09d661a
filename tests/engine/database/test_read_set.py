"""A read set knows exactly which keys were looked for."""

from __future__ import annotations

from chalicelib.engine.database.read_set import ReadSet, point, widened
from chalicelib.engine.log import CUT_KEY_BYTES, MAX_KEY_BYTES, Request, stored_key
from chalicelib.engine.persistence import Interval
from tests.conformance.entries import INDEX, drop, entry, move, put


def spans(*pairs: tuple[bytes, bytes | None]) -> ReadSet:
    return ReadSet(Interval(INDEX, low, high) for low, high in pairs)


class TestHolds:
    def test_the_low_end_and_not_the_high_one(self) -> None:
        reads = spans((b"b", b"d"))

        assert [reads.holds((INDEX, key)) for key in (b"a", b"b", b"c", b"d")] == [
            False,
            True,
            True,
            False,
        ]

    def test_everything_above_an_open_end(self) -> None:
        assert spans((b"b", None)).holds((INDEX, b"\xff" * 99))

    def test_a_point_and_none_of_its_neighbours(self) -> None:
        reads = ReadSet([point((INDEX, b"b"))])

        assert reads.holds((INDEX, b"b"))
        assert not reads.holds((INDEX, b"b\x00"))

    def test_nothing_of_another_index(self) -> None:
        assert not spans((b"", None)).holds((INDEX + 1, b"b"))

    def test_nothing_when_it_is_empty(self) -> None:
        assert not ReadSet().holds((INDEX, b""))

    def test_what_was_added_after_it_was_asked(self) -> None:
        reads = spans((b"m", b"n"))
        reads.holds((INDEX, b"a"))

        reads.add(Interval(INDEX, b"a", b"b"))

        assert reads.holds((INDEX, b"a"))


class TestIntervals:
    def test_that_touch_or_overlap_become_one(self) -> None:
        reads = spans((b"c", b"e"), (b"a", b"c"), (b"d", b"f"), (b"x", b"y"))

        assert reads.intervals() == (
            Interval(INDEX, b"a", b"f"),
            Interval(INDEX, b"x", b"y"),
        )

    def test_that_lie_inside_another_disappear(self) -> None:
        assert spans((b"a", None), (b"b", b"c")).intervals() == (
            Interval(INDEX, b"a", None),
        )

    def test_come_sorted_by_index(self) -> None:
        reads = ReadSet([Interval(9, b"", None), Interval(2, b"", None)])

        assert [interval.index for interval in reads.intervals()] == [2, 9]

    def test_go_there_and_back(self) -> None:
        reads = spans((b"a", b"c"), (b"x", None))

        assert ReadSet(reads.intervals()).intervals() == reads.intervals()


class TestTouchedBy:
    def test_an_insertion_a_change_and_a_deletion(self) -> None:
        reads = spans((b"b", b"c"))

        for write in (
            put(b"b", b"{}"),
            move(b"a", b"b", b"{}"),
            move(b"b", b"a", b"{}"),
            drop(b"b"),
        ):
            assert reads.touched_by(entry(1, write))

    def test_not_what_happened_elsewhere(self) -> None:
        assert not spans((b"b", b"c")).touched_by(entry(1, put(b"a", b"{}"), drop(b"c")))

    def test_the_answer_to_a_request_that_was_looked_for(self) -> None:
        request, reads = Request("s", 1), ReadSet()
        reads.add_key(request.key)

        assert reads.touched_by(entry(1, request=request))
        assert not reads.touched_by(entry(1, request=Request("s", 2)))

    def test_any_of_several(self) -> None:
        reads = spans((b"b", b"c"))

        assert reads.touched_by_any(
            [entry(1, put(b"a", b"{}")), entry(2, put(b"b", b"{}"))]
        )
        assert not reads.touched_by_any([])


class TestWidened:
    def test_short_ends_stay(self) -> None:
        assert widened(INDEX, b"a", b"b") == Interval(INDEX, b"a", b"b")

    def test_an_end_below_the_cut_takes_in_all_that_share_the_prefix(self) -> None:
        prefix = b"p" * MAX_KEY_BYTES
        low, high = prefix + b"c", prefix + b"x"

        interval = widened(INDEX, low, high)

        for rest in (b"", b"a", b"d", b"z" * 50):
            assert interval.holds(stored_key(prefix + rest))
        assert not interval.holds(prefix[:-1] + b"q")
        assert len(interval.high or b"") > CUT_KEY_BYTES
