"""What every adapter of the storage port does with what is old."""

from hashlib import shake_128

import pytest

from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import ORIGIN, REQUESTS_INDEX, Entry, Request, Row, rows
from chalicelib.engine.persistence import Interval, Marks, Persistence
from tests.conformance.entries import INDEX, document, drop, entry, put, ts
from tests.conformance.stores import Store, write_log

EVERYTHING = Interval(INDEX, b"", None)


def log_of(log: Persistence, count: int) -> list[Entry]:
    """Commit some entries; each has a row of its own."""
    entries = [entry(n, put(b"%02d" % n, b"{}", number=n)) for n in range(1, count + 1)]
    write_log(log, *entries)
    return entries


def trim_all(log: Persistence, limit: int = 100) -> int:
    """Trim until there is nothing left to be trimmed; return how many went."""
    total = 0
    while count := log.trim(limit):
        assert count <= limit
        total += count
    return total


class TestTheHorizon:
    def test_begins_where_the_log_does(self, log: Persistence) -> None:
        assert log.marks().horizon == ORIGIN

    def test_is_raised_and_leaves_the_watermark_alone(self, log: Persistence) -> None:
        log_of(log, 4)

        log.raise_horizon(ts(2))

        assert log.marks() == Marks(ts(4), ts(2))

    def test_is_never_lowered(self, log: Persistence) -> None:
        log_of(log, 4)
        log.raise_horizon(ts(3))

        log.raise_horizon(ts(1))

        assert log.marks().horizon == ts(3)

    def test_can_be_raised_before_the_watermark_has_moved(self, log: Persistence) -> None:
        if log.applies_at_once:
            pytest.skip("the watermark moves with the log")
        log.append(entry(1))
        log.append(entry(2))

        log.raise_horizon(ts(1))
        moved = log.advance(ORIGIN, ts(1))

        assert moved
        assert log.marks() == Marks(ts(1), ts(1))

    def test_survives_a_restart(self, store: Store, log: Persistence) -> None:
        entries = log_of(log, 4)
        log.raise_horizon(ts(2))
        trim_all(log)

        later = store.again(log)

        assert later.marks() == Marks(ts(4), ts(2))
        assert later.tail(ts(2)).entries == tuple(entries[2:])
        assert later.append(entry(5)) is None


class TestTrimming:
    def test_removes_nothing_above_the_horizon(self, log: Persistence) -> None:
        entries = log_of(log, 6)
        log.raise_horizon(ts(4))

        trimmed = trim_all(log, limit=3)

        assert trimmed == 4
        assert log.tail(ts(4)).entries == tuple(entries[4:])

    def test_of_a_log_whose_horizon_was_never_raised_removes_nothing(
        self, log: Persistence
    ) -> None:
        entries = log_of(log, 3)

        assert log.trim(10) == 0
        assert log.tail(ORIGIN).entries == tuple(entries)

    def test_has_readings_from_below_refused(self, log: Persistence) -> None:
        log_of(log, 6)
        log.raise_horizon(ts(4))
        trim_all(log)

        for position in range(4):
            with pytest.raises(BelowHorizon):
                log.tail(ts(position))

    def test_half_done_does_not_pass_a_trimmed_entry_off_as_the_end_of_the_log(
        self, log: Persistence
    ) -> None:
        entries = log_of(log, 6)
        log.raise_horizon(ts(4))
        log.trim(2)

        for position in (0, 1, 2, 3):
            # Who is told that the log ends here would commit into the past.
            try:
                found = log.tail(ts(position)).entries
            except BelowHorizon:
                continue
            assert found == tuple(entries[position:])

    def test_leaves_rows_alone(self, log: Persistence) -> None:
        log_of(log, 3)
        log.raise_horizon(ts(2))

        trim_all(log)

        found = log.scan(EVERYTHING, reverse=False, limit=10).rows
        assert [row.key for row in found] == [b"01", b"02", b"03"]

    def test_takes_large_entries_with_all_of_their_parts(self, log: Persistence) -> None:
        image = shake_128(b"noise").digest(1 << 20)
        write_log(log, *(entry(n, put(b"k", image + b"%d" % n)) for n in range(1, 4)))
        log.raise_horizon(ts(2))

        assert trim_all(log) == 2
        assert log.tail(ts(2)).entries[0].writes[0].after == image + b"3"
        assert log.get(INDEX, b"k") == Row(INDEX, b"k", ts(3), document(1), image + b"3")


