"""Runs that are tried again: by the policy of their workflow, or by hand."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
)
from chalicelib.geoflow import executions, logs, members, users, workers, workflows
from chalicelib.geoflow.limits import LEASE_MS, MAX_LOSSES, MAX_RETRY_DELAY_MS
from chalicelib.geoflow.model.runs import retry_wait_ms
from chalicelib.geoflow.schema import Execution, RetryPolicy, RunPolicy
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes
from tests.geoflow.running import claimed, draw, start, stored

NO_SERVER = "the tile server does not answer"


@pytest.fixture
def alice(backend: TestBackend) -> Client:
    return backend.as_user("alice")


@pytest.fixture
def worker(backend: TestBackend) -> Client:
    return backend.as_user("pdal", role="worker")


def start_with(who: Client, *, timeout_ms: float | None = None, **retry: Any) -> Any:
    workflow = draw(who)
    who.mutation(executions.set_policy, workflow, RetryPolicy(**retry), timeout_ms)
    return who.mutation(executions.start, workflow)


def fail(worker: Client, run: Any, *, retryable: bool = True) -> None:
    worker.mutation(workers.fail, run, "w1", NO_SERVER, retryable=retryable)


class TestPolicy:
    def test_waits_longer_each_time_and_then_fails(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, tries=3, delay_ms=5_000, factor=4)
        waits = []

        for _ in range(2):
            failed_at = backend.clock.now_ms()
            fail(worker, claimed(worker))
            waits.append(round((stored(alice, run).due - failed_at) / 1000))
            backend.advance(stored(alice, run).due - backend.clock.now_ms())
        fail(worker, claimed(worker))

        assert waits == [5, 20]
        found = stored(alice, run)
        assert (found.status, found.error, found.attempts) == ("failed", NO_SERVER, 3)

    def test_keeps_a_run_from_workers_until_it_is_due(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, delay_ms=60_000)
        waiting = worker.watch(workers.waiting)
        fail(worker, claimed(worker))

        backend.advance(seconds=59)
        early = worker.mutation(workers.claim, "w1")
        backend.advance(seconds=2)

        assert early is None
        assert waiting.results == [1, 0, 1]
        assert claimed(worker) == run

    def test_begins_each_try_afresh_and_tells_why(
        self, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice)
        worker.mutation(workers.progress, claimed(worker), "w1", "a", "succeeded", 1)

        fail(worker, run)

        found = stored(alice, run)
        assert (found.status, found.progress, found.error) == ("queued", 0.0, NO_SERVER)
        (line,) = alice.query(logs.tail, run)
        assert line.message == f"{NO_SERVER} (it is tried again in 10 s)"
        assert (line.level, line.attempt) == ("warning", 1)

    def test_forgets_the_failure_when_it_goes_well(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice)
        fail(worker, claimed(worker))
        backend.advance(seconds=10)

        worker.mutation(workers.complete, claimed(worker), "w1", {"n": 1})

        assert (stored(alice, run).status, stored(alice, run).error) == ("succeeded", None)

    def test_is_not_asked_about_failures_that_will_come_again(
        self, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, tries=5)

        fail(worker, claimed(worker), retryable=False)

        assert stored(alice, run).status == "failed"

    def test_is_the_one_of_when_the_run_started(
        self, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, tries=1)
        workflow = stored(alice, run).workflow_id
        alice.mutation(executions.set_policy, workflow, RetryPolicy(tries=9))

        fail(worker, claimed(worker))

        assert stored(alice, run).status == "failed"

    def test_changes_what_is_given_alone(self, alice: Client) -> None:
        workflow = draw(alice)

        alice.mutation(executions.set_policy, workflow, RetryPolicy(tries=7))
        alice.mutation(executions.set_policy, workflow, timeout_ms=5_000)

        found = alice.query(workflows.get, workflow)
        assert found is not None
        assert found.run_policy == RunPolicy(retry=RetryPolicy(tries=7), timeout_ms=5_000)

    def test_is_for_who_may_change_the_workflow(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow, bob = draw(alice), backend.as_user("bob")
        alice.mutation(members.share, workflow, "view", bob.mutation(users.ensure))

        with pytest.raises(Forbidden):
            bob.mutation(executions.set_policy, workflow, RetryPolicy())

    @pytest.mark.parametrize(
        "wrong", [{"tries": 0}, {"tries": 21}, {"delayMs": -1}, {"factor": 0.5}]
    )
    def test_has_its_bounds(self, alice: Client, wrong: dict[str, Any]) -> None:
        workflow = draw(alice)

        with pytest.raises(ArgumentValidationError):
            alice.call("executions:setPolicy", "mutation", workflowId=workflow, retry=wrong)

    def test_never_waits_more_than_a_day(self) -> None:
        run = Execution(
            workflow_id="w",  # type: ignore[arg-type]  # any text will do
            workflow_version=1,
            owner="o",  # type: ignore[arg-type]
            inputs={},
            node_states=[],
            failures=18,
            retry=RetryPolicy(tries=20, delay_ms=MAX_RETRY_DELAY_MS, factor=10),
        )

        assert retry_wait_ms(run) == MAX_RETRY_DELAY_MS

    def test_does_not_count_workers_that_were_lost(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, tries=2, delay_ms=0)
        for _ in range(MAX_LOSSES - 1):
            claimed(worker)
            backend.advance(LEASE_MS + 1)

        fail(worker, claimed(worker))
        backend.run_jobs()

        assert claimed(worker) == run
        assert stored(alice, run).attempts == MAX_LOSSES + 1


class TestCancel:
    def test_ends_a_run_that_waits_for_its_next_try(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice)
        fail(worker, claimed(worker))

        alice.mutation(executions.cancel, run)
        backend.advance(minutes=1)

        assert stored(alice, run).status == "cancelled"
        assert worker.mutation(workers.claim, "w1") is None


class TestQueue:
    def test_gives_what_has_been_due_longest_first(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        tried = start_with(alice, delay_ms=30_000)
        fail(worker, claimed(worker))
        backend.advance(seconds=20)
        before = start(alice)
        backend.advance(seconds=20)
        after = start(alice)

        given = [claimed(worker) for _ in range(3)]

        assert given == [before, tried, after]


class TestTimeout:
    def test_fails_a_run_and_tells_its_worker(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, timeout_ms=90_000)
        standing = worker.watch(workers.assignment, claimed(worker), "w1")

        for _ in range(4):
            backend.advance(seconds=29)
            if stored(alice, run).status == "running":
                worker.mutation(workers.renew, run, "w1")

        error = "it took longer than the 90 s that its workflow allows"
        assert (stored(alice, run).status, stored(alice, run).error) == ("failed", error)
        assert standing.latest is not None
        assert (standing.latest.status, standing.latest.error) == ("failed", error)
        with pytest.raises(Conflict, match="is failed: stop working"):
            worker.mutation(workers.complete, run, "w1", {})

    def test_is_counted_from_each_claim(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, timeout_ms=40_000, delay_ms=0)
        claimed(worker)
        backend.advance(seconds=30)
        fail(worker, run)
        backend.run_jobs()

        claimed(worker)
        backend.advance(seconds=30)

        assert stored(alice, run).status == "running"
        backend.advance(seconds=10)
        assert stored(alice, run).status == "failed"

    def test_leaves_a_run_alone_that_has_ended(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start_with(alice, timeout_ms=40_000)
        worker.mutation(workers.complete, claimed(worker), "w1", {})

        backend.advance(minutes=5)

        assert stored(alice, run).status == "succeeded"


class TestByHand:
    def test_makes_a_new_run_that_names_the_old_one(
        self, alice: Client, worker: Client
    ) -> None:
        old = start(alice, file="scan.las")
        fail(worker, claimed(worker), retryable=False)
        workflow = stored(alice, old).workflow_id
        alice.mutation(workflows.update, workflow, nodes=nodes("x"), edges=[])

        new = alice.mutation(executions.retry, old)

        found = stored(alice, new)
        assert (found.retry_of, found.status) == (old, "queued")
        assert (found.inputs, found.workflow_version) == ({"file": "scan.las"}, 1)
        assert [node.node_id for node in found.node_states] == ["a", "b"]
        assert stored(alice, old).status == "failed"

    def test_takes_no_run_that_goes_on(self, alice: Client) -> None:
        run = start(alice)

        with pytest.raises(Conflict, match="is queued: cancel it"):
            alice.mutation(executions.retry, run)

    def test_belongs_to_who_asked_and_counts_among_theirs(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run, bob = start(alice), backend.as_user("bob")
        fail(worker, claimed(worker), retryable=False)
        bob_id = bob.mutation(users.ensure)
        alice.mutation(members.share, stored(alice, run).workflow_id, "edit", bob_id)

        again = [bob.mutation(executions.retry, run) for _ in range(10)]

        assert {stored(bob, each).owner for each in again} == {bob_id}
        with pytest.raises(RateLimited):
            bob.mutation(executions.retry, run)

    def test_is_not_for_who_only_looks_on(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run, bob = start(alice), backend.as_user("bob")
        fail(worker, claimed(worker), retryable=False)
        workflow = stored(alice, run).workflow_id

        with pytest.raises(NotFound):
            bob.mutation(executions.retry, run)
        alice.mutation(members.share, workflow, "view", bob.mutation(users.ensure))
        with pytest.raises(Forbidden):
            bob.mutation(executions.retry, run)
