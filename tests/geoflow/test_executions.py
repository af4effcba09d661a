"""Executions: started within limits, watched and cancelled by those they concern."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    NotFound,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import executions, oversight, users, workers, workflows
from chalicelib.geoflow.schema import SCOPES_CLAIM, Execution, ExecutionStatus
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes


def stored(who: Client, execution_id: Any) -> Execution:
    found = who.query(executions.get, execution_id)
    assert found is not None
    return found


def ids(runs: list[Execution]) -> list[Any]:
    return [run.id for run in runs]


class TestStart:
    def test_queues_a_run_of_the_workflow_as_it_is(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a b"))

        run = alice.mutation(executions.start, workflow, {"file": "scan.las"})

        found = stored(alice, run)
        assert (found.status, found.workflow_version) == ("queued", 1)
        assert (found.inputs, found.outputs) == ({"file": "scan.las"}, None)
        assert [(each.node_id, each.state) for each in found.node_states] == [
            ("a", "pending"),
            ("b", "pending"),
        ]

    def test_has_its_fixed_name_and_arguments(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.call("workflows:create", "mutation", name="LIDAR")

        run = alice.call("executions:start", "mutation", workflowId=workflow)

        (listed,) = alice.call("executions:listByWorkflow", "query", workflowId=workflow)
        assert (listed["_id"], listed["workflowId"]) == (run, workflow)
        assert alice.call("executions:get", "query", executionId=run) == listed

    def test_refuses_inputs_that_belong_into_a_file(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")

        with pytest.raises(ValidationFailed, match="put the rest into a file") as refused:
            alice.mutation(executions.start, workflow, {"points": "é" * 40_000})

        assert refused.value.details == {"bytes": 80_013, "limit": 65_536}
        alice.mutation(executions.start, workflow, {"points": "e" * 65_000})

    def test_refuses_an_archived_workflow(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(workflows.archive, workflow)

        with pytest.raises(Conflict) as refused:
            alice.mutation(executions.start, workflow)

        assert refused.value.details == {"status": "archived"}
        assert alice.query(executions.list_by_workflow, workflow) == []

    def test_refuses_a_workflow_of_somebody_else(self, backend: TestBackend) -> None:
        workflow = backend.as_user("alice").mutation(workflows.create, "LIDAR")

        with pytest.raises(NotFound):
            backend.as_user("bob").mutation(executions.start, workflow)
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(executions.start, workflow)

    def test_refuses_an_id_of_another_table(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        run = alice.mutation(executions.start, workflow)

        with pytest.raises(ArgumentValidationError):
            alice.call("executions:start", "mutation", workflowId=run)


class TestConcurrency:
    def test_is_ten_for_each_user(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        workflow = alice.mutation(workflows.create, "LIDAR")
        runs = [alice.mutation(executions.start, workflow) for _ in range(10)]

        with pytest.raises(RateLimited) as refused:
            alice.mutation(executions.start, workflow)

        assert refused.value.details == {"unfinished": 10, "limit": 10}
        assert len(alice.query(executions.list_by_workflow, workflow)) == len(runs)
        bob.mutation(executions.start, bob.mutation(workflows.create, "bob's"))

    def test_counts_those_that_wait_and_those_that_run(self, backend: TestBackend) -> None:
        alice, worker = backend.as_user("alice"), backend.as_user("pdal", role="worker")
        workflow = alice.mutation(workflows.create, "LIDAR")
        for _ in range(10):
            alice.mutation(executions.start, workflow)
        for _ in range(4):
            worker.mutation(workers.claim, "w1")

        with pytest.raises(RateLimited):
            alice.mutation(executions.start, workflow)

    def test_is_freed_by_a_run_that_finishes(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        runs = [alice.mutation(executions.start, workflow) for _ in range(10)]

        alice.mutation(executions.cancel, runs[3])

        assert alice.mutation(executions.start, workflow) not in runs


class TestCancel:
    def test_ends_a_run_that_waits(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        run = alice.mutation(
            executions.start, alice.mutation(workflows.create, name="LIDAR")
        )
        backend.advance(seconds=5)

        alice.mutation(executions.cancel, run)

        found = stored(alice, run)
        assert (found.status, found.finished) == ("cancelled", backend.clock.now_ms())

    def test_names_the_status_that_does_not_allow_it(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        run = alice.mutation(
            executions.start, alice.mutation(workflows.create, name="LIDAR")
        )
        alice.mutation(executions.cancel, run)

        with pytest.raises(
            Conflict, match="is cancelled cannot become cancelled"
        ) as refused:
            alice.mutation(executions.cancel, run)

        assert refused.value.details["status"] == "cancelled"

    def test_is_for_the_owner_and_admins_alone(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        root = backend.as_user("root")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")
        workflow = alice.mutation(workflows.create, name="LIDAR")
        run = alice.mutation(executions.start, workflow)

        with pytest.raises(NotFound):
            bob.mutation(executions.cancel, run)
        root.mutation(executions.cancel, run)

        assert stored(alice, run).status == "cancelled"


class TestListOfMine:
    def test_has_what_the_caller_started_newest_first(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        workflows_of = {who: who.mutation(workflows.create, "l") for who in (alice, bob)}
        runs = [alice.mutation(executions.start, workflows_of[alice]) for _ in range(3)]
        theirs = bob.mutation(executions.start, workflows_of[bob])
        alice.mutation(executions.cancel, runs[1])

        assert ids(alice.query(executions.list_)) == runs[::-1]
        assert ids(alice.query(executions.list_, "cancelled")) == [runs[1]]
        assert ids(alice.query(executions.list_, status="queued")) == [runs[2], runs[0]]
        assert ids(bob.query(executions.list_)) == [theirs]
        assert backend.as_user("new").query(executions.list_) == []
        with pytest.raises(Unauthenticated):
            backend.nobody.query(executions.list_)

    def test_has_everything_for_admins(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), backend.as_user("root")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")
        workflow = alice.mutation(workflows.create, "l")
        runs = [alice.mutation(executions.start, workflow) for _ in range(2)]
        alice.mutation(executions.cancel, runs[0])

        assert ids(root.query(executions.list_)) == runs[::-1]
        assert ids(root.query(executions.list_, "cancelled")) == [runs[0]]

    @pytest.mark.parametrize("status", [None, "queued"])
    def test_comes_in_pages(
        self, backend: TestBackend, status: ExecutionStatus | None
    ) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "l")
        runs = [alice.mutation(executions.start, workflow) for _ in range(5)]
        first = PaginationOptions(num_items=3, cursor=None)

        mine = alice.query(executions.list_page, first, status)
        page = alice.query(executions.list_by_workflow_page, workflow, first, status)
        then = PaginationOptions(num_items=3, cursor=page.continue_cursor)
        rest = alice.query(executions.list_by_workflow_page, workflow, then, status)

        assert ids(mine.page) == ids(page.page) == [runs[4], runs[3], runs[2]]
        assert (ids(rest.page), rest.is_done) == ([runs[1], runs[0]], True)
        stranger = backend.as_user("bob")
        hidden = stranger.query(executions.list_by_workflow_page, workflow, first, status)
        assert hidden.page == []


class TestTrigger:
    def test_tells_people_from_programs(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "l")
        scopes = ["workflows:read", "workflows:write", "executions:write"]
        program = backend.as_user("alice", **{SCOPES_CLAIM: scopes})

        by_hand = alice.mutation(executions.start, workflow)
        by_key = program.mutation(executions.start, workflow)

        found = [stored(alice, run).trigger for run in (by_hand, by_key)]
        assert found == ["manual", "api"]

    def test_does_not_let_a_key_that_sees_no_runs_start_more_than_ten(
        self, backend: TestBackend
    ) -> None:
        scopes = ["workflows:read", "workflows:write", "executions:write"]
        program = backend.as_user("alice", **{SCOPES_CLAIM: scopes})
        workflow = backend.as_user("alice").mutation(workflows.create, "l")
        for _ in range(10):
            program.mutation(executions.start, workflow)

        with pytest.raises(RateLimited):
            program.mutation(executions.start, workflow)


class TestList:
    def test_has_those_of_one_status_if_asked(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "l")
        runs = [alice.mutation(executions.start, workflow) for _ in range(3)]
        alice.mutation(executions.cancel, runs[1])

        listed = alice.query(executions.list_by_workflow, workflow, status="queued")

        assert ids(listed) == [runs[2], runs[0]]

    def test_has_the_runs_of_the_workflow_newest_first(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        lidar, coast = (alice.mutation(workflows.create, name) for name in ("l", "c"))
        runs = [alice.mutation(executions.start, each) for each in (lidar, coast, lidar)]

        listed = alice.query(executions.list_by_workflow, lidar)

        assert [run.id for run in listed] == [runs[2], runs[0]]

    def test_shows_strangers_nothing(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        workflow = alice.mutation(workflows.create, "LIDAR")
        run = alice.mutation(executions.start, workflow)

        for stranger in (bob, backend.nobody):
            assert stranger.query(executions.list_by_workflow, workflow) == []
            assert stranger.query(executions.get, run) is None

    def test_shows_the_owner_what_an_admin_ran(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), backend.as_user("root")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")
        workflow = alice.mutation(workflows.create, "LIDAR")

        run = root.mutation(executions.start, workflow)

        assert [each.id for each in alice.query(executions.list_by_workflow, workflow)] == [
            run
        ]


def test_a_run_is_watched_to_its_end(backend: TestBackend) -> None:
    alice, worker = backend.as_user("alice"), backend.as_user("pdal", role="worker")
    workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a b"))
    run = alice.mutation(executions.start, workflow)
    watch = alice.watch(executions.get, run)

    worker.mutation(workers.claim, "w1")
    worker.mutation(workers.progress, run, "w1", "a", "running", 0.5)
    worker.mutation(workers.progress, run, "w1", "a", "succeeded", 1)
    worker.mutation(workers.progress, run, "w1", "b", "skipped", 0)
    worker.mutation(workers.complete, run, "w1", {"areaKm2": 17.5})

    seen = [(found.status, found.progress) for found in watch.results if found is not None]
    assert seen == [
        ("queued", 0.0),
        ("running", 0.0),
        ("running", 0.25),
        ("running", 0.5),
        ("running", 1.0),
        ("succeeded", 1.0),
    ]
