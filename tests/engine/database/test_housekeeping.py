"""What is old goes in order, in bounded visits; what may still be needed stays."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chalicelib.engine.database.counts import COUNTS_INDEX
from chalicelib.engine.database.housekeeping import (
    PAGE,
    SIGHTING_MS,
    Housekeeper,
    Housework,
    Retention,
)
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.limits import (
    ANSWERS_KEPT_MS,
    DAY_MS,
    LOG_KEPT_MS,
    TOMBSTONES_KEPT_MS,
)
from chalicelib.engine.log import ORIGIN, Request, Row, rows
from chalicelib.engine.persistence import Interval, Persistence
from tests.trial import Trial, value

NOTHING = Housework(0, 0, 0)
LISTS = ("tests.apps.lists",)


def visit(trial: Trial) -> Housework:
    return trial.engine.upkeep.keep_house()


def horizon(trial: Trial) -> int:
    return trial.persistence.marks().horizon


def later(trial: Trial, days: float) -> None:
    trial.clock.wait_ms(days * DAY_MS)


def keep(trial: Trial, **periods: float) -> None:
    """Give the trial another housekeeper."""
    backend = trial.engine
    backend.upkeep._housekeeper = Housekeeper(
        trial.persistence,
        tail=backend._tail,
        committer=backend._committer,
        clock=trial.clock,
        retention=Retention(**periods),
    )


@pytest.fixture
def trial() -> Trial:
    """A trial whose log ends with the deletion of a document, as yet unseen by anybody."""
    trial = Trial()
    made = trial.mutate("items:add", group="a", label="x")
    trial.mutate("items:remove", document=made)
    trial.mutate("items:add", group="b", label="y")
    return trial


def remembered_counts(trial: Trial) -> tuple[Row, ...]:
    held = Interval(COUNTS_INDEX, b"", None)
    return trial.persistence.scan(held, reverse=False, limit=1000).rows


def has_tombstone(persistence: Persistence, trial: Trial) -> bool:
    """Whether an older row would be refused where the deleted document was."""
    inserted = persistence.tail(trial.engine.head() - 3).entries[0]
    persistence.apply([inserted])
    found = persistence.get(*inserted.writes[0].added[0])
    return found is None


class TestTheLog:
    def test_is_kept_as_long_as_is_said(self, trial: Trial) -> None:
        visit(trial)
        later(trial, LOG_KEPT_MS / DAY_MS - 0.1)

        assert visit(trial).trimmed == 0
        assert horizon(trial) == ORIGIN

    def test_is_trimmed_below_what_was_seen_so_long_ago(self, trial: Trial) -> None:
        visit(trial)
        seen = trial.engine.head()
        trial.mutate("items:add", group="c", label="young")
        later(trial, LOG_KEPT_MS / DAY_MS)

        done = visit(trial)

        assert horizon(trial) == seen
        assert done.trimmed == seen - ORIGIN
        assert trial.persistence.tail(seen).entries[-1].ts == trial.engine.head()

    def test_keeps_its_last_entry_whatever_its_age(self, trial: Trial) -> None:
        visit(trial)
        later(trial, 100)

        visit(trial)

        assert horizon(trial) == trial.engine.head() - 1
        assert len(trial.persistence.tail(horizon(trial)).entries) == 1

    def test_is_kept_for_ever_if_that_is_wanted(self, trial: Trial) -> None:
        keep(trial, log_ms=0)
        visit(trial)
        later(trial, 1000)

        done = visit(trial)

        assert (done.trimmed, horizon(trial)) == (0, ORIGIN)
        assert done.answered > 0

    def test_may_be_kept_longer_than_what_it_names(self, trial: Trial) -> None:
        keep(trial, log_ms=60 * DAY_MS)
        visit(trial)
        later(trial, 30)
        first = visit(trial)
        later(trial, 31)

        second = visit(trial)

        assert (first.trimmed, first.answered > 0) == (0, True)
        assert second.trimmed > 0

    def test_serves_everybody_as_before(self, trial: Trial) -> None:
        socket = trial.socket().begin()
        socket.watch(1, "items:list", group="b")
        socket.seen()
        visit(trial)
        later(trial, 15)

        visit(trial)
        trial.mutate("items:add", group="b", label="z")
        trial.tell()

        assert horizon(trial) > ORIGIN
        assert trial.query("items:list", group="b") == ["y", "z"]
        assert Trial(beside=trial).query("items:list", group="b") == ["y", "z"]

    def test_of_the_past_is_out_of_retention(self, trial: Trial) -> None:
        old = trial.engine.head() - 1
        visit(trial)
        later(trial, 15)
        trial.mutate("items:add", group="c", label="new")
        visit(trial)
        call = Call("items:list", b'{"group": "b"}')

        with pytest.raises(BelowHorizon) as refused:
            Trial(beside=trial).engine.query_in_past(call, old)

        assert refused.value.code == "OutOfRetention"
        assert value(trial.engine.query_in_past(call, horizon(trial))) == ["y"]


class TestASessionBelowTheHorizon:
    def test_is_run_anew(self, trial: Trial) -> None:
        socket = trial.socket().begin()
        socket.watch(1, "items:list", group="b")
        socket.seen()
        visit(trial)
        later(trial, 15)
        trial.mutate("items:add", group="b", label="z")
        visit(trial)
        beside = Trial(beside=trial)

        beside.tick()

        assert socket.seen() == {1: ["y", "z"]}


class TestTombstones:
    def test_outlive_the_watermark_by_their_period(self, trial: Trial) -> None:
        visit(trial)
        later(trial, TOMBSTONES_KEPT_MS / DAY_MS - 0.1)

        done = visit(trial)

        assert done == NOTHING
        assert has_tombstone(trial.persistence, trial)

    def test_are_reaped_then(self, trial: Trial) -> None:
        visit(trial)
        later(trial, TOMBSTONES_KEPT_MS / DAY_MS)

        done = visit(trial)

        assert (done.reaped > 0, done.trimmed) == (True, 0)
        assert not has_tombstone(trial.persistence, trial)

    def test_count_from_when_the_watermark_passed_them_however_old_they_are(self) -> None:
        trial = Trial()
        visit(trial)
        later(trial, 30)
        made = trial.mutate("items:add", group="a", label="x")
        trial.mutate("items:remove", document=made)
        trial.mutate("items:add", group="b", label="y")

        visit(trial)
        later(trial, 6)
        visit(trial)

        assert has_tombstone(trial.persistence, trial)


class TestAnswers:
    def test_are_given_again_until_their_period_is_over(self) -> None:
        trial = Trial()
        request = Request("session", 1)
        call = Call("items:number", b'{"group": "a"}')
        first = value(trial.engine.runner.mutation(call, request))
        trial.mutate("items:add", group="b", label="y")
        visit(trial)
        later(trial, ANSWERS_KEPT_MS / DAY_MS - 0.1)
        visit(trial)

        again = value(trial.engine.runner.mutation(call, request))
        later(trial, 0.2)
        visit(trial)

        assert (first, again) == (0, 0)
        assert trial.persistence.get(*request.key) is None

    def test_leave_no_row_behind(self, trial: Trial) -> None:
        request = Request("session", 1)
        call = Call("items:number", b'{"group": "a"}')
        trial.engine.runner.mutation(call, request)
        entry = trial.persistence.tail(trial.engine.head() - 1).entries[0]
        trial.mutate("items:add", group="b", label="y")
        visit(trial)
        later(trial, 15)

        visit(trial)

        assert trial.persistence.get(*request.key) is None
        assert [r for r in rows(entry) if r.image is not None][1:]
        assert trial.query("items:list", group="a") == ["0"]


class TestCounts:
    @pytest.fixture
    def trial(self) -> Trial:
        trial = Trial(packages=LISTS)
        trial.mutate("lines:addMany", topic="l", count=5)
        trial.tell()
        assert trial.query("lines:count", topic="l") == 5
        trial.mutate("lines:addMany", topic="other", count=1)
        trial.mutate("lines:addMany", topic="other", count=1)
        trial.tell()
        return trial

    def test_are_kept_as_long_as_the_log_reaches_back_to_them(self, trial: Trial) -> None:
        visit(trial)
        later(trial, LOG_KEPT_MS / DAY_MS - 0.1)

        visit(trial)

        assert len(remembered_counts(trial)) == 1

    def test_go_with_the_log_and_are_made_anew(self, trial: Trial) -> None:
        visit(trial)
        later(trial, LOG_KEPT_MS / DAY_MS)

        visit(trial)
        left = remembered_counts(trial)

        assert left == ()
        beside = Trial(beside=trial, packages=LISTS)
        assert beside.query("lines:count", topic="l") == 5
        assert len(remembered_counts(trial)) == 1

    def test_are_looked_at_a_page_at_a_visit(self, trial: Trial) -> None:
        for low in range(-PAGE, 0):
            trial.query("lines:count", topic="l", low=low)
        for _ in range(2):
            trial.mutate("lines:addMany", topic="other", count=1)
        trial.tell()
        visit(trial)
        later(trial, 15)

        left = [len(remembered_counts(trial))]
        for _ in range(2):
            visit(trial)
            left.append(len(remembered_counts(trial)))

        # The visit before they were old has left off at the last one.
        assert left == [PAGE + 1, PAGE, 0]


class TestAVisit:
    def test_without_anything_old_does_nothing(self, trial: Trial) -> None:
        assert [visit(trial) for _ in range(3)] == [NOTHING] * 3

    def test_takes_pages_and_the_next_one_goes_on(self) -> None:
        trial = Trial()
        for number in range(PAGE * 2 + 10):
            trial.mutate("items:add", group=str(number), label="x")
        visit(trial)
        later(trial, 15)
        forget, calls = trial.persistence.forget, []

        def slow(rows: Sequence[Row]) -> None:
            calls.append(len(rows))
            trial.clock.wait_ms(15_000)

        trial.persistence.forget = slow  # type: ignore[method-assign]  # to look on
        first = visit(trial)
        trial.persistence.forget = forget  # type: ignore[method-assign]  # as it was
        rest = visit(trial)

        assert 0 < first.reaped <= 2 * PAGE
        assert first.reaped + rest.reaped == trial.engine.head() - ORIGIN
        assert rest.trimmed > 0

    def test_made_by_several_at_once_does_no_harm(self, trial: Trial) -> None:
        beside = Trial(beside=trial)
        visit(trial)
        later(trial, 15)
        trim = trial.persistence.trim
        rivals = [beside]

        def interfere(limit: int) -> int:
            while rivals:
                visit(rivals.pop())
            return trim(limit)

        trial.persistence.trim = interfere  # type: ignore[method-assign]  # to interfere
        visit(trial)

        assert trial.query("items:list", group="b") == ["y"]
        assert horizon(trial) == trial.engine.head() - 1

    def test_notes_what_it_has_seen_now_and_then(self, trial: Trial) -> None:
        for _ in range(10):
            visit(trial)
        few = len(trial.persistence.notes())
        for _ in range(100):
            trial.clock.wait_ms(SIGHTING_MS)
            visit(trial)

        kept = len(trial.persistence.notes())
        for _ in range(100):
            trial.clock.wait_ms(SIGHTING_MS)
            visit(trial)

        assert few < 200
        assert len(trial.persistence.notes()) <= kept + 100

    def test_comes_with_the_heartbeat(self, trial: Trial) -> None:
        trial.engine.send_house_job()

        assert trial.run_jobs() == ["HouseJob"]
        assert trial.persistence.notes() != b""