class TestForgetting:
    def test_removes_a_tombstone_for_good(self, log: Persistence) -> None:
        gone = entry(2, drop(b"a"))
        write_log(log, entry(1, put(b"a", b"1")), gone)

        log.forget([row for row in rows(gone) if row.image is None])
        log.apply([entry(1, put(b"a", b"again"))])

        # Nothing is left that would refuse an older row: the caller knows that none comes.
        assert log.get(INDEX, b"a") is not None

    def test_leaves_a_row_that_was_written_since(self, log: Persistence) -> None:
        gone, back = entry(2, drop(b"a")), entry(3, put(b"a", b"3"))
        write_log(log, entry(1, put(b"a", b"1")), gone, back)

        log.forget([row for row in rows(gone) if row.image is None])

        assert log.get(INDEX, b"a") == Row(INDEX, b"a", ts(3), document(1), b"3")

    def test_removes_the_answer_to_a_request(self, log: Persistence) -> None:
        request = Request("session", 1)
        asked = entry(1, put(b"a", b"1"), request=request, result=b"1")
        write_log(log, asked)

        log.forget([row for row in rows(asked) if row.index == REQUESTS_INDEX])

        assert log.get(*request.key) is None
        assert log.get(INDEX, b"a") is not None

    def test_of_what_is_gone_already_does_nothing(self, log: Persistence) -> None:
        gone = entry(2, drop(b"a"))
        write_log(log, entry(1, put(b"a", b"1")), gone)

        for _ in range(2):
            log.forget(list(rows(gone)))
        log.forget([])

        assert log.scan(EVERYTHING, reverse=False, limit=10).rows == ()


class TestRemovingAnIndex:
    def test_takes_all_of_its_rows_in_steps_and_no_others(self, log: Persistence) -> None:
        keys = [b"%d" % n for n in range(5)]
        log.apply([entry(1, *(put(key, b"{}", number=n) for n, key in enumerate(keys)))])
        log.apply([entry(2, drop(b"3", number=3), put(b"x", b"{}", index=INDEX + 1))])

        removed = []
        while count := log.remove_index(INDEX, 2):
            removed.append(count)

        assert sum(removed) == 5
        assert max(removed) <= 2
        assert log.scan(EVERYTHING, reverse=False, limit=10).rows == ()
        assert log.get(INDEX + 1, b"x") is not None

    def test_of_an_index_without_rows_is_done(self, log: Persistence) -> None:
        assert log.remove_index(INDEX, 10) == 0


class TestNotes:
    def test_are_empty_first_and_then_what_was_kept_last(
        self, store: Store, log: Persistence
    ) -> None:
        first = log.notes()

        log.keep_notes(b"one")
        log.keep_notes(b"two")

        assert first == b""
        assert log.notes() == b"two"
        assert store.again(log).notes() == b"two"


class TestSweeping:
    def test_leaves_what_is_young_and_ends(self, log: Persistence) -> None:
        image = shake_128(b"noise").digest(1 << 20)
        write_log(log, entry(1, put(b"k", image)))

        cursor, steps = log.sweep("", 1), 0
        while cursor and steps < 100:
            cursor, steps = log.sweep(cursor, 1), steps + 1

        assert cursor == ""
        assert log.tail(ORIGIN).entries[0].writes[0].after == image
        assert log.get(INDEX, b"k") is not None
