"""Schedules: workflows that run by themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    NotFound,
    ValidationFailed,
)
from chalicelib.engine.server import Id, PaginationOptions, ScheduledFunction
from chalicelib.geoflow import executions, members, schedules, users, workflows
from chalicelib.geoflow.model.cron import next_time_ms
from chalicelib.geoflow.schema import Schedule
from testing import Client, TestBackend
from tests.geoflow.running import draw, sleep

OFTEN = "*/5 * * * *"
PERIOD_MS = 300_000
YEAR_MS = 366 * 86_400_000


@pytest.fixture
def alice(backend: TestBackend) -> Client:
    return backend.as_user("alice")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


def told(who: Client, schedule: Id[Schedule]) -> Schedule:
    found = who.query(schedules.get, schedule)
    assert found is not None
    return found


def runs(who: Client, workflow: Any) -> list[Any]:
    return who.query(executions.list_by_workflow, workflow)


def pending(backend: TestBackend) -> int:
    """How many schedules' jobs wait."""
    with backend.db() as db:
        jobs = db.system.query(ScheduledFunction).collect()
    return sum(job.name == "schedules.js:fire" and job.kind == "pending" for job in jobs)


class TestSchedule:
    def test_runs_its_workflow_each_time(self, backend: TestBackend, alice: Client) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(
            schedules.create, workflow, OFTEN, inputs={"file": "a.las"}
        )

        backend.advance(minutes=15)

        started = runs(alice, workflow)
        assert [(run.trigger, run.inputs) for run in started] == [
            ("schedule", {"file": "a.las"})
        ] * 3
        assert {run.owner for run in started} == {alice.mutation(users.ensure)}
        periods = [run.creation_time / PERIOD_MS for run in started]
        assert all(period % 1 < 0.01 for period in periods)
        found = told(alice, schedule)
        assert (found.last_execution, found.skipped) == (started[0].id, 0)
        assert found.next_time == next_time_ms(OFTEN, "UTC", backend.clock.now_ms())

    def test_keeps_the_clocks_of_its_time_zone(
        self, backend: TestBackend, alice: Client
    ) -> None:
        schedule = alice.mutation(schedules.create, draw(alice), "0 9 * * *", "Asia/Tokyo")

        due = told(alice, schedule).next_time

        assert due is not None
        assert datetime.fromtimestamp(due / 1000, UTC).hour == 0

    def test_has_its_wire_form(self, alice: Client) -> None:
        workflow = draw(alice)

        made = alice.call(
            "schedules:create",
            "mutation",
            workflowId=workflow,
            cron="*/5 * * * *",
            timeZone="Europe/Berlin",
            enabled=False,
        )

        (listed,) = alice.call("schedules:listByWorkflow", "query", workflowId=workflow)
        assert (listed["_id"], listed["timeZone"]) == (made, "Europe/Berlin")
        assert (listed["enabled"], listed["nextTime"]) == (False, None)

    def test_is_listed_for_its_owner(self, alice: Client, backend: TestBackend) -> None:
        made = [alice.mutation(schedules.create, draw(alice), OFTEN) for _ in range(2)]
        page = PaginationOptions(num_items=1, cursor=None)

        listed = alice.query(schedules.list_)

        assert [each.id for each in listed] == made[::-1]
        assert [each.id for each in alice.query(schedules.list_page, page).page] == [
            made[1]
        ]
        assert backend.as_user("bob").query(schedules.list_) == []

    def test_is_listed_with_its_workflow(self, alice: Client, backend: TestBackend) -> None:
        workflow, page = draw(alice), PaginationOptions(num_items=9, cursor=None)
        made = alice.mutation(schedules.create, workflow, OFTEN)
        alice.mutation(schedules.create, draw(alice), OFTEN)

        def listed(who: Client) -> list[Schedule]:
            return who.query(schedules.list_by_workflow_page, workflow, page).page

        assert [each.id for each in listed(alice)] == [made]
        assert listed(backend.as_user("bob")) == []

    @pytest.mark.parametrize(
        ("cron", "zone", "reason"),
        [
            ("* * * *", "UTC", "write minute, hour"),
            ("61 * * * *", "UTC", "61"),
            ("0 0 30 2 *", "UTC", "Bad day-of-month"),
            (OFTEN, "Mars/Base", "is no time zone"),
            (OFTEN, "../../etc/passwd", "is no time zone"),
            (OFTEN, "America", "is no time zone"),
        ],
    )
    def test_is_refused_if_it_cannot_be(
        self, alice: Client, cron: str, zone: str, reason: str
    ) -> None:
        workflow = draw(alice)

        with pytest.raises(ValidationFailed, match=reason):
            alice.mutation(schedules.create, workflow, cron, zone)

        assert alice.query(schedules.list_by_workflow, workflow) == []

    def test_has_at_most_nineteen_beside_it(self, alice: Client) -> None:
        workflow = draw(alice)
        for _ in range(20):
            alice.mutation(schedules.create, workflow, OFTEN)

        with pytest.raises(Conflict, match="20 schedules"):
            alice.mutation(schedules.create, workflow, OFTEN)

    def test_can_be_previewed(self, alice: Client) -> None:
        shown = alice.query(schedules.preview, "0 12 * * MON", count=3)

        days = [datetime.fromtimestamp(time / 1000, UTC) for time in shown]
        assert [(day.weekday(), day.hour) for day in days] == [(0, 12)] * 3
        with pytest.raises(ArgumentValidationError):
            alice.query(schedules.preview, OFTEN, count=51)


