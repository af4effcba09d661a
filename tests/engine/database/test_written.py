"""Blocks of entries tell what each entry for itself would tell, and look at few of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database import tail as tails
from chalicelib.engine.database.read_set import ReadSet, point
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.written import SIZES, Written
from chalicelib.engine.log import (
    MAX_KEY_BYTES,
    ORIGIN,
    Entry,
    IndexKey,
    Request,
    Write,
    members_of,
    stored_key,
)
from chalicelib.engine.persistence import Interval
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, entry, move, put, ts

LONG = b"p" * MAX_KEY_BYTES
KEYS = [stored_key(key) for key in (b"a", b"b", b"b\x00", b"c", LONG, LONG + b"x")]

keys = st.sampled_from(KEYS)
index_keys = st.tuples(st.sampled_from([INDEX, INDEX + 1]), keys)
rows = st.lists(index_keys, max_size=2).map(tuple)
images = st.none() | st.sampled_from([b'{"a":1}', b'{"a":2}', b'{"a":1,"b":1}'])
writes = st.builds(Write, st.just(16), st.just(bytes(16)), images, images, rows, rows)
requests = st.none() | st.builds(Request, st.just("s"), st.integers(1, 3))
commits = st.tuples(st.lists(writes, max_size=2), requests)
indexes = st.sampled_from([INDEX, INDEX + 1, members_of(INDEX)])
fields = st.sampled_from([(), ("a",), ("_id", "b")])
intervals = st.builds(Interval, indexes, keys, st.none() | keys, fields)
points = st.builds(point, index_keys, fields) | st.just(point(Request("s", 2).key))
read_sets = st.lists(intervals | points, max_size=4).map(ReadSet)


class Counting(ReadSet):
    """A read set that counts how often it is asked."""

    asked = 0

    @override
    def holds(self, key: IndexKey) -> bool:
        self.asked += 1
        return super().holds(key)


def log_of(some: Sequence[tuple[list[Write], Request | None]], length: int) -> list[Entry]:
    """A log as long as that which has ``some`` again and again, a few quiet ones between."""
    quiet = entry(1, put(b"z", b"", index=99))
    found = []
    for position in range(1, length + 1):
        done, request = some[position // 5 % len(some)] if position % 5 == 0 else ([], None)
        found.append(entry(position, *done, *quiet.writes, request=request))
    return found


def grazes(one: Entry, reads: ReadSet) -> bool:
    """Whether it wrote where some fields were read, or no more than the keys."""
    partly = [i for i in reads.intervals() if i.fields]
    counted = [
        Interval(members_of(i.index), i.low, i.high)
        for i in reads.intervals()
        if i.index < 0 and not i.fields
    ]
    rows = [Interval(i.index, i.low, i.high) for i in partly]
    return ReadSet([*rows, *counted]).touched_by(one)


def first_of(entries: Sequence[Entry], reads: ReadSet) -> Entry | None:
    return next((entry for entry in entries if reads.touched_by(entry)), None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(commits, min_size=1, max_size=60),
    st.integers(0, 40),
    st.integers(1, 300),
    st.data(),
)
def test_finds_the_entry_that_looking_at_each_would_find(
    some: list[tuple[list[Write], Request | None]],
    start: int,
    length: int,
    data: st.DataObject,
) -> None:
    log = log_of(some, start + length)
    written = Written(ts(start))
    forgotten = 0
    for first in range(0, length, steps := data.draw(st.integers(1, length))):
        written.entries.extend(log[start + first : start + min(first + steps, length)])
        if data.draw(st.booleans()):
            written.stretch(written.base, written.end)
        forgotten += (surplus := data.draw(st.integers(0, len(written.entries))))
        written.forget(surplus)
    since = data.draw(st.integers(start + forgotten, start + length))
    until = data.draw(st.integers(since, start + length))
    reads = data.draw(read_sets)

    stretch = written.stretch(ts(since), ts(until))

    assert stretch.first_touching(reads) == first_of(log[since:until], reads)
    assert stretch.grazes(reads) == any(grazes(one, reads) for one in log[since:until])


@settings(max_examples=200)
@given(st.lists(commits, max_size=8), read_sets)
def test_many_keys_are_held_if_one_of_them_is(
    some: list[tuple[list[Write], Request | None]], reads: ReadSet
) -> None:
    one = entry(1, *(write for done, _ in some for write in done), request=Request("s", 2))
    found = {index: sorted(keys) for index, keys in one.keys_by_index.items()}

    whole = ReadSet(Interval(i.index, i.low, i.high) for i in reads.intervals())
    assert reads.holds_any(found) == whole.touched_by(one)


@pytest.mark.parametrize("many", [100, 3000, 19_000])
def test_few_entries_are_looked_at_however_many_there_are(many: int) -> None:
    written = Written(ts(3))
    written.entries.extend(entry(4 + n, put(b"%06d" % n, b"{}")) for n in range(many))
    reads = Counting([point((INDEX, b"%06d" % n)) for n in (many, many + 1)])

    found = written.stretch(written.base + 1, written.end - 1).first_touching(reads)

    assert found is None
    assert reads.asked <= 2 * SIZES[0]


def test_what_was_asked_for_is_there_though_it_is_forgotten_meanwhile() -> None:
    written = Written(ORIGIN)
    written.entries.extend(entry(1 + n, put(b"%03d" % n, b"{}")) for n in range(100))
    stretch = written.stretch(ORIGIN, written.end)

    written.forget(90)

    found = stretch.first_touching(ReadSet([point((INDEX, b"042"))]))
    assert found is not None
    assert found.ts == ts(43)


def test_a_row_that_stays_where_it_is_is_no_news_to_whoever_counts() -> None:
    written = Written(ORIGIN)
    written.entries.extend(entry(1 + n, move(b"a", b"a", b"{}")) for n in range(64))
    written.entries.append(entry(65, move(b"a", b"b", b"{}")))
    counted = ReadSet([Interval(members_of(INDEX), b"", None)])

    found = written.stretch(ORIGIN, written.end).first_touching(counted)

    assert found == written.entries[-1]


def test_fields_that_are_not_read_hide_nothing_that_comes_after() -> None:
    written = Written(ORIGIN)
    images = [b'{"a":1,"b":%d}' % n for n in range(65)] + [b'{"a":2,"b":64}']
    for n, (before, after) in enumerate(pairwise(images)):
        change = Write(16, bytes(16), before, after, ((INDEX, b"k"),), ((INDEX, b"k"),))
        written.entries.append(entry(1 + n, change))
    reads = ReadSet([Interval(INDEX, b"", None, ("_id", "a"))])

    assert written.stretch(ORIGIN, written.end).first_touching(reads) == written.entries[-1]
    assert written.stretch(ORIGIN, written.end - 1).first_touching(reads) is None
    assert written.stretch(ORIGIN, written.end - 1).grazes(reads)
    assert not written.stretch(ORIGIN, ORIGIN).grazes(reads)


class TestTail:
    @pytest.fixture
    def tail(self) -> LogTail:
        storage = MemoryPersistence()
        for position in range(1, 101):
            storage.append(entry(position, put(b"%03d" % position, b"{}")))
        storage.advance(ORIGIN, ts(100))
        return LogTail(storage, VirtualClock())

    def test_reads_what_it_does_not_keep(self, tail: LogTail) -> None:
        view = tail.refresh()

        stretch = tail.stretch(ts(10), view.ts)

        assert stretch is not None
        assert stretch.first_touching(ReadSet([point((INDEX, b"010"))])) is None
        found = stretch.first_touching(ReadSet([Interval(INDEX, b"005", None)]))
        assert found is not None
        assert found.ts == ts(11)

    def test_tells_the_same_when_it_forgets(
        self, tail: LogTail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tails, "KEPT_ENTRIES", 200)
        end = tail.refresh().ts
        for position in range(101, 1000):
            tail.committed(entry(position, put(b"%03d" % position, b"{}")))
            if position % 50 == 0:
                view = tail.view()
                assert tail.stretch(max(end, view.ts - 60), view.ts) is not None
        view = tail.view()

        found = [
            stretch.first_touching(ReadSet([point((INDEX, b"950"))]))
            for since in range(900, 960)
            if (stretch := tail.stretch(ts(since), view.ts)) is not None
        ]

        assert [e and e.ts for e in found] == [ts(950)] * 50 + [None] * 10
