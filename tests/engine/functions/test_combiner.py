"""Mutations of several processes take turns, and each takes effect once or is refused for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from chalicelib.adapters.memory.line import MemoryLine
from chalicelib.engine.errors import Conflict, OutcomeUnknown, StorageUnavailable
from chalicelib.engine.functions import combiner
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.combiner import Combiner, Waiting
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.line import InLine
from chalicelib.engine.log import REQUESTS_INDEX, IndexKey, Request, Row
from tests.trial import Interrupted, Trial, value

LISTS = ("tests.apps.lists",)


def sharing(trial: Trial, line: MemoryLine, version: str = "v") -> Combiner:
    """Have a process take turns with others at ``line``."""
    trial.engine.runner.mutations.share(line, version)
    made = trial.engine.runner.mutations.combiner
    assert made is not None
    return made


def call(path: str, /, **arguments: Any) -> Call:
    return Call(path, msgspec.json.encode(arguments))


def standing(made: Combiner, line: MemoryLine, what: Call) -> Waiting:
    """Put a mutation in line whose owner does not look after it."""
    waiting = made.waiting(what, None, None)
    assert waiting is not None
    place = combiner.place_of(waiting, made._clock.now_ms())
    line.join(InLine(place, msgspec.msgpack.encode(waiting)))
    return waiting


def held(trial: Trial, waiting: Waiting) -> bool:
    """Run a mutation of the line as its holder does: again, while it is overtaken."""
    mutations, done = trial.engine.runner.mutations, None
    rows = mutations.hold()
    while done is None:
        done = mutations.commit(waiting, rows)
    return done


class Overtaken(Interrupted):
    """Storage on which somebody else always commits first, unless they stand in line."""

    rival: Trial | None = None

    @override
    def append(self, entry: Any) -> Any:
        rival, self.rival = self.rival, None
        if rival is not None:
            rival.mutate("lines:addIfRoom", topic="l", most=99)
            self.rival = rival
        return super().append(entry)


class TestStandingInLine:
    def test_comes_after_being_overtaken_a_few_times(self) -> None:
        storage, line = Overtaken(), MemoryLine()
        trial = Trial(packages=LISTS, persistence=storage)
        made = sharing(trial, line)
        storage.rival = Trial(beside=trial, packages=LISTS)
        joined = line.join

        def stop_the_rival(waiting: InLine, *left: str) -> None:
            storage.rival = None
            joined(waiting, *left)

        line.join = stop_the_rival  # type: ignore[method-assign]

        answer = trial.mutate("lines:addIfRoom", topic="l", most=99)

        assert answer == 4
        assert made.is_contended("lines:addIfRoom")
        assert line.waiting(9) == []

    def test_has_whoever_holds_the_lease_run_all_that_stand_there_in_order(self) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        other = sharing(Trial(beside=trial, packages=LISTS), line)
        mine = sharing(trial, line)
        theirs = standing(other, line, call("lines:countAndAdd", topic="l"))
        waiting = mine.waiting(call("lines:countAndAdd", topic="l"), None, None)
        assert waiting is not None

        answer = mine.run(waiting)

        assert answer is not None
        assert value(answer) == 2
        first = trial.engine.runner.mutations.answer(theirs.name)
        assert first is not None
        assert value(first) == 1
        assert line.waiting(9) == []

    def test_leaves_the_mutations_of_other_code_to_their_like(self) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        older = sharing(Trial(beside=trial, packages=LISTS), line, "older")
        mine = sharing(trial, line)
        standing(older, line, call("lines:countAndAdd", topic="l"))
        waiting = mine.waiting(call("lines:countAndAdd", topic="l"), None, None)
        assert waiting is not None

        mine.run(waiting)

        assert len(line.waiting(9)) == 1

    def test_of_what_is_too_large_for_the_line_is_not_tried(self) -> None:
        made = sharing(Trial(packages=LISTS), MemoryLine())

        assert made.waiting(Call("a:b", bytes(300_000)), None, None) is None

    def test_ends_by_itself_when_nobody_runs_it(self) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        made = sharing(trial, line)
        line.take("dead", now_ms=0, deadline_ms=float("inf"))
        waiting = made.waiting(call("lines:countAndAdd", topic="l"), None, None)
        assert waiting is not None

        with pytest.raises(OutcomeUnknown, match="may yet be run"):
            made.run(waiting)

        assert line.waiting(9) == []


class TestAName:
    def test_is_committed_once_however_many_run_it(self) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        other = Trial(beside=trial, packages=LISTS)
        made = sharing(trial, line)
        waiting = standing(made, line, call("lines:addIfRoom", topic="l", most=9))

        assert held(trial, waiting)
        assert not held(other, waiting)
        assert trial.query("lines:ranks", topic="l") == [0]

    def test_of_a_clients_request_is_that_of_its_answer(self) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        made = sharing(trial, line)
        request = Request("session", 7)
        what = call("lines:addIfRoom", topic="l", most=9)
        waiting = made.waiting(what, request, None)
        assert waiting is not None

        answer = made.run(waiting)
        again: Outcome = trial.engine.runner.mutation(what, request)

        assert answer is not None
        assert again.ts == answer.ts

    @pytest.mark.parametrize("request_", [None, Request("session", 1)])
    def test_is_used_up_by_an_owner_that_was_told_of_a_failure(
        self, request_: Request | None
    ) -> None:
        line = MemoryLine()
        trial = Trial(packages=LISTS)
        made = sharing(trial, line)
        holder = Trial(beside=trial, packages=LISTS)
        there = trial.mutate("lines:add", topic="l", rank=1)
        what = call("lines:addIfRoom", topic="l", most=1)
        waiting = made.waiting(what, request_, None)
        assert waiting is not None

        told = trial.engine.runner.mutations._alone(waiting)
        trial.mutate("lines:remove", line=there)
        late = held(holder, waiting)

        assert told is not None
        with pytest.raises(Conflict):
            value(told)
        assert not late
        assert trial.query("lines:ranks", topic="l") == []


def test_a_mutation_in_line_that_fails_is_answered_by_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = MemoryLine()
    trial = Trial(packages=LISTS)
    made = sharing(trial, line)
    made.expect_contention("lines:addIfRoom")
    monkeypatch.setattr(combiner, "PATIENCE_MS", 100)

    with pytest.raises(Conflict, match="full"):
        trial.mutate("lines:addIfRoom", topic="l", most=0)

    assert line.waiting(9) == []


def test_a_holder_reads_the_names_of_all_who_stand_in_line_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = MemoryLine()
    trial = Trial(packages=LISTS)
    made = sharing(trial, line)
    other = sharing(Trial(beside=trial, packages=LISTS), line)
    for number in range(5):
        waiting = other.waiting(
            call("lines:countAndAdd", topic="l"), Request("session", number), None
        )
        assert waiting is not None
        place = combiner.place_of(waiting, number)
        line.join(InLine(place, msgspec.msgpack.encode(waiting)))
    asked: list[list[int]] = []
    get = trial.persistence.get

    def get_one(index: int, key: bytes) -> Row | None:
        asked.append([index])
        return get(index, key)

    def get_all(keys: Sequence[IndexKey]) -> list[Row | None]:
        asked.append([index for index, _ in keys])
        return [get(*key) for key in keys]

    monkeypatch.setattr(trial.persistence, "get", get_one)
    monkeypatch.setattr(trial.persistence, "get_all", get_all)
    monkeypatch.setattr(combiner, "FORGOTTEN_MS", float("inf"))
    mine = made.waiting(call("lines:countAndAdd", topic="l"), None, None)
    assert mine is not None

    answer = made.run(mine)

    assert answer is not None
    assert value(answer) == 6
    # Both names of each of the five; its own ticket is newer than what the holder knows.
    assert [indexes for indexes in asked if REQUESTS_INDEX in indexes] == [[0] * 10]


def test_what_has_stood_in_line_for_an_hour_is_not_run_any_more() -> None:
    line = MemoryLine()
    trial = Trial(packages=LISTS)
    made = sharing(trial, line)
    dead = standing(made, line, call("lines:countAndAdd", topic="l"))
    trial.clock.wait_ms(combiner.FORGOTTEN_MS + 1)
    waiting = made.waiting(call("lines:countAndAdd", topic="l"), None, None)
    assert waiting is not None

    answer = made.run(waiting)

    assert answer is not None
    assert value(answer) == 1
    assert trial.engine.runner.mutations.answer(dead.name) is None
    assert line.waiting(9) == []


def test_a_mutation_in_line_whose_owner_cannot_read_is_not_said_to_have_failed() -> None:
    trial, line = Trial(packages=LISTS), Broken()
    made = sharing(trial, line)
    made.expect_contention("lines:countAndAdd")

    with pytest.raises(OutcomeUnknown, match="stood in line"):
        trial.mutate("lines:countAndAdd", topic="l")

    assert len(line.waiting(9)) == 1


class Broken(MemoryLine):
    """A line that one can join, and that does not answer afterwards."""

    @override
    def take(self, owner: str, *, now_ms: float, deadline_ms: float) -> bool:
        raise StorageUnavailable("the table cannot be reached")
