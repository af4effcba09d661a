"""Statistics: what became of a workflow's runs, without reading them."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from chalicelib.engine.errors import ArgumentValidationError
from chalicelib.geoflow import executions, members, users, workers, workflows
from chalicelib.geoflow.model.sketch import bucket_of, merged, quantile
from chalicelib.geoflow.schema import ExecutionDay
from chalicelib.geoflow.statistics import Statistics
from testing import Client, TestBackend
from tests.geoflow.running import claimed, draw, sleep

DAY_MS = 86_400_000

durations_ms = some.lists(some.floats(1, 1e9), min_size=1, max_size=60)


@settings(deadline=None)  # a machine that is busy makes no sketch wrong
@given(durations_ms, durations_ms, some.floats(0, 1))
def test_a_sketch_tells_any_quantile_of_the_whole_to_two_percent(
    one_day: list[float], another: list[float], share: float
) -> None:
    days = [merged({bucket_of(each): 1} for each in day) for day in (one_day, another)]
    everything = sorted(one_day + another)
    exact = everything[math.floor(share * (len(everything) - 1))]

    told = quantile(merged(days), share)

    assert told == pytest.approx(exact, rel=0.0201)


def test_a_sketch_of_nothing_tells_nothing() -> None:
    assert quantile({}, 0.5) is None


@pytest.mark.parametrize("extreme", [0.0, -5.0, 1e30])
def test_a_sketch_takes_what_no_run_can_last(extreme: float) -> None:
    assert 0 <= int(bucket_of(extreme)) < 760


def run(backend: TestBackend, alice: Client, workflow: Any, seconds: float) -> Any:
    """Run a workflow that takes so long."""
    worker = backend.as_user("pdal", role="worker")
    started = alice.mutation(executions.start, workflow)
    claimed(worker)
    backend.advance(seconds=seconds)
    worker.mutation(workers.complete, started, "w1", {})
    return started


def told(who: Client, workflow: Any, days: int = 30) -> Statistics:
    found = who.query(executions.statistics, workflow, days)
    assert found is not None
    return found


class TestStatistics:
    def test_count_every_status_and_tell_how_long_runs_take(
        self, backend: TestBackend
    ) -> None:
        alice, worker = backend.as_user("alice"), backend.as_user("pdal", role="worker")
        workflow, lengths = draw(alice), [1, 2, 3, 5, 8, 13, 21, 34, 55, 56]
        for seconds in lengths:
            run(backend, alice, workflow, seconds)
        started = [alice.mutation(executions.start, workflow) for _ in range(5)]
        alice.mutation(executions.cancel, started[0])
        worker.mutation(workers.fail, claimed(worker), "w1", "no")
        claimed(worker)

        found = told(alice, workflow)

        assert (found.queued, found.running) == (2, 1)
        assert (found.succeeded, found.failed, found.cancelled) == (10, 1, 1)
        assert found.p50_ms == pytest.approx(
            1000 * statistics.median_low(lengths), rel=0.03
        )
        assert found.p95_ms == pytest.approx(55_000, rel=0.03)

    def test_are_those_of_the_window_in_days(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = draw(alice)
        for seconds in (10, 20, 40):
            run(backend, alice, workflow, seconds)
            sleep(backend, DAY_MS)

        windows = [told(alice, workflow, days) for days in (1, 2, 3, 30)]

        assert [window.succeeded for window in windows] == [0, 1, 2, 3]
        assert [len(window.history) for window in windows] == [0, 1, 2, 3]
        assert windows[0].p50_ms is None
        assert windows[3].p50_ms == pytest.approx(20_000, rel=0.03)
        lengths = [day.p50_ms for day in windows[3].history]
        assert lengths == pytest.approx([10_000, 20_000, 40_000], rel=0.03)

    def test_follow_live(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = draw(alice)
        watch = alice.watch(executions.statistics, workflow)

        run(backend, alice, workflow, 1)

        seen = [(s.queued, s.running, s.succeeded) for s in watch.results if s is not None]
        assert seen == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]

    def test_are_for_those_who_see_the_workflow(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        workflow = draw(alice)

        assert bob.query(executions.statistics, workflow) is None
        assert backend.nobody.query(executions.statistics, workflow) is None
        alice.mutation(members.share, workflow, "view", bob.mutation(users.ensure))
        assert told(bob, workflow).succeeded == 0

    @pytest.mark.parametrize("wrong", [0, 367, 1.5])
    def test_have_a_window_of_a_year_at_most(
        self, backend: TestBackend, wrong: float
    ) -> None:
        alice = backend.as_user("alice")
        workflow = draw(alice)

        with pytest.raises(ArgumentValidationError):
            alice.call("executions:statistics", "query", workflowId=workflow, days=wrong)

    def test_go_with_their_workflow(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = draw(alice)
        run(backend, alice, workflow, 1)

        alice.mutation(workflows.remove, workflow)
        backend.run_jobs()

        with backend.db() as db:
            assert db.query(ExecutionDay).first() is None
