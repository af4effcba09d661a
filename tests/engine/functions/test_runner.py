"""Queries are exact, mutations happen once, and a torn run is nobody's business."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.database.committer import PUT_PATIENCE_MS
from chalicelib.engine.errors import (
    ArgumentValidationError,
    BelowHorizon,
    Conflict,
    EntryTooLarge,
    OptimisticConcurrencyControlFailure,
    OutcomeUnknown,
    ResultTooLarge,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.mutations import MAX_MUTATION_RUNS
from chalicelib.engine.log import Entry, Request
from chalicelib.engine.persistence import Interval
from tests.trial import Interrupted, Trial, user, value


def once(trial: Trial, path: str, /, **arguments: Any) -> Any:
    """Return a hook that commits through another process, the first time it is called."""
    other = Trial(beside=trial)
    done: list[bool] = []

    def hook(_: Any) -> None:
        if not done:
            done.append(True)
            other.mutate(path, **arguments)

    return hook


class TestQueries:
    def test_see_every_commit_before_them(self) -> None:
        trial, other = (first := Trial()), Trial(beside=first)
        other.mutate("items:add", group="a", label="x")

        assert trial.query("items:list", group="a") == ["x"]

    def test_run_again_when_a_commit_has_torn_them(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        storage.after_scan = once(trial, "items:addPair", one="a", other="b")

        assert trial.query("items:twice", one="a", other="b") == [1, 1]

    def test_do_not_show_the_error_of_a_torn_run(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        storage.after_scan = once(trial, "items:addPair", one="a", other="b")

        outcome = trial.call("items:even", "query", one="a", other="b")

        assert (outcome.value, trial.reported) == (b'"even at 1"', [])

    def test_finish_under_a_storm_of_writes_and_are_exact(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        scans: list[Interval] = []

        def storm(interval: Interval) -> None:
            if len(scans) < 1000:
                scans.append(interval)
                other.mutate("items:addPair", one="a", other="b")

        storage.after_scan = storm
        outcome = trial.call("items:twice", "query", one="a", other="b")

        one, two = value(outcome)
        assert one == two
        assert len(scans) < 20
        # What it says is what it was: so many pairs had been committed by then.
        past = trial.engine.query_in_past(
            Call("items:twice", b'{"one":"a","other":"b"}'), outcome.ts
        )
        assert json.loads(past.value or b"") == [one, one]

    def test_undo_changes_and_deletions_that_came_after_a_pinned_snapshot(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        made = [trial.mutate("items:add", group="a", label=f"{i}") for i in range(3)]
        steps = iter(
            [
                ("items:move", {"document": made[0], "label": "moved"}),
                ("items:remove", {"document": made[1]}),
                ("items:add", {"group": "a", "label": "new"}),
                ("items:move", {"document": made[2], "label": "moved too"}),
            ]
        )

        def interfere(_: Interval) -> None:
            path, arguments = next(steps, ("", {}))
            if path:
                other.mutate(path, **arguments)

        before = trial.engine.head()
        storage.after_scan = interfere
        view = trial.engine._tail.view()
        raw = Call("items:first", b'{"group":"a","count":10}')
        outcomes = [
            trial.engine.runner.query_at(raw, view, pinned=True).value for _ in range(4)
        ]

        assert view.ts == before
        assert outcomes == [b'["0","1","2"]'] * 4


class TestQueriesInThePast:
    def test_see_what_was_there_then(self) -> None:
        trial = Trial()
        stamps = []
        for label in "abc":
            stamps.append(trial.engine.head())
            trial.mutate("items:add", group="g", label=label)
        trial.engine.commits(0, trial.engine.head())
        call = Call("items:list", b'{"group":"g"}')

        seen = [trial.engine.query_in_past(call, ts) for ts in stamps]

        assert [value(one) for one in seen] == [[], ["a"], ["a", "b"]]
        assert [one.ts for one in seen] == stamps

    def test_see_documents_that_are_deleted_now(self) -> None:
        trial = Trial()
        made = trial.mutate("items:add", group="g", label="x")
        then = trial.engine.head()
        trial.mutate("items:remove", document=made)
        raw = json.dumps({"document": made}).encode()

        seen = trial.engine.query_in_past(Call("items:get", raw), then)

        assert value(seen) == "x"

    def test_at_the_end_or_beyond_it_are_ordinary(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="g", label="x")
        head = trial.engine.head()

        seen = trial.engine.query_in_past(Call("items:list", b'{"group":"g"}'), head + 5)

        assert (value(seen), seen.ts) == (["x"], head)

    @pytest.mark.parametrize("path", ["items:list", "calls:constant"])
    def test_below_the_kept_log_are_out_of_retention(self, path: str) -> None:
        trial = Trial()

        with pytest.raises(BelowHorizon):
            trial.engine.query_in_past(Call(path, b'{"group":"g"}'), 0)


class TestMutations:
    def test_that_interleave_both_take_effect(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        storage.before_append = once(trial, "items:number", group="a")

        second = trial.mutate("items:number", group="a")

        assert second == 1
        assert trial.query("items:list", group="a") == ["0", "1"]

    def test_that_interleave_without_overlap_do_not_run_again(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        storage.before_append = once(trial, "items:number", group="b")
        scans: list[Interval] = []
        storage.after_scan = scans.append

        trial.mutate("items:number", group="a")

        assert len(scans) == 2  # one of each

    def test_that_always_lose_give_up_having_written_nothing(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        inside: list[bool] = []

        def always(_: Entry) -> None:
            if not inside:
                inside.append(True)
                other.mutate("items:add", group="a", label="rival")
                inside.clear()

        storage.before_append = always
        with pytest.raises(OptimisticConcurrencyControlFailure):
            trial.mutate("items:number", group="a")

        storage.before_append = lambda _: None
        assert trial.query("items:list", group="a") == ["rival"] * MAX_MUTATION_RUNS

    def test_that_fail_write_nothing(self) -> None:
        trial = Trial()
        before = trial.engine.head()

        outcome = trial.call("calls:writeAndRefuse", "mutation", group="a")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, Conflict)
        assert trial.engine.head() == before

    def test_whose_failure_rested_on_a_torn_reading_run_again(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        made = trial.mutate("items:add", group="a", label="x")
        storage.after_scan = once(trial, "items:remove", document=made)

        assert trial.mutate("items:number", group="a") == 0

    def test_that_write_nothing_commit_nothing(self) -> None:
        trial = Trial()
        before = trial.engine.head()

        assert trial.mutate("calls:nothing") == "nothing"
        assert trial.engine.head() == before

    def test_read_their_own_writes_in_order(self) -> None:
        trial = Trial()

        seen = trial.mutate("items:own", group="a")

        assert seen == [["a", "b", "c"], ["a", "c", "z"], ["a", "z"], True]
        assert trial.query("items:first", group="a", count=9) == ["a", "z"]

    def test_have_one_time_and_a_chance_of_their_own(self) -> None:
        trial = Trial()

        one, other = trial.mutate("calls:roll"), trial.mutate("calls:roll")

        assert one[0] == one[1]
        assert len({one[2], one[3], other[2], other[3]}) == 4

    def test_that_return_too_much_fail_before_they_commit(self) -> None:
        trial = Trial()
        before = trial.engine.head()
        call = Call("calls:writeAndBoast", b'{"group":"a","size":100}')

        outcome = trial.engine.runner.mutation(call, max_value_bytes=50)

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, ResultTooLarge)
        assert trial.engine.head() == before

    def test_too_large_for_the_log_fail_like_any_other(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))

        def refuse(entry: Entry) -> None:
            raise EntryTooLarge(f"an entry of {entry.path} cannot be stored")

        storage.before_append = refuse
        outcome = trial.call("items:add", "mutation", group="a", label="x")

        assert outcome.failure is not None
        assert outcome.failure.reason == "an entry of items:add cannot be stored"

    def test_whose_put_is_never_answered_end_with_an_unknown_outcome(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))

        def silence(_: Entry) -> None:
            raise OutcomeUnknown("no answer")

        storage.before_append = silence
        before_ms = trial.clock.now_ms()
        with pytest.raises(OutcomeUnknown):
            trial.mutate("items:add", group="a", label="x")

        assert trial.clock.now_ms() - before_ms >= PUT_PATIENCE_MS

    def test_whose_answer_was_lost_happened_once(self) -> None:
        class Lossy(MemoryPersistence):
            lost = 0

            @override
            def append(self, entry: Entry) -> Entry | None:
                held = super().append(entry)
                if entry.path == "items:add" and self.lost < 3:
                    self.lost += 1
                    raise OutcomeUnknown("the answer was lost")
                return held

        trial = Trial(persistence=Lossy())

        trial.mutate("items:add", group="a", label="x")

        assert trial.query("items:list", group="a") == ["x"]


class TestRepeatedRequests:
    REQUEST = Request("session", 7)

    def run(self, trial: Trial, path: str = "items:number", **more: Any) -> Any:
        call = Call(path, json.dumps({"group": "a", **more}).encode())
        return trial.engine.runner.mutation(call, self.REQUEST)

    def test_get_the_first_answer_and_timestamp(self) -> None:
        trial = Trial()
        first = self.run(trial)
        trial.mutate("items:number", group="a")

        again = self.run(trial)

        assert (again.value, again.ts) == (first.value, first.ts)
        assert trial.query("items:list", group="a") == ["0", "1"]

    def test_get_it_from_another_process_and_from_rows(self) -> None:
        trial = Trial()
        first = self.run(trial)
        trial.engine.commits(0, trial.engine.head())

        again = self.run(Trial(beside=trial))

        assert (again.value, again.ts) == (first.value, first.ts)

    def test_get_the_first_log_lines_too(self) -> None:
        trial = Trial()
        first = self.run(trial, "calls:writeAndChatter", lines=2)

        again = self.run(trial, "calls:writeAndChatter", lines=2)

        assert len(first.log_lines) == 2
        assert again.log_lines == first.log_lines

    def test_get_it_whoever_asks(self) -> None:
        trial = Trial()
        self.run(trial)
        call = Call("items:number", b'{"group":"a"}', user("bob"))

        assert trial.engine.runner.mutation(call, self.REQUEST).value == b"0"

    def test_that_race_happen_once(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        answers: list[Any] = []

        def race(_: Entry) -> None:
            if not answers:
                answers.append(None)
                answers[0] = self.run(other)

        storage.before_append = race
        mine = self.run(trial)

        assert (mine.value, mine.ts) == (answers[0].value, answers[0].ts)
        assert trial.query("items:list", group="a") == ["0"]

    def test_run_again_if_they_had_failed(self) -> None:
        trial = Trial()
        failed = self.run(trial, "calls:writeAndRefuse")

        assert failed.failure is not None
        assert self.run(trial).value == b"0"

    def test_that_failed_where_they_are_repeated_have_failed_for_ever(self) -> None:
        trial = Trial()
        frozen, call = Trial(beside=trial), Call("calls:writeAndRefuse", b'{"group":"a"}')

        failed = trial.engine.runner.mutation(call, self.REQUEST, repeated=True)
        again = trial.engine.runner.mutation(call, self.REQUEST, repeated=True)
        late = self.run(frozen)

        assert failed.failure is not None
        texts = {
            outcome.failure and outcome.failure.message(redacted=False)
            for outcome in (failed, again, late)
        }
        assert texts == {failed.failure.message(redacted=False)}
        assert late.failure is not None
        assert late.failure.data == failed.failure.data
        assert trial.query("items:list", group="a") == []

    def test_that_took_effect_meanwhile_are_not_told_to_have_failed(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        won: list[Any] = []

        def race(_: Entry) -> None:
            if not won:
                won.append(None)
                won[0] = self.run(other).value

        storage.before_append = race
        call = Call("calls:writeAndRefuse", b'{"group":"a"}')
        outcome = trial.engine.runner.mutation(call, self.REQUEST, repeated=True)

        assert (won, outcome.failure, outcome.value) == ([b"0"], None, b"0")

    def test_are_told_apart_by_session_and_by_number(self) -> None:
        trial = Trial()
        call = Call("items:number", b'{"group":"a"}')

        answers = [
            trial.engine.runner.mutation(call, Request(session, number)).value
            for session, number in (("a", 1), ("a", 2), ("b", 1), ("a", 1))
        ]

        assert answers == [b"0", b"1", b"2", b"0"]


class TestClaims:
    def test_are_given_once(self) -> None:
        trial, other = (first := Trial()), Trial(beside=first)
        request = Request("session", 1)

        given = [
            one.engine.runner.claim(request, "calls:run", None)
            for one in (trial, other, trial)
        ]

        assert given == [True, False, False]

    def test_that_race_are_given_once(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other, request = Trial(beside=trial), Request("session", 1)
        given: list[Any] = []

        def race(_: Entry) -> None:
            if not given:
                given.append(None)
                given[0] = other.engine.runner.claim(request, "calls:run", None)

        storage.before_append = race

        assert trial.engine.runner.claim(request, "calls:run", None) is False
        assert given == [True]

    def test_can_be_looked_up(self) -> None:
        trial, request = Trial(), Request("session", 1)
        runner = trial.engine.runner
        before = runner.was_answered(request)
        runner.claim(request, "calls:run", None)

        assert (before, runner.was_answered(request)) == (False, True)


class TestArguments:
    def test_that_do_not_fit_fail_the_call_before_it_runs(self) -> None:
        trial = Trial()

        outcome = trial.call("items:add", "mutation", group="a", label=1)

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, ArgumentValidationError)

    def test_name_ids_of_their_own_table_only(self) -> None:
        trial = Trial()
        diary = trial.mutate("items:writeDiary", user("ann"), text="x")

        outcome = trial.call("items:get", "query", document=diary)

        assert outcome.failure is not None
        assert "from table `diaries`" in outcome.failure.reason

    @pytest.mark.parametrize("depth", [70, 100_000])
    def test_nested_too_deeply_fail_the_call(self, depth: int) -> None:
        trial = Trial()
        for text in (
            b"[" * depth + b"]" * depth,
            b'{"group":' + b"[" * depth + b"]" * depth + b"}",
        ):
            outcome = trial.engine.call(Call("items:list", text), "query")

            assert outcome.failure is not None
            assert "Uncaught" not in outcome.failure.reason


class TestWhatIsReported:
    def test_holds_every_error_under_the_id_that_the_client_sees(self) -> None:
        trial = Trial()

        outcome = trial.call("calls:crash", "query")

        assert outcome.failure is not None
        assert isinstance(trial.reported[-1], ZeroDivisionError)
        assert len(outcome.failure.request_id) == 16
