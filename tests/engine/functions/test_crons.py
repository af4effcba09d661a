"""``crons.py``: what runs again and again, and what a deployment makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.engine.backend import Backend, Behaviour
from chalicelib.engine.errors import InvalidCron
from chalicelib.engine.functions.cron_times import first_time_ms, next_time_ms
from chalicelib.engine.functions.crons import check_cron
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.persistence import Interval as Keys
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema import codec_of
from chalicelib.engine.schema.jobs import (
    CronExpression,
    CronJob,
    Daily,
    Hourly,
    Interval,
    Monthly,
    Schedule,
    Weekly,
)
from chalicelib.engine.server import Crons
from tests.apps.clockwork import ticks
from tests.backend import TestBackend

APP = ("tests.apps.clockwork", "tests.apps.clockwork_first")
NEXT = ("tests.apps.clockwork", "tests.apps.clockwork_next")
MINUTE_MS, DAY_MS = 60_000.0, 86_400_000.0


@pytest.fixture
def backend(each_log: Persistence) -> TestBackend:
    return TestBackend(*APP, persistence=each_log)


def ms(text: str) -> float:
    """A time of UTC in milliseconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000


def shown(time_ms: float) -> str:
    """The same as text."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def runs(backend: TestBackend, name: str) -> list[float]:
    """When a cron ran."""
    found: list[float] = backend.system.call("ticks:times", "query", name=name)
    return found


def crons(backend: TestBackend) -> dict[str, CronJob]:
    """The crons that are deployed, by name."""
    runner = backend.engine.runner
    found = runner._attempts.begin(backend.engine._tail.refresh())
    table = found.catalogue.tables["_cron_jobs"]
    rows = found.rows(Keys(table.by_id, b"", None), reverse=False, limit=None)
    held = [codec_of(CronJob).decode(row.image or b"", "", 0) for row in rows]
    return {cron.name: cron for cron in held}


def deployed(backend: TestBackend, packages: tuple[str, ...]) -> None:
    """Deploy another version, and let it serve from now on."""
    before = backend.engine
    after = Backend(
        Registry(packages),
        before._ports,
        behaviour=Behaviour(settle_ms=0),
        verify=backend._verify,
        report=lambda error, _path, _request_id: backend.errors.append(error),
    )
    after.deploy("next")
    backend.engine = after


class TestNextTimes:
    @pytest.mark.parametrize(
        ("schedule", "now", "expected"),
        [
            (Interval(seconds=90), "2026-01-31 12:00:00", "2026-01-31 12:00:00"),
            (Hourly(minute=10), "2026-01-31 12:10:00", "2026-01-31 13:10:00"),
            (Hourly(minute=10), "2026-01-31 12:09:59", "2026-01-31 12:10:00"),
            (Daily(hour=3, minute=10), "2026-01-31 12:00:00", "2026-02-01 03:10:00"),
            (
                Weekly(day="sunday", hour=0, minute=0),
                "2026-01-31 12:00:00",
                "2026-02-01 00:00:00",
            ),
            (
                Weekly(day="monday", hour=0, minute=0),
                "2026-01-31 12:00:00",
                "2026-02-02 00:00:00",
            ),
            (
                Monthly(day=31, hour=3, minute=0),
                "2026-01-31 12:00:00",
                "2026-03-31 03:00:00",
            ),
            (
                Monthly(day=29, hour=3, minute=0),
                "2026-02-01 00:00:00",
                "2026-03-29 03:00:00",
            ),
            (
                CronExpression(expression="0 0 29 2 *"),
                "2026-01-31 12:00:00",
                "2028-02-29 00:00:00",
            ),
        ],
    )
    def test_first(self, schedule: Schedule, now: str, expected: str) -> None:
        assert shown(first_time_ms(schedule, ms(now))) == expected

    @pytest.mark.parametrize(
        ("schedule", "last", "now", "expected"),
        [
            (
                Interval(seconds=60),
                "2026-01-01 00:00:00",
                "2026-01-01 00:00:01",
                "2026-01-01 00:01:00",
            ),
            (
                Interval(seconds=60),
                "2026-01-01 00:00:00",
                "2026-01-01 00:01:00",
                "2026-01-01 00:02:00",
            ),
            # What was missed is left out; the beat is kept.
            (
                Interval(seconds=60),
                "2026-01-01 00:00:30",
                "2026-01-03 07:00:00",
                "2026-01-03 07:00:30",
            ),
            # A clock that is behind does not have it run twice.
            (
                Daily(hour=3, minute=0),
                "2026-01-01 03:00:00",
                "2026-01-01 02:59:59",
                "2026-01-02 03:00:00",
            ),
            (
                Daily(hour=3, minute=0),
                "2026-01-01 03:00:00",
                "2026-01-09 12:00:00",
                "2026-01-10 03:00:00",
            ),
        ],
    )
    def test_after_a_run(
        self, schedule: Schedule, last: str, now: str, expected: str
    ) -> None:
        assert shown(next_time_ms(schedule, ms(last), ms(now))) == expected


class TestDeployed:
    @pytest.mark.emulated
    def test_an_interval_runs_at_once_and_then_keeps_its_beat(
        self, backend: TestBackend
    ) -> None:
        began_ms = backend.clock.now_ms()

        backend.run_jobs()
        backend.advance(minutes=7)

        found = [round((at - began_ms) / 1000) for at in runs(backend, "interval")]
        assert found == [0, 90, 180, 270, 360]

    def test_others_run_at_their_times_of_day(self, backend: TestBackend) -> None:
        backend.advance(hours=8)

        # The beginning is 2023-11-14 22:13:20, a Tuesday.
        assert [shown(at) for at in runs(backend, "daily")] == ["2023-11-15 03:10:00"]
        assert len(runs(backend, "hourly")) == 8
        assert all(shown(at)[14:16] == "10" for at in runs(backend, "hourly"))
        assert [shown(at)[11:16] for at in runs(backend, "cron")] == [
            *("04:00", "04:20", "04:40", "05:00", "05:20", "05:40")
        ]
        assert runs(backend, "weekly") == runs(backend, "monthly") == []

    def test_go_on_after_a_failure(self, backend: TestBackend) -> None:
        backend.advance(minutes=25)

        failing = crons(backend)["failing"]
        last: Any = failing.last_run
        assert last.state.error.startswith("Uncaught ConvexError")
        assert failing.next_run > backend.clock.now_ms()
        assert failing.next_run - last.scheduled_time == 600_000

    def test_go_on_after_a_run_was_called_off(self, backend: TestBackend) -> None:
        backend.run_jobs()
        waiting = crons(backend)["interval"]

        backend.system.call("_system/jobs:cancel", "mutation", job=waiting.job)

        after = crons(backend)["interval"]
        assert after.job != waiting.job
        assert after.next_run == waiting.next_run + 90_000
        backend.advance(minutes=4)
        assert len(runs(backend, "interval")) == 2

    def test_leave_out_what_was_missed_while_nobody_served(
        self, backend: TestBackend
    ) -> None:
        backend.run_jobs()
        backend.clock.wait_ms(3 * DAY_MS)
        backend._jobs._waiting.clear()

        backend.engine.send_sweep()
        backend.run_jobs()

        assert len(runs(backend, "interval")) == 2
        assert len(runs(backend, "daily")) == 1

    @pytest.mark.emulated
    def test_show_what_runs_when(self, backend: TestBackend) -> None:
        backend.run_jobs()

        cron = crons(backend)["interval"]

        last: Any = cron.last_run
        assert cron.function == "ticks.js:tick"
        assert cron.args == [{"name": "interval"}]
        assert cron.next_run == last.scheduled_time + 90_000
        assert set(crons(backend)) == {
            *("interval", "failing", "hourly", "daily", "weekly", "monthly", "cron")
        }


class TestTheNextDeployment:
    def test_adds_changes_and_removes_and_leaves_alone(self, backend: TestBackend) -> None:
        backend.advance(minutes=10)
        before = crons(backend)

        deployed(backend, NEXT)

        after = crons(backend)
        assert set(after) == {"interval", "daily", "new"}
        assert after["interval"] == before["interval"]
        assert shown(after["daily"].next_run) == "2023-11-15 07:30:00"
        backend.advance(hours=10)
        assert [shown(at) for at in runs(backend, "daily")] == ["2023-11-15 07:30:00"]
        assert runs(backend, "hourly") == []
        assert len(runs(backend, "new")) == 10

    def test_waits_for_a_run_that_is_under_way(self, backend: TestBackend) -> None:
        hourly = crons(backend)["hourly"]
        backend.clock.wait_ms(hourly.next_run - backend.clock.now_ms())
        claim = backend.system.call("_system/jobs:claim", "mutation", job=hourly.job)
        deployed(backend, NEXT)
        new = crons(backend)["new"]

        backend.system.call(
            "_system/jobs:finish", "mutation", job=hourly.job, run=claim["run"], error=None
        )

        assert "hourly" not in crons(backend)
        assert crons(backend)["new"] == new

    @pytest.mark.emulated
    def test_of_the_same_code_writes_nothing(self, backend: TestBackend) -> None:
        backend.run_jobs()
        head = backend.engine.head()

        backend.engine.deploy("test")

        assert backend.engine.head() == head


class TestAreRefused:
    @pytest.mark.parametrize(
        "write",
        [
            lambda c: c.interval("x", 0, ticks.tick, name="x"),
            lambda c: c.hourly("x", 60, ticks.tick, name="x"),
            lambda c: c.daily("x", "24:00", ticks.tick, name="x"),
            lambda c: c.daily("x", "3:10", ticks.tick, name="x"),
            lambda c: c.monthly("x", 32, "03:10", ticks.tick, name="x"),
            lambda c: c.cron("x", "* * * *", ticks.tick, name="x"),
            lambda c: c.cron("x", "* * * * * *", ticks.tick, name="x"),
            lambda c: c.cron("x", "61 * * * *", ticks.tick, name="x"),
            lambda c: c.cron("x", "0 0 30 2 *", ticks.tick, name="x"),
            lambda c: c.interval("x", 9, ticks.tick),
            lambda c: c.interval("x", 9, ticks.tick, name=3),
            lambda c: c.interval("x", 9, ticks.times, name="x"),
            lambda c: c.interval("", 9, ticks.tick, name="x"),
            lambda c: (
                c.interval("x", 9, ticks.refuse),
                c.interval("x", 9, ticks.refuse),
            ),
        ],
    )
    def test_if_they_cannot_run(self, write: Any) -> None:
        def register() -> None:
            written = Crons()
            write(written)
            for cron in written.crons:
                check_cron(cron)

        with pytest.raises(InvalidCron, match="cron "):
            register()
