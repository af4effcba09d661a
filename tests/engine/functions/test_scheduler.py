"""``ctx.scheduler``: what is scheduled, when it runs, as whom, and how it ends."""

from __future__ import annotations

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    EngineError,
    InvalidScheduledFunctionDelay,
    ScheduledFunctionsArgumentsTooLarge,
    TooManyFunctionsScheduled,
    WrongFunctionKind,
)
from chalicelib.engine.limits import MAX_JOB_DELAY_MS
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.server import Id, ScheduledFunction
from tests.apps.errands import errands
from tests.backend import Client, TestBackend

APP = "tests.apps.errands"


@pytest.fixture
def backend(each_log: Persistence) -> TestBackend:
    """A deployment of the errands, in which nothing was done yet."""
    errands.RUNS.clear()
    errands.FAILING.clear()
    return TestBackend(APP, persistence=each_log)


def look(client: Client, job: Id[ScheduledFunction]) -> ScheduledFunction:
    """A job that is there."""
    found = client.query(errands.job, job)
    assert found is not None
    return found


def kind(client: Client, job: Id[ScheduledFunction]) -> str:
    """The state of a job, as the wire names it."""
    return str(client.call("errands:job", "query", job=job)["state"]["kind"])


class TestAJobOfAMutation:
    @pytest.mark.emulated
    def test_runs_at_its_time_and_not_before(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        alice.mutation(errands.later, "x", 90_000)

        backend.advance(seconds=89)
        before = alice.query(errands.notes)
        backend.advance(seconds=2)

        assert (before, alice.query(errands.notes)) == ([], ["x"])

    def test_runs_at_its_time_when_that_is_far_off(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.at, "x", backend.clock.now_ms() + 5 * 3_600_000)

        backend.advance(minutes=299)
        before = alice.query(errands.notes)
        backend.advance(minutes=2)

        done = look(alice, job)
        assert (before, alice.query(errands.notes)) == ([], ["x"])
        assert 0 <= float(done.completed_time or 0) - done.scheduled_time < 1000

    def test_is_at_once_when_its_time_has_passed(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        alice.mutation(errands.at, "x", backend.clock.now_ms() - 1000)

        backend.run_jobs()

        assert alice.query(errands.notes) == ["x"]

    def test_is_there_only_if_the_mutation_commits(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        with pytest.raises(Conflict):
            alice.mutation(errands.later_and_refuse, "x")

        backend.advance(minutes=2)

        assert (alice.query(errands.jobs), alice.query(errands.notes)) == ([], [])

    @pytest.mark.emulated
    def test_looks_as_the_wire_has_it(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 1000)
        scheduled = alice.call("errands:job", "query", job=job)

        backend.advance(seconds=2)
        ran = alice.call("errands:job", "query", job=job)

        assert set(scheduled) == {
            *("_id", "_creationTime", "name", "args", "scheduledTime", "state")
        }
        assert scheduled["name"] == "errands.js:note"
        assert scheduled["args"] == [{"text": "x"}]
        assert scheduled["state"] == {"kind": "pending"}
        assert scheduled["_id"] == job
        assert ran == {
            **scheduled,
            "completedTime": ran["completedTime"],
            "state": {"kind": "success"},
        }

    def test_runs_as_nobody_and_under_no_policy(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        alice.mutation(errands.later, "x", 0)
        alice.mutation(errands.schedule, "hide", "y")

        backend.run_jobs()

        assert alice.query(errands.runners) == [None]
        assert alice.query(errands.secrets) == ["y"]

    def test_that_fails_has_written_nothing_but_that(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.schedule, "refuse", "x")

        backend.advance(minutes=5)

        state = alice.call("errands:job", "query", job=job)["state"]
        assert alice.query(errands.notes) == []
        assert state["kind"] == "failed"
        assert state["error"].startswith("Uncaught ConvexError: ")
        assert '"refused"' in state["error"]

    def test_has_the_arguments_that_were_given_and_the_defaults_of_then(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.schedule, "note_inside", "x")

        backend.run_jobs()

        assert alice.call("errands:job", "query", job=job)["args"] == [{"text": "x"}]
        assert alice.query(errands.notes) == ["x"]

    def test_runs_once_however_often_it_is_handed_over(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        alice.mutation(errands.later, "x", 0)
        head = backend.engine.head()

        for _ in range(3):
            backend.engine.commits(head, head)
            backend.engine.send_sweep()
            backend.run_jobs()

        assert alice.query(errands.notes) == ["x"]

    def test_runs_among_many_of_one_mutation(self, backend: TestBackend) -> None:
        backend.system.mutation(errands.many, 250, "x")

        backend.run_jobs()

        notes = backend.system.query(errands.notes)
        assert len(set(notes)) == len(notes) == 250

    def test_is_found_by_the_sweep_when_nobody_handed_it_over(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        for text in "xy":
            alice.mutation(errands.later, text, 0)
        backend._jobs._waiting.clear()

        backend.engine.send_sweep()
        backend.run_jobs()

        notes = alice.query(errands.notes)
        assert sorted(notes) == ["x", "y"]


def test_what_jobs_log_goes_to_the_servers_log(backend: TestBackend) -> None:
    said: list[tuple[str, tuple[str, ...]]] = []
    backend.engine._jobs._say = lambda path, lines: said.append((path, lines))
    backend.system.mutation(errands.schedule, "note_inside", "x")
    backend.system.mutation(errands.act_later, "y", 0)

    backend.run_jobs()

    assert sorted(said) == [
        ("errands:act", ("[INFO] 'y'",)),
        ("errands:noteInside", ("[INFO] 'x'",)),
    ]


class TestAnActionsJob:
    @pytest.mark.emulated
    def test_runs_the_action_and_then_says_so(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.act_later, "x", 1000)

        backend.advance(seconds=2)

        assert (errands.RUNS, alice.query(errands.notes)) == (["x"], ["x"])
        assert kind(alice, job) == "success"

    def test_runs_once_however_often_it_is_handed_over(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        alice.mutation(errands.act_later, "x", 0)
        head = backend.engine.head()

        for _ in range(3):
            backend.engine.commits(head, head)
            backend.run_jobs()

        assert errands.RUNS == ["x"]

    def test_that_fails_is_not_run_again(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.schedule, "fall", "x")

        backend.advance(minutes=40)

        state = alice.call("errands:job", "query", job=job)["state"]
        assert errands.RUNS == ["x"]
        assert state["kind"] == "failed"
        assert '"fell"' in state["error"]

    def test_that_is_to_be_retried_is_run_again_after_a_while(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        errands.FAILING[:] = [1]
        job = alice.mutation(errands.schedule, "stumble", "x")

        backend.advance(ms=500)
        first = (list(errands.RUNS), kind(alice, job))
        backend.advance(seconds=2)

        assert first == (["x"], "pending")
        assert (errands.RUNS, kind(alice, job)) == (["x", "x"], "success")

    def test_that_is_to_be_retried_fails_in_the_end(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        errands.FAILING[:] = [1] * 9
        job = alice.mutation(errands.schedule, "stumble", "x")

        backend.advance(minutes=10)

        assert (errands.RUNS, kind(alice, job)) == (["x"] * 3, "failed")

    def test_that_died_is_failed_by_the_sweep_after_its_time(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.act_later, "x", 0)
        claimed = backend.system.call("_system/jobs:claim", "mutation", job=job)

        backend.advance(minutes=15)
        early = kind(alice, job)
        backend.advance(minutes=2)

        state = alice.call("errands:job", "query", job=job)["state"]
        assert claimed["run"] == 1
        assert early == "inProgress"
        assert state["kind"] == "failed"
        assert state["error"].startswith("The action did not end")
        assert errands.RUNS == []

    def test_schedules_in_transactions_of_their_own(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        job = alice.action(errands.act_now, "x", 1000)
        backend.advance(seconds=2)

        assert kind(alice, job) == "success"
        assert alice.query(errands.notes) == ["x"]


class TestCancelling:
    @pytest.mark.emulated
    def test_keeps_a_waiting_job_from_running(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 1000)

        alice.mutation(errands.cancel, job)
        backend.advance(minutes=2)

        done = alice.call("errands:job", "query", job=job)
        assert alice.query(errands.notes) == []
        assert done["state"] == {"kind": "canceled"}
        assert done["completedTime"] > 0

    def test_leaves_a_job_that_has_ended_as_it_is(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 0)
        backend.run_jobs()

        alice.mutation(errands.cancel, job)

        assert kind(alice, job) == "success"

    def test_an_action_that_runs_cancels_what_it_schedules_from_then_on(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.schedule_more, "give_up")

        backend.advance(minutes=2)

        others = [one for one in alice.query(errands.jobs) if one.id != job]
        assert kind(alice, job) == "canceled"
        assert [kind(alice, one.id) for one in others] == ["canceled"] * 2
        assert alice.query(errands.notes) == []

    def test_what_an_action_schedules_runs_otherwise(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.schedule_more, "go_on")

        backend.advance(minutes=2)

        assert kind(alice, job) == "success"
        notes = alice.query(errands.notes)
        assert sorted(notes) == [
            "from its mutation",
            "from the action",
        ]

    def test_an_action_can_cancel_others(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 600_000)

        backend.system.call("errands:goOn", "action", job=job)

        assert kind(alice, job) == "canceled"


class TestLimits:
    @pytest.mark.emulated
    def test_of_what_may_be_scheduled(self, backend: TestBackend) -> None:
        with pytest.raises(WrongFunctionKind, match="errands:notes is a query"):
            backend.system.mutation(errands.schedule, "notes", "x")

    @pytest.mark.parametrize("delay_ms", [-1, float("nan"), MAX_JOB_DELAY_MS + 1])
    def test_of_a_delay(self, backend: TestBackend, delay_ms: float) -> None:
        with pytest.raises(InvalidScheduledFunctionDelay):
            backend.system.mutation(errands.later, "x", delay_ms)

    @pytest.mark.parametrize("sign", [-1, 1])
    def test_of_a_time(self, backend: TestBackend, sign: int) -> None:
        far_ms = backend.clock.now_ms() + sign * (MAX_JOB_DELAY_MS + 1000)

        with pytest.raises(InvalidScheduledFunctionDelay, match="more than 5 years"):
            backend.system.mutation(errands.at, "x", far_ms)

    def test_of_the_number_of_jobs(self, backend: TestBackend) -> None:
        backend.system.mutation(errands.many, 1000, "x")

        with pytest.raises(TooManyFunctionsScheduled, match="limit: 1000"):
            backend.system.mutation(errands.many, 1001, "x")

        assert len(backend.system.query(errands.jobs)) == 1000

    def test_of_the_arguments_of_one_job(self, backend: TestBackend) -> None:
        with pytest.raises(ScheduledFunctionsArgumentsTooLarge, match="4194304"):
            backend.system.mutation(errands.later, "x" * (4 << 20), 0)

    def test_of_the_arguments_of_all_jobs(self, backend: TestBackend) -> None:
        with pytest.raises(ScheduledFunctionsArgumentsTooLarge, match="16777216"):
            backend.system.mutation(errands.many, 5, "x" * ((4 << 20) - 100))

    def test_arguments_may_be_larger_than_a_document(self, backend: TestBackend) -> None:
        text = "x" * (3 << 20)
        job = backend.system.mutation(errands.schedule, "fall", text)

        backend.run_jobs()

        assert [text] == errands.RUNS
        assert kind(backend.system, job) == "failed"


class TestRecords:
    def test_of_jobs_go_after_seven_days(self, backend: TestBackend) -> None:
        system = backend.system
        for number in range(250):
            system.mutation(errands.later, f"{number}", 0)
        waiting = system.mutation(errands.later, "later", 9 * 86_400_000)
        backend.run_jobs()

        backend.clock.wait_ms(7 * 86_400_000 - 600_000)
        backend.advance(minutes=5)
        kept = len(system.query(errands.jobs))
        backend.advance(minutes=10)

        assert kept == 251
        assert [job.id for job in system.query(errands.jobs)] == [waiting]

    def test_of_jobs_with_large_arguments_go_too(self, backend: TestBackend) -> None:
        for _ in range(5):
            backend.system.mutation(errands.schedule, "fall", "x" * ((4 << 20) - 100))
        backend.run_jobs()

        backend.clock.wait_ms(7 * 86_400_000)
        backend.advance(minutes=2)

        assert backend.system.query(errands.jobs) == []


class TestAnErrorOfTheSystem:
    def test_puts_a_job_off_for_longer_each_time(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 0)
        began_ms = backend.clock.now_ms()
        backend._jobs._waiting.clear()

        for runs in range(4):
            backend.system.call("_system/jobs:postpone", "mutation", job=job, runs=runs)
        backend.advance(seconds=5)

        late_ms = float(look(alice, job).completed_time or 0) - began_ms
        assert kind(alice, job) == "success"
        assert 2000 <= late_ms <= 4100
        assert alice.query(errands.notes) == ["x"]

    def test_is_said_once_of_each_run(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        job = alice.mutation(errands.later, "x", 0)
        backend._jobs._waiting.clear()

        for _ in range(9):
            backend.system.call("_system/jobs:postpone", "mutation", job=job, runs=0)
        backend.advance(seconds=1)

        assert kind(alice, job) == "success"


def test_arguments_are_checked_when_a_job_is_scheduled(backend: TestBackend) -> None:
    with pytest.raises(ArgumentValidationError):
        backend.system.call(
            "_system/jobs:schedule", "mutation", path="errands:note", args=3, at=1
        )


def test_internal_functions_are_not_for_clients(backend: TestBackend) -> None:
    with pytest.raises(EngineError):
        backend.as_user("alice").call("_system/jobs:swept", "mutation", until=1)