class TestChange:
    def test_to_another_time_takes_effect_at_once(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, "0 0 1 1 *")

        alice.mutation(schedules.update, schedule, cron=OFTEN)
        backend.advance(minutes=5)

        assert len(runs(alice, workflow)) == 1
        assert pending(backend) == 1

    def test_to_disabled_and_back_leaves_out_what_was_between(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, OFTEN)

        alice.mutation(schedules.update, schedule, enabled=False)
        backend.advance(minutes=25)
        before = len(runs(alice, workflow))
        alice.mutation(schedules.update, schedule, enabled=True)
        backend.advance(minutes=5)

        assert (before, len(runs(alice, workflow))) == (0, 1)

    def test_that_is_wrong_leaves_it_as_it_was(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, OFTEN)

        with pytest.raises(ValidationFailed):
            alice.mutation(schedules.update, schedule, time_zone="Mars/Base")
        backend.advance(minutes=5)

        assert len(runs(alice, workflow)) == 1

    def test_makes_its_runs_those_of_who_changed_it(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow, bob = draw(alice), backend.as_user("bob")
        schedule = alice.mutation(schedules.create, workflow, OFTEN)
        bob_id = bob.mutation(users.ensure)
        alice.mutation(members.share, workflow, "edit", bob_id)

        bob.mutation(schedules.update, schedule, inputs={"by": "bob"})
        backend.advance(minutes=5)

        (run,) = runs(alice, workflow)
        assert (run.owner, run.inputs) == (bob_id, {"by": "bob"})

    def test_to_none_at_all_ends_it(self, backend: TestBackend, alice: Client) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, OFTEN)

        alice.mutation(schedules.remove, schedule)
        backend.advance(minutes=10)

        assert runs(alice, workflow) == []
        assert alice.query(schedules.get, schedule) is None
        assert pending(backend) == 0

    def test_is_for_who_may_run_the_workflow(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow, bob = draw(alice), backend.as_user("bob")
        schedule = alice.mutation(schedules.create, workflow, OFTEN)
        with pytest.raises(NotFound):
            bob.mutation(schedules.update, schedule, enabled=False)

        alice.mutation(members.share, workflow, "view", bob.mutation(users.ensure))

        assert told(bob, schedule).cron == OFTEN
        for refused in (
            lambda: bob.mutation(schedules.create, workflow, OFTEN),
            lambda: bob.mutation(schedules.update, schedule, enabled=False),
            lambda: bob.mutation(schedules.remove, schedule),
        ):
            with pytest.raises(Forbidden):
                refused()


class TestSkips:
    def test_tell_of_runs_that_were_too_many(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, OFTEN)
        busy = [alice.mutation(executions.start, workflow) for _ in range(10)]

        backend.advance(minutes=10)
        alice.mutation(executions.cancel, busy[0])
        backend.advance(minutes=5)

        found = told(alice, schedule)
        assert (found.skipped, len(runs(alice, workflow))) == (2, 11)
        assert found.skips[0].reason.startswith("10 of your executions wait or run")
        assert found.skips[1].time - found.skips[0].time == pytest.approx(
            PERIOD_MS, abs=2000
        )

    def test_are_kept_for_the_latest_alone(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow = draw(alice)
        schedule = alice.mutation(schedules.create, workflow, "* * * * *")
        alice.mutation(workflows.archive, workflow)

        backend.advance(minutes=25)

        found = told(alice, schedule)
        assert (found.skipped, len(found.skips)) == (25, 20)
        assert "is archived" in found.skips[-1].reason

    def test_tell_of_owners_who_may_no_longer(
        self, backend: TestBackend, alice: Client
    ) -> None:
        workflow, bob = draw(alice), backend.as_user("bob")
        bob_id = bob.mutation(users.ensure)
        alice.mutation(members.share, workflow, "edit", bob_id)
        schedule = bob.mutation(schedules.create, workflow, OFTEN)
        alice.mutation(members.remove, workflow, bob_id)

        backend.advance(minutes=5)

        assert runs(alice, workflow) == []
        assert (
            told(alice, schedule).skips[0].reason == "Bob may no longer run this workflow"
        )


def test_what_passed_while_nothing_was_served_is_caught_up_with_by_one_run(
    backend: TestBackend, alice: Client
) -> None:
    workflow = draw(alice)
    schedule = alice.mutation(schedules.create, workflow, OFTEN)

    sleep(backend, 50 * PERIOD_MS)

    assert len(runs(alice, workflow)) == 1
    due = told(alice, schedule).next_time
    assert due is not None
    assert 0 < due - backend.clock.now_ms() <= PERIOD_MS


def test_a_time_that_is_years_away_is_waited_for_in_steps(
    backend: TestBackend, alice: Client
) -> None:
    workflow = draw(alice)
    schedule = alice.mutation(schedules.create, workflow, "0 0 29 2 *")
    due = told(alice, schedule).next_time
    assert due is not None

    while due - backend.clock.now_ms() > YEAR_MS:
        sleep(backend, YEAR_MS)
    before = len(runs(alice, workflow))
    sleep(backend, due - backend.clock.now_ms())

    assert (before, len(runs(alice, workflow))) == (0, 1)


def test_schedules_go_with_their_workflow(backend: TestBackend, alice: Client) -> None:
    workflow = draw(alice)
    alice.mutation(schedules.create, workflow, OFTEN)

    alice.mutation(workflows.remove, workflow)
    backend.advance(minutes=10)

    with backend.db() as db:
        assert db.query(Schedule).first() is None
    assert backend.errors == []


class TestTimes:
    def test_of_the_hour_that_is_left_out_in_spring_come_right_after_it(self) -> None:
        due = next_time_ms("30 2 * * *", "Europe/Berlin", at("2026-03-28T12:00:00+01:00"))

        assert due == at("2026-03-29T03:00:00+02:00")

    def test_of_the_hour_that_comes_twice_in_autumn_come_once(self) -> None:
        first = next_time_ms("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00:00+02:00"))
        second = next_time_ms("30 2 * * *", "Europe/Berlin", first)

        assert first == at("2026-10-25T02:30:00+02:00")
        assert second == at("2026-10-26T02:30:00+01:00")
