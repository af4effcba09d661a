"""What the log touched of what sessions read is looked up once, for all that read the same."""

from __future__ import annotations

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database.read_set import ReadSet, point
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.written import Stretch
from chalicelib.engine.log import ORIGIN, Write
from chalicelib.engine.persistence import Interval
from chalicelib.engine.sync import touches
from chalicelib.engine.sync.reruns import LOG_NOT_KEPT, Cause
from chalicelib.engine.sync.touches import Touches
from tests.backend import VirtualClock
from tests.conformance.entries import INDEX, entry, put, ts


class CountedTail(LogTail):
    """A tail that counts how often it is asked for what lies between two timestamps."""

    def __init__(self, *keys: bytes) -> None:
        persistence = MemoryPersistence()
        for position, key in enumerate(keys, 1):
            persistence.append(entry(position, put(key, b"{}")))
        super().__init__(persistence, VirtualClock())
        self.asked = 0
        self.forgotten = False
        self.refresh()

    @override
    def stretch(self, ts: int, until: int) -> Stretch | None:
        self.asked += 1
        return None if self.forgotten else super().stretch(ts, until)


def reads(*keys: bytes) -> ReadSet:
    return ReadSet(point((INDEX, key)) for key in keys)


def test_each_query_is_told_the_first_commit_that_touched_it() -> None:
    a, b = reads(b"a"), reads(b"b")
    found = Touches(CountedTail(b"a", b"c", b"a"))

    causes, _ = found.among({1: a, 2: b}, ORIGIN, ts(3))
    later, _ = found.among({1: a}, ts(1), ts(3))

    assert causes == {1: Cause("written", ts(1), "m:f", point((INDEX, b"a")), b"a")}
    assert later[1].ts == ts(3)


def test_the_log_is_asked_once_for_all_that_read_and_missed_the_same() -> None:
    tail, board, other = CountedTail(b"a", b"b"), reads(b"a"), reads(b"z")
    found = Touches(tail)

    answers = [found.among({0: board, 7: other}, ORIGIN, ts(2)) for _ in range(100)]

    assert tail.asked == 1
    assert all(list(causes) == [0] for causes, _ in answers)


def test_what_was_missed_is_read_once_for_all_queries_of_a_session() -> None:
    tail = CountedTail(b"a", b"b")

    Touches(tail).among({i: reads(b"a") for i in range(9)}, ORIGIN, ts(2))

    assert tail.asked == 1


def test_whoever_missed_nothing_is_not_looked_for() -> None:
    tail = CountedTail(b"a")

    assert Touches(tail).among({0: reads(b"a")}, ts(1), ts(1)) == ({}, 0)
    assert tail.asked == 0


def test_what_is_not_kept_may_have_touched_everything() -> None:
    tail = CountedTail(b"a")
    tail.forgotten = True

    assert Touches(tail).among({0: reads(b"z")}, ORIGIN, ts(1)) == ({0: LOG_NOT_KEPT}, 0)


def test_whoever_read_keys_alone_is_grazed_by_a_write_that_moves_none() -> None:
    tail, members = CountedTail(b"a"), ReadSet()
    members.add_members(Interval(INDEX, b"", None))
    stays = ((INDEX, b"a"),)
    tail.committed(entry(2, Write(1, b"1", b"{}", b"{}", stays, stays)))

    found = [Touches(tail).among({0: members}, ts(1), ts(2)) for _ in range(2)]

    assert found == [({}, 1)] * 2


def test_answers_that_were_let_go_are_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(touches, "KEPT_INTERVALS", 1)
    tail, some = CountedTail(b"a"), {0: reads(b"a"), 1: reads(b"z")}
    found = Touches(tail)

    first, second = (found.among(some, ORIGIN, ts(1)) for _ in range(2))

    assert first == second
    assert (list(first[0]), tail.asked) == ([0], 2)
