"""Workers: each run is held by one, by a lease, and by nobody else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.server import Id
from chalicelib.geoflow import executions, oversight, users, workers, workflows
from chalicelib.geoflow.limits import LEASE_MS, MAX_LOSSES, RECLAIM_S
from chalicelib.geoflow.schema import Execution, Worker
from testing import Client, TestBackend
from tests.geoflow.drawings import edges, nodes

Report = Callable[[Client, Id[Execution], str], object]

REPORTS: dict[str, Report] = {
    "progress": lambda who, run, name: who.mutation(
        workers.progress, run, name, "a", "running", 0.5
    ),
    "renew": lambda who, run, name: who.mutation(workers.renew, run, name),
    "complete": lambda who, run, name: who.mutation(workers.complete, run, name, {}),
    "fail": lambda who, run, name: who.mutation(workers.fail, run, name, "no such file"),
    "give back": lambda who, run, name: who.mutation(workers.give_back, run, name),
}
each_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())


@pytest.fixture
def alice(backend: TestBackend) -> Client:
    return backend.as_user("alice")


@pytest.fixture
def worker(backend: TestBackend) -> Client:
    return backend.as_user("pdal", role="worker")


def start(who: Client, **inputs: Any) -> Id[Execution]:
    workflow = who.mutation(
        workflows.create, "LIDAR", nodes=nodes("a b"), edges=edges("a>b")
    )
    return who.mutation(executions.start, workflow, inputs)


def stored(who: Client, run: Id[Execution]) -> Execution:
    found = who.query(executions.get, run)
    assert found is not None
    return found


class TestClaim:
    def test_hands_over_all_that_it_takes_to_do_the_run(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice, file="scan.las")

        given = worker.mutation(workers.claim, "w1")

        assert given is not None
        assert (given.execution_id, given.attempt) == (run, 1)
        assert (given.inputs, len(given.nodes), len(given.edges)) == (
            {"file": "scan.las"},
            2,
            1,
        )
        assert given.lease_expires == backend.clock.now_ms() + LEASE_MS
        found = stored(alice, run)
        assert (found.status, found.worker_id) == ("running", "w1")
        assert found.started == backend.clock.now_ms()

    def test_takes_what_has_waited_longest_and_then_nothing(
        self, alice: Client, worker: Client
    ) -> None:
        runs = [start(alice) for _ in range(3)]

        given = [worker.mutation(workers.claim, "w1") for _ in range(4)]

        assert [each and each.execution_id for each in given] == [*runs, None]

    def test_leaves_out_what_was_cancelled(self, alice: Client, worker: Client) -> None:
        cancelled, run = start(alice), start(alice)
        alice.mutation(executions.cancel, cancelled)

        given = worker.mutation(workers.claim, "w1")

        assert given is not None
        assert given.execution_id == run

    def test_hands_over_the_version_that_was_started(
        self, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        workflow = stored(alice, run).workflow_id
        alice.mutation(workflows.update, workflow, nodes=nodes("x"), edges=[])
        alice.mutation(executions.start, workflow)

        given = [worker.mutation(workers.claim, "w1") for _ in range(2)]

        drawn = [[node.id for node in each.nodes] for each in given if each is not None]
        assert drawn == [["a", "b"], ["x"]]

    def test_gives_each_run_to_one_of_many(self, backend: TestBackend) -> None:
        people = [backend.as_user(name) for name in ("alice", "bob")]
        runs = [start(people[number % 2]) for number in range(12)]
        hands = [backend.as_user(f"pdal-{n}", role="worker") for n in range(4)]

        def take(number: int) -> str | None:
            given = hands[number % 4].mutation(workers.claim, f"w{number % 4}")
            return given.execution_id if given is not None else None

        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(take, range(16)))

        assert sorted(each for each in taken if each is not None) == sorted(runs)

    def test_hands_over_nothing_of_a_workflow_that_was_removed(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        orphan, run = start(alice), start(alice)
        with backend.db() as db:
            db.delete(db.require(orphan).workflow_id)  # the rest goes later, in steps

        given = worker.mutation(workers.claim, "w1")

        assert given is not None
        assert given.execution_id == run
        with backend.db() as db:
            assert db.require(orphan).status == "cancelled"

    def test_counts_what_waits(self, alice: Client, worker: Client) -> None:
        watch = worker.watch(workers.waiting)

        run = start(alice)
        start(alice)
        worker.mutation(workers.claim, "w1")
        worker.mutation(workers.complete, run, "w1", {})

        assert watch.results == [0, 1, 2, 1]


class TestWhoMayBeAWorker:
    @each_report
    def test_not_any_user(self, alice: Client, worker: Client, report: Report) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(Forbidden, match='the claim role: "worker"'):
            report(alice, run, "w1")
        with pytest.raises(Forbidden):
            alice.mutation(workers.claim, "w1")
        with pytest.raises(Forbidden):
            alice.query(workers.waiting)

    def test_not_nobody(self, backend: TestBackend) -> None:
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(workers.claim, "w1")

    def test_an_admin(self, backend: TestBackend, alice: Client) -> None:
        root = backend.as_user("root")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")
        run = start(alice)

        given = root.mutation(workers.claim, "w1")

        assert given is not None
        assert given.execution_id == run

    def test_is_no_user_of_the_product_for_that(
        self, alice: Client, worker: Client
    ) -> None:
        start(alice)

        worker.mutation(workers.claim, "w1")

        assert worker.query(users.me) is None


class TestOwnership:
    @each_report
    def test_another_name_is_refused(
        self, alice: Client, worker: Client, report: Report
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(Forbidden) as refused:
            report(worker, run, "w2")

        assert refused.value.details == {"heldBy": "w1"}
        assert stored(alice, run).status == "running"

    @each_report
    def test_the_same_name_with_another_token_is_refused(
        self, backend: TestBackend, alice: Client, worker: Client, report: Report
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(Forbidden):
            report(backend.as_user("gdal", role="worker"), run, "w1")

    @each_report
    def test_a_run_that_nobody_claimed_is_refused(
        self, alice: Client, worker: Client, report: Report
    ) -> None:
        run = start(alice)

        with pytest.raises(Forbidden):
            report(worker, run, "w1")

        assert stored(alice, run).status == "queued"

    @each_report
    def test_a_cancelled_run_tells_its_worker_to_stop(
        self, alice: Client, worker: Client, report: Report
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        alice.mutation(executions.cancel, run)

        with pytest.raises(Conflict, match="stop working") as refused:
            report(worker, run, "w1")

        assert refused.value.details == {"status": "cancelled"}
        assert stored(alice, run).status == "cancelled"


class TestGivingBack:
    def test_lets_another_begin_afresh_at_once(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run, later = start(alice), start(alice)
        worker.mutation(workers.claim, "w1")
        worker.mutation(workers.progress, run, "w1", "a", "running", 0.5)

        worker.mutation(workers.give_back, run, "w1")

        assert stored(alice, run).progress == 0.0
        given = [worker.mutation(workers.claim, "w2") for _ in range(2)]
        assert [each and each.execution_id for each in given] == [run, later]
        assert stored(alice, run).losses == 0
        with pytest.raises(Forbidden):
            worker.mutation(workers.complete, run, "w1", {})


class TestReclaiming:
    def test_a_lost_run_is_told_to_those_who_wait_for_work(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        watched = worker.watch(workers.waiting)

        backend.advance(LEASE_MS + RECLAIM_S * 1000)

        assert watched.results == [0, 1]
        found = stored(alice, run)
        assert (found.status, found.worker_id) == ("queued", None)

    def test_a_run_that_was_lost_too_often_fails(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)

        for _ in range(MAX_LOSSES):
            worker.mutation(workers.claim, "w1")
            backend.advance(LEASE_MS + RECLAIM_S * 1000)

        found = stored(alice, run)
        assert (found.status, found.attempts) == ("failed", MAX_LOSSES)

    def test_leaves_runs_alone_that_are_held(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        reclaimed = backend.system.mutation(workers.reclaim)

        assert reclaimed == 0
        assert stored(alice, run).worker_id == "w1"


class TestLease:
    @each_report
    def test_that_expired_is_held_by_nobody(
        self, backend: TestBackend, alice: Client, worker: Client, report: Report
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        backend.advance(LEASE_MS + 1)

        with pytest.raises(Conflict, match="lease has expired"):
            report(worker, run, "w1")

    @pytest.mark.parametrize("name", ["progress", "renew"])
    def test_is_renewed_by_reports(
        self, backend: TestBackend, alice: Client, worker: Client, name: str
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        for _ in range(5):
            backend.advance(LEASE_MS - 1)
            REPORTS[name](worker, run, "w1")

        assert worker.mutation(workers.claim, "w2") is None
        assert stored(alice, run).worker_id == "w1"

    def test_that_expired_lets_another_begin_afresh(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        worker.mutation(workers.progress, run, "w1", "a", "succeeded", 1, "1,000 points")
        backend.advance(LEASE_MS + 1)

        given = worker.mutation(workers.claim, "w2")

        assert given is not None
        assert (given.execution_id, given.attempt) == (run, 2)
        found = stored(alice, run)
        assert (found.worker_id, found.progress) == ("w2", 0.0)
        assert {node.state for node in found.node_states} == {"pending"}
        assert {node.message for node in found.node_states} == {None}
        with pytest.raises(Forbidden):
            worker.mutation(workers.complete, run, "w1", {})
        worker.mutation(workers.complete, run, "w2", {})

    def test_that_has_not_expired_keeps_others_away(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        start(alice)
        worker.mutation(workers.claim, "w1")
        backend.advance(LEASE_MS - 1)

        assert worker.mutation(workers.claim, "w2") is None

    def test_lost_time_and_again_fails_the_run_and_frees_the_queue(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        poison, harmless = start(alice), start(alice)
        for number in range(MAX_LOSSES):
            given = worker.mutation(workers.claim, f"w{number}")
            assert given is not None
            assert given.execution_id == poison
            backend.advance(LEASE_MS + 1)

        after = worker.mutation(workers.claim, "survivor")

        assert after is not None
        assert after.execution_id == harmless
        found = stored(alice, poison)
        assert (found.status, found.finished) == ("failed", backend.clock.now_ms())
        assert found.error == "5 workers took it on, and none was heard of again"


class TestAssignment:
    def test_changes_only_when_the_run_does(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        watch = worker.watch(workers.assignment, run, "w1")

        for _ in range(3):
            backend.advance(LEASE_MS / 2)
            worker.mutation(workers.renew, run, "w1")
        worker.mutation(workers.progress, run, "w1", "a", "running", 0.5)
        alice.mutation(executions.cancel, run)

        assert watch.results == [
            workers.Standing(status="running", attempt=1, error=None),
            workers.Standing(status="cancelled", attempt=1, error=None),
        ]

    def test_is_gone_with_the_lease(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        watch = worker.watch(workers.assignment, run, "w1")

        backend.advance(LEASE_MS + RECLAIM_S * 1000)

        assert watch.latest is None
        worker.mutation(workers.claim, "w2")
        assert watch.latest is None
        assert worker.query(workers.assignment, run, "w2") is not None

    def test_is_told_to_its_worker_alone(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        assert worker.query(workers.assignment, run, "w2") is None
        another = backend.as_user("gdal", role="worker")
        assert another.query(workers.assignment, run, "w1") is None
        with pytest.raises(Forbidden):
            alice.query(workers.assignment, run, "w1")

    def test_is_gone_with_the_workflow(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        watch = worker.watch(workers.assignment, run, "w1")

        alice.mutation(workflows.remove, stored(alice, run).workflow_id)
        backend.run_jobs()

        assert watch.latest is None
        with pytest.raises(NotFound):
            worker.mutation(workers.complete, run, "w1", {})


class TestAtOnce:
    """What happens to one run at the same moment: one of them comes first."""

    def both(self, *deeds: Callable[[], object]) -> list[bool]:
        """Do all of it at once; return what was not refused."""

        def is_done(deed: Callable[[], object]) -> bool:
            try:
                return deed() is not None
            except (Conflict, Forbidden):
                return False

        with ThreadPoolExecutor(len(deeds)) as pool:
            return list(pool.map(is_done, deeds))

    def test_two_workers_claim_and_one_has_it(
        self, backend: TestBackend, alice: Client
    ) -> None:
        hands = [backend.as_user(name, role="worker") for name in ("pdal", "gdal")]
        for _ in range(10):
            run = start(alice)

            done = self.both(
                lambda: hands[0].mutation(workers.claim, "w0"),
                lambda: hands[1].mutation(workers.claim, "w1"),
            )

            assert sum(done) == 1
            assert stored(alice, run).worker_id == f"w{done.index(True)}"
            alice.mutation(executions.cancel, run)

    def test_a_run_is_cancelled_and_completed_and_ends_once(
        self, alice: Client, worker: Client
    ) -> None:
        for _ in range(10):
            run = start(alice)
            worker.mutation(workers.claim, "w1")

            def complete(run: Id[Execution] = run) -> bool:
                worker.mutation(workers.complete, run, "w1", {})
                return True

            def cancel(run: Id[Execution] = run) -> bool:
                alice.mutation(executions.cancel, run)
                return True

            done = self.both(complete, cancel)

            ends = ["succeeded", "cancelled"]
            assert sum(done) == 1
            assert stored(alice, run).status == ends[done.index(True)]
            workflow = stored(alice, run).workflow_id
            counted = alice.query(executions.statistics, workflow)
            assert counted is not None
            assert counted.succeeded + counted.cancelled == 1

    def test_an_expired_lease_is_renewed_by_nobody_who_lost_the_run(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        backend.advance(LEASE_MS - 1)

        done = self.both(
            lambda: worker.mutation(workers.renew, run, "w1"),
            lambda: worker.mutation(workers.claim, "w2"),
        )

        holder = stored(alice, run).worker_id
        assert sum(done) >= 1
        assert holder == ("w2" if done[1] else "w1")
        assert not (done[0] and done[1] and holder == "w1")


class TestReports:
    def test_show_on_their_node_and_on_the_whole(
        self, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        worker.mutation(workers.progress, run, "w1", "b", "running", 0.5, "half of it")

        found = stored(alice, run)
        assert found.progress == 0.25
        node = found.node_states[1]
        assert (node.node_id, node.state, node.progress) == ("b", "running", 0.5)
        assert node.message == "half of it"

    def test_have_their_wire_form(self, alice: Client, worker: Client) -> None:
        run = start(alice)

        given = worker.call("workers:claim", "mutation", workerId="w1")
        worker.call(
            "workers:progress",
            "mutation",
            executionId=given["executionId"],
            workerId="w1",
            nodeId="a",
            state="succeeded",
            progress=1,
        )
        worker.call(
            "workers:complete", "mutation", executionId=run, workerId="w1", outputs={"n": 1}
        )

        assert stored(alice, run).outputs == {"n": 1}

    def test_about_a_node_that_is_not_there_name_those_that_are(
        self, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(NotFound) as refused:
            worker.mutation(workers.progress, run, "w1", "z", "running", 0)

        assert refused.value.details == {"node": "z", "nodes": ["a", "b"]}

    @pytest.mark.parametrize("wrong", [-0.1, 1.1, "half"])
    def test_of_more_than_all_are_refused(
        self, alice: Client, worker: Client, wrong: Any
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(ArgumentValidationError):
            worker.mutation(workers.progress, run, "w1", "a", "running", wrong)

    def test_of_outputs_that_belong_into_a_file_are_refused(
        self, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        with pytest.raises(ValidationFailed, match="the outputs are"):
            worker.mutation(workers.complete, run, "w1", {"points": "x" * 70_000})

        assert stored(alice, run).status == "running"

    def test_of_failure_tell_the_owner_why(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")

        worker.mutation(workers.fail, run, "w1", "no such file: scan.las")

        found = stored(alice, run)
        assert (found.status, found.error) == ("failed", "no such file: scan.las")
        assert (found.finished, found.lease_expires) == (backend.clock.now_ms(), None)

    @pytest.mark.parametrize("second", ["complete", "fail", "progress"])
    def test_after_the_end_change_nothing(
        self, alice: Client, worker: Client, second: str
    ) -> None:
        run = start(alice)
        worker.mutation(workers.claim, "w1")
        worker.mutation(workers.complete, run, "w1", {"n": 1})
        before = stored(alice, run)

        with pytest.raises(Conflict):
            REPORTS[second](worker, run, "w1")

        assert stored(alice, run) == before

    def test_about_no_run_at_all_are_refused(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        workflow = alice.mutation(workflows.create, "LIDAR")

        with pytest.raises(ArgumentValidationError):
            worker.call(
                "workers:fail", "mutation", executionId=workflow, workerId="w1", error=""
            )


class TestWhatOthersSeeOfAWorker:
    def test_is_its_name_and_an_id_that_tells_nothing_of_it(
        self, backend: TestBackend, alice: Client, worker: Client
    ) -> None:
        runs = [start(alice), start(alice)]

        for _ in runs:
            worker.mutation(workers.claim, "w1")

        first, second = (
            alice.call("executions:get", "query", executionId=run) for run in runs
        )
        with backend.db() as db:
            (known,) = db.query(Worker).take(2)
        assert (first["workerId"], first["worker"]) == ("w1", known.id)
        assert second["worker"] == known.id
        assert "test.example" not in str((first, second))
