"""What every adapter of the storage port does."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import shake_128
from threading import Barrier
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb import log_items
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine import persistence
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import CUT_KEY_BYTES, ORIGIN, Entry, Request, Row, Write
from chalicelib.engine.persistence import PAGE_BYTES, Interval, Marks, Persistence
from tests.conformance.entries import INDEX, document, drop, entry, move, put, ts
from tests.conformance.stores import Store, write_log

T = TypeVar("T")

EVERYTHING = Interval(INDEX, b"", None)


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Run all calls on threads that start together."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def scan_all(
    log: Persistence,
    interval: Interval = EVERYTHING,
    *,
    reverse: bool = False,
    limit: int = 100,
) -> list[Row]:
    found: list[Row] = []
    while True:
        page = log.scan(interval, reverse=reverse, limit=limit)
        assert len(page.rows) <= limit
        found.extend(page.rows)
        if page.resume is None:
            return found
        index, low, high = interval.index, interval.low, interval.high
        interval = (
            Interval(index, low, page.resume)
            if reverse
            else Interval(index, page.resume, high)
        )


def row(
    key: bytes, position: int, image: bytes, *, index: int = INDEX, number: int = 1
) -> Row:
    return Row(index, key, ts(position), document(number), image)


TAIL_LIMITS = (persistence, log_items)
"""Modules that hold the bytes of a full reading of the tail."""


class TestAppend:
    def test_takes_a_free_position(self, log: Persistence) -> None:
        first = entry(1, put(b"a", b"{}"))

        refusal = log.append(first)

        assert refusal is None
        assert log.tail(ORIGIN).entries == (first,)

    def test_refuses_a_taken_position_with_the_entry_that_holds_it(
        self, log: Persistence
    ) -> None:
        winner = entry(1, put(b"a", b'{"x":1}'), transaction="winner")
        log.append(winner)

        refusal = log.append(entry(1, transaction="loser"))

        assert refusal == winner
        assert log.tail(ORIGIN).entries == (winner,)

    def test_answers_a_repeated_append_with_the_entry_itself(
        self, log: Persistence
    ) -> None:
        mine = entry(1, put(b"a", b"{}"))
        log.append(mine)

        refusal = log.append(mine)

        assert refusal == mine

    def test_refuses_an_old_position_long_after(self, log: Persistence) -> None:
        entries = [entry(n, put(b"k%d" % n, b"{}", number=n)) for n in range(1, 6)]
        write_log(log, *entries)

        refusal = log.append(entry(2, transaction="late"))

        assert refusal == entries[1]

    def test_of_many_threads_lets_exactly_one_win_and_shows_it_to_the_others(
        self, log: Persistence
    ) -> None:
        for position in range(1, 6):
            rivals = [
                entry(position, put(b"k", b'"%d"' % n), transaction=f"t{n}")
                for n in range(8)
            ]

            answers = at_once(*[lambda rival=rival: log.append(rival) for rival in rivals])

            winners = [
                rival
                for rival, answer in zip(rivals, answers, strict=True)
                if answer is None
            ]
            assert len(winners) == 1
            assert {answer.transaction for answer in answers if answer is not None} == {
                winners[0].transaction
            }
            assert log.tail(ts(position - 1)).entries == tuple(winners)

    def test_shows_a_refused_appender_only_what_readers_can_see(
        self, log: Persistence
    ) -> None:
        rivals = [entry(1, transaction=f"t{n}") for n in range(6)]

        def append_then_read(rival: Entry) -> tuple[Entry, tuple[Entry, ...]]:
            return log.append(rival) or rival, log.tail(ORIGIN).entries

        answers = at_once(
            *[lambda rival=rival: append_then_read(rival) for rival in rivals]
        )

        assert all(seen == (winner,) for winner, seen in answers)
        assert len({winner.transaction for winner, _ in answers}) == 1

    def test_loses_no_increment_of_racing_committers(self, log: Persistence) -> None:
        def commit(thread: int) -> None:
            for n in range(5):
                name, head = f"{thread}-{n}", ORIGIN
                while True:
                    known = log.tail(head).entries
                    head += len(known)
                    count = log.tail(head - 1).entries[0].result if head > ORIGIN else b"0"
                    assert count is not None
                    following = entry(
                        head - ORIGIN + 1, transaction=name, result=b"%d" % (int(count) + 1)
                    )
                    if log.append(following) is None:
                        break

        at_once(*[lambda n=n: commit(n) for n in range(4)])

        entries = log.tail(ORIGIN).entries
        assert [item.result for item in entries] == [b"%d" % n for n in range(1, 21)]
        assert len({item.transaction for item in entries}) == 20

    def test_keeps_every_part_of_an_entry(self, log: Persistence) -> None:
        whole = Entry(
            ts(1), "t", 12, "a/b:c", "issuer|alice", Request("session", 3), b'"done"',
            ("one", "two"),
            (Write(3, document(9), b'{"a":1}', b'{"a":2}', ((1, b"x"),), ((1, b"y"), (2, b""))),),
        )  # fmt: skip

        log.append(whole)

        assert log.tail(ORIGIN).entries == (whole,)
        assert log.append(entry(1, transaction="other")) == whole

    def test_stores_entries_of_many_megabytes(self, store: Store, log: Persistence) -> None:
        pseudo_random = bytes(range(1, 256)) * 4112
        writes = [
            put(b"k%d" % n, noise(n, 1 << 20) + pseudo_random[:100], number=n)
            for n in range(1, 7)
        ]
        big = entry(1, *writes)

        assert log.append(big) is None
        small = entry(2, put(b"small", b"{}"))
        assert log.append(small) is None

        assert log.append(entry(1, transaction="other")) == big
        assert read_tail(log, ORIGIN) == [big, small]
        assert read_tail(store.again(log), ORIGIN) == [big, small]

    def test_survives_a_restart(self, store: Store, log: Persistence) -> None:
        entries = [entry(n, put(b"a", b"%d" % n)) for n in range(1, 4)]
        write_log(log, *entries)

        later = store.again(log)

        assert later.tail(ORIGIN).entries == tuple(entries)
        assert later.marks() == Marks(ts(3), ORIGIN)
        assert later.get(INDEX, b"a") == row(b"a", 3, b"3")
        assert later.append(entry(3, transaction="other")) == entries[2]
        assert later.append(entry(4)) is None


def noise(seed: int, length: int) -> bytes:
    """Bytes that do not compress."""
    return shake_128(str(seed).encode()).digest(length)


def read_tail(log: Persistence, after: int) -> list[Entry]:
    """Read to the head, in as many readings as it takes."""
    found: list[Entry] = []
    while part := log.tail(after).entries:
        found.extend(part)
        after = part[-1].ts
    return found


class TestTail:
    def test_of_an_empty_log_is_empty(self, log: Persistence) -> None:
        assert log.tail(ORIGIN).entries == ()

    def test_after_the_head_is_empty(self, log: Persistence) -> None:
        log.append(entry(1))

        assert log.tail(ts(1)).entries == ()

    def test_begins_after_the_given_position_and_ends_at_the_limit(
        self, log: Persistence
    ) -> None:
        entries = [entry(n) for n in range(1, 8)]
        for item in entries:
            log.append(item)

        assert log.tail(ts(2)).entries == tuple(entries[2:])
        assert log.tail(ts(2), 3).entries == tuple(entries[2:5])

    def test_says_whether_it_was_full(self, log: Persistence) -> None:
        for number in range(1, 4):
            log.append(entry(number))

        assert log.tail(ORIGIN, 2).more
        assert not log.tail(ORIGIN, 4).more
        assert not log.tail(ts(3)).more

    def test_is_full_with_so_many_bytes_however_few_entries_that_are(
        self, log: Persistence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module in TAIL_LIMITS:
            monkeypatch.setattr(module, "TAIL_BYTES", 1_000_000)
        # What cannot be compressed, and what is small until it is unpacked; some is staged.
        images = [noise(1, 400_000), b"x" * 900_000, noise(3, 300_000), noise(4, 700_000)]
        entries = [entry(n, put(b"k", image)) for n, image in enumerate(images, 1)]
        for item in entries:
            log.append(item)

        readings = [log.tail(ORIGIN), log.tail(ts(2)), log.tail(ts(4))]

        assert [reading.entries for reading in readings] == [
            tuple(entries[:2]),
            tuple(entries[2:]),
            (),
        ]
        assert [reading.more for reading in readings[::2]] == [True, False]

    def test_reads_on_over_many_pages(self, log: Persistence) -> None:
        entries = [entry(n, put(b"k", noise(n, 300_000))) for n in range(1, 8)]
        for item in entries:
            log.append(item)

        assert read_tail(log, ORIGIN) == entries

    def test_below_the_horizon_is_refused(self, log: Persistence) -> None:
        log.append(entry(1))

        with pytest.raises(BelowHorizon):
            log.tail(ORIGIN - 1)

    def test_never_has_a_hole_while_others_append(self, log: Persistence) -> None:
        def append_all() -> list[tuple[Entry, ...]]:
            for n in range(1, 31):
                log.append(entry(n))
            return []

        def read() -> list[tuple[Entry, ...]]:
            return [log.tail(ORIGIN).entries for _ in range(30)]

        _, *readings = at_once(append_all, read, read)

        for reading in [part for parts in readings for part in parts]:
            assert [item.ts for item in reading] == [ts(n + 1) for n in range(len(reading))]


class TestTornTail:
    @pytest.fixture(autouse=True)
    def _only_where_a_log_can_be_torn(self, store: Store) -> None:
        if not store.can_tear:
            pytest.skip("this log is contiguous by construction")

    def test_ends_at_the_first_gap(self, log: Persistence) -> None:
        first = entry(1)
        for item in (first, entry(3), entry(4)):
            log.append(item)

        assert log.tail(ORIGIN).entries == (first,)

    def test_is_empty_when_the_gap_comes_first(self, log: Persistence) -> None:
        log.append(entry(1))
        log.append(entry(3))

        assert log.tail(ts(1)).entries == ()

    def test_ends_at_a_gap_between_pages(self, log: Persistence) -> None:
        entries = [entry(n, put(b"k", noise(n, 300_000))) for n in (1, 2, 3, 4, 6, 7, 8, 9)]
        for item in entries:
            log.append(item)

        assert read_tail(log, ORIGIN) == entries[:4]


class TestContiguousLog:
    def test_refuses_a_put_beyond_its_end(self, store: Store, log: Persistence) -> None:
        if store.can_tear:
            pytest.skip("this log cannot know its end")

        with pytest.raises(AssertionError):
            log.append(entry(2))


class TestApply:
    def test_writes_the_rows_of_an_entry(self, log: Persistence) -> None:
        log.apply([entry(1, put(b"a", b'{"x":1}'))])

        assert log.get(INDEX, b"a") == row(b"a", 1, b'{"x":1}')

    def test_replaces_older_rows(self, log: Persistence) -> None:
        log.apply([entry(1, put(b"a", b"1"))])
        log.apply([entry(2, put(b"a", b"2"))])

        assert log.get(INDEX, b"a") == row(b"a", 2, b"2")

    def test_leaves_newer_rows_to_a_late_applier(self, log: Persistence) -> None:
        log.apply([entry(2, put(b"a", b"2"))])
        log.apply([entry(1, put(b"a", b"1"))])

        assert log.get(INDEX, b"a") == row(b"a", 2, b"2")

    def test_does_not_let_a_late_applier_bring_a_deleted_row_back(
        self, log: Persistence
    ) -> None:
        log.apply([entry(2, drop(b"a"))])
        log.apply([entry(1, put(b"a", b"1"))])

        assert log.get(INDEX, b"a") is None
        assert scan_all(log) == []

    def test_lets_a_newer_entry_fill_a_deleted_row(self, log: Persistence) -> None:
        log.apply([entry(1, put(b"a", b"1")), entry(2, drop(b"a"))])
        log.apply([entry(3, put(b"a", b"3"))])

        assert log.get(INDEX, b"a") == row(b"a", 3, b"3")

    def test_moves_a_row_whose_key_changed(self, log: Persistence) -> None:
        log.apply([entry(1, put(b"a", b"1"))])
        log.apply([entry(2, move(b"a", b"b", b"2"))])

        assert scan_all(log) == [row(b"b", 2, b"2")]

    def test_takes_consecutive_entries_at_once(self, log: Persistence) -> None:
        log.apply(
            [
                entry(1, put(b"a", b"1")),
                entry(2, put(b"a", b"2")),
                entry(3, put(b"b", b"3")),
            ]
        )

        assert scan_all(log) == [row(b"a", 2, b"2"), row(b"b", 3, b"3")]

    def test_takes_nothing(self, log: Persistence) -> None:
        log.apply([])

        assert scan_all(log) == []

    def test_keeps_the_answer_to_a_request(self, log: Persistence) -> None:
        request = Request("session", 4)
        log.apply([entry(1, request=request, result=b'"done"')])

        answer = log.get(*request.key)

        assert answer is not None
        assert (answer.ts, answer.id) == (ts(1), b"")

    def test_writes_thousands_of_rows(self, log: Persistence) -> None:
        writes = [put(b"%04d" % n, b"{}", number=n) for n in range(300)]

        log.apply([entry(1, *writes)])

        assert [found.key for found in scan_all(log)] == [b"%04d" % n for n in range(300)]

    def test_by_racing_appliers_ends_with_the_newest(self, log: Persistence) -> None:
        entries = [entry(n, put(b"a", b"%d" % n)) for n in range(1, 13)]

        at_once(*[lambda item=item: log.apply([item]) for item in entries])

        assert log.get(INDEX, b"a") == row(b"a", 12, b"12")


class TestAdvance:
    def test_moves_the_watermark_to_the_head(self, log: Persistence) -> None:
        write_log(log, entry(1), entry(2))

        assert log.marks() == Marks(ts(2), ORIGIN)

    def test_is_refused_when_the_watermark_stands_elsewhere(self, log: Persistence) -> None:
        write_log(log, entry(1), entry(2))

        moved = log.advance(ts(1), ts(2))

        assert not moved
        assert log.marks().applied == ts(2)

    def test_of_a_new_log_begins_at_its_origin(self, log: Persistence) -> None:
        assert log.marks() == Marks(ORIGIN, ORIGIN)

    def test_is_done_by_exactly_one_of_many(self, log: Persistence) -> None:
        if log.applies_at_once:
            pytest.skip("the watermark moves with the log")
        log.append(entry(1))
        log.apply([entry(1)])

        moved = at_once(*[lambda: log.advance(ORIGIN, ts(1)) for _ in range(6)])

        assert moved.count(True) == 1

    def test_follows_every_append_where_rows_are_written_at_once(
        self, log: Persistence
    ) -> None:
        if not log.applies_at_once:
            pytest.skip("rows are written later")
        log.append(entry(1, put(b"a", b"1")))

        assert log.marks().applied == ts(1)
        assert log.get(INDEX, b"a") == row(b"a", 1, b"1")


class TestScan:
    @pytest.fixture
    def log(self, store: Store) -> Persistence:
        log = store.fresh()
        keys = [b"a", b"b", b"ba", b"c", b"d", b"d\x00", b"\xff\xff"]
        log.apply(
            [entry(1, *[put(key, b"%d" % n, number=n) for n, key in enumerate(keys)])]
        )
        return log

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (b"", None, [b"a", b"b", b"ba", b"c", b"d", b"d\x00", b"\xff\xff"]),
            (b"b", b"d", [b"b", b"ba", b"c"]),
            (b"b", b"b", []),
            (b"d", b"b", []),
            (b"", b"", []),
            (b"b\x00", b"d\x00", [b"ba", b"c", b"d"]),
            (b"e", b"f", []),
            (b"d\x00", None, [b"d\x00", b"\xff\xff"]),
            (b"\xff\xff", b"\xff\xff\x00", [b"\xff\xff"]),
        ],
    )
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_reads_what_lies_in_the_interval_both_ways(
        self,
        log: Persistence,
        low: bytes,
        high: bytes | None,
        expected: list[bytes],
        limit: int,
    ) -> None:
        interval = Interval(INDEX, low, high)

        forward = scan_all(log, interval, reverse=False, limit=limit)
        backward = scan_all(log, interval, reverse=True, limit=limit)

        assert [found.key for found in forward] == expected
        assert backward == forward[::-1]

    def test_leaves_tombstones_out_and_reads_on_behind_them(self, log: Persistence) -> None:
        gone = [drop(key, number=n) for n, key in enumerate([b"a", b"b", b"ba", b"c"])]
        log.apply([entry(2, *gone)])

        found = scan_all(log, limit=1)

        assert [item.key for item in found] == [b"d", b"d\x00", b"\xff\xff"]

    def test_keeps_indexes_apart(self, log: Persistence) -> None:
        log.apply([entry(2, put(b"b", b"other", index=INDEX + 1))])

        found = scan_all(log, Interval(INDEX + 1, b"", None))

        assert found == [row(b"b", 2, b"other", index=INDEX + 1)]

    def test_finds_the_empty_key(self, log: Persistence) -> None:
        log.apply([entry(2, put(b"", b"empty"))])

        assert log.get(INDEX, b"") == row(b"", 2, b"empty")
        assert log.scan(EVERYTHING, reverse=False, limit=1).rows == (row(b"", 2, b"empty"),)
        assert scan_all(log, reverse=True)[-1].key == b""

    def test_takes_the_longest_keys(self, log: Persistence) -> None:
        keys = [b"z" * (CUT_KEY_BYTES - 1), b"z" * CUT_KEY_BYTES]
        log.apply([entry(2, *[put(key, b"{}", number=n) for n, key in enumerate(keys)])])

        found = scan_all(log, Interval(INDEX, b"z" * 1200, None), limit=1)
        below = scan_all(log, Interval(INDEX, b"z", b"z" * 1200), limit=1)

        assert log.get(INDEX, keys[1]) == row(keys[1], 2, b"{}", number=1)
        assert [item.key for item in found] == [b"\xff\xff"]
        assert [item.key for item in below] == keys

    def test_reads_large_documents(self, log: Persistence) -> None:
        image = noise(1, 1 << 20)
        both = Write(1, document(5), None, image, (), ((INDEX, b"L"), (INDEX + 1, b"L")))
        log.apply([entry(2, both)])

        assert log.get(INDEX, b"L") == row(b"L", 2, image, number=5)
        assert scan_all(log, Interval(INDEX + 1, b"", None)) == [
            row(b"L", 2, image, index=INDEX + 1, number=5)
        ]
        assert row(b"L", 2, image, number=5) in scan_all(log)

    @pytest.mark.parametrize("reverse", [False, True])
    def test_ends_a_page_with_a_few_large_documents_and_reads_on(
        self, log: Persistence, *, reverse: bool
    ) -> None:
        large = {b"L%d" % n: noise(n, 1 << 20) for n in range(6)}
        writes = [put(key, image, number=n) for n, (key, image) in enumerate(large.items())]
        log.apply([entry(2, *writes)])
        interval = Interval(INDEX, b"L", b"M")

        page = log.scan(interval, reverse=reverse, limit=1000)
        found = scan_all(log, interval, reverse=reverse, limit=1000)

        assert sum(len(item.image or b"") for item in page.rows) == PAGE_BYTES
        assert [item.key for item in found] == sorted(large, reverse=reverse)
        assert {item.key: item.image for item in found} == large

    def test_reads_the_newer_of_two_large_documents(self, log: Persistence) -> None:
        log.apply([entry(2, put(b"L", noise(2, 500_000)))])
        log.apply([entry(3, put(b"L", noise(3, 600_000)))])
        log.apply([entry(2, put(b"L", noise(2, 500_000)))])

        assert log.get(INDEX, b"L") == row(b"L", 3, noise(3, 600_000))

    def test_takes_an_empty_image_for_a_row(self, log: Persistence) -> None:
        log.apply([entry(2, put(b"e", b""))])

        assert log.get(INDEX, b"e") == row(b"e", 2, b"")


class TestGet:
    def test_of_an_absent_row_is_none(self, log: Persistence) -> None:
        assert log.get(INDEX, b"nothing") is None

    def test_does_not_see_other_indexes(self, log: Persistence) -> None:
        log.apply([entry(1, put(b"a", b"1", index=INDEX + 1))])

        assert log.get(INDEX, b"a") is None

    def test_of_many_rows_gives_each_in_the_order_asked_for(self, log: Persistence) -> None:
        log.apply(
            [
                entry(1, put(b"a", b"1"), put(b"b", b"2"), put(b"gone", b"3")),
                entry(2, drop(b"gone"), put(b"large", noise(1, 500_000))),
            ]
        )
        keys = [b"b", b"nothing", b"a", b"gone", b"large", b"b", b""]

        found = log.get_all([(INDEX, key) for key in keys])

        assert found == [log.get(INDEX, key) for key in keys]
        assert [row.key if row else None for row in found] == [
            b"b",
            None,
            b"a",
            None,
            b"large",
            b"b",
            None,
        ]

    def test_of_more_rows_than_one_call_takes_gives_them_all(
        self, log: Persistence
    ) -> None:
        keys = [(INDEX, f"{n:03}".encode()) for n in range(130)]
        log.apply(
            [entry(1, *(put(key, b"1", number=n) for n, (_, key) in enumerate(keys)))]
        )

        assert [row and row.key for row in log.get_all(keys)] == [key for _, key in keys]

    def test_of_no_rows_gives_none(self, log: Persistence) -> None:
        assert log.get_all([]) == []


def histories() -> st.SearchStrategy[list[Entry]]:
    """Logs over a few keys, with deletions."""
    keys = st.sampled_from([b"", b"a", b"ab", b"b", b"\xff"])
    write = st.builds(
        lambda key, image: put(key, image) if image is not None else drop(key),
        keys,
        st.none() | st.binary(max_size=3),
    )
    writes = st.lists(
        write, max_size=3, unique_by=lambda made: (made.added + made.removed)[0]
    )
    return st.lists(writes, min_size=1, max_size=6).map(
        lambda lists: [entry(n, *made) for n, made in enumerate(lists, 1)]
    )


@given(history=histories(), data=st.data())
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_applying_in_any_order_and_multiplicity_gives_the_same_rows(
    store: Store, history: list[Entry], data: st.DataObject
) -> None:
    reference = MemoryPersistence()
    reference.apply(history)
    spans = st.tuples(st.integers(0, len(history) - 1), st.integers(1, len(history)))
    extra: Sequence[tuple[int, int]] = data.draw(st.lists(spans, max_size=6))
    order = data.draw(st.permutations([*extra, *((n, 1) for n in range(len(history)))]))
    log = store.fresh()

    for first, length in order:
        log.apply(history[first : first + length])

    assert scan_all(log) == scan_all(reference)
