"""Actions do anything, through transactions of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.engine.errors import ActionTimedOut, Conflict, StorageUnavailable
from chalicelib.engine.functions.log_lines import Log
from chalicelib.engine.limits import MAX_ACTION_S
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.server import ActionCtx
from tests.apps.trial import calls
from tests.apps.trial.calls import RUNS
from tests.trial import Interrupted, Trial, user, value


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


def test_an_action_sees_what_its_own_mutations_wrote(every_log: Persistence) -> None:
    trial = Trial(persistence=every_log)

    outcome = trial.call("calls:run", "action", name="a")

    assert (value(outcome), RUNS) == (1, ["a"])
    assert outcome.log_lines == ("[INFO] 'running' 'a'",)


def test_an_action_ends_at_the_end_of_the_log(every_log: Persistence) -> None:
    trial = Trial(persistence=every_log)

    outcome = trial.call("calls:run", "action", name="a")

    assert outcome.ts == trial.engine.head()


def test_an_action_may_call_internal_functions_and_other_actions(
    every_log: Persistence,
) -> None:
    trial = Trial(persistence=every_log)

    assert value(trial.call("calls:peek", "action")) == "the secret"
    assert value(trial.call("calls:nested", "action", name="a")) == 1


def test_errors_of_what_it_calls_arrive_as_they_were_raised(every_log: Persistence) -> None:
    trial = Trial(persistence=every_log)

    assert value(trial.call("calls:catch", "action", group="a")) == "not today"
    assert trial.query("items:list", group="a") == []


def test_what_it_calls_is_called_in_the_name_of_its_own_caller(
    every_log: Persistence,
) -> None:
    trial = Trial(persistence=every_log)

    authors = [
        value(trial.call("calls:author", "action", who)) for who in (user("ann"), None)
    ]

    assert authors == ["ann", None]


def test_a_failed_action_keeps_its_data_and_what_it_did_before(
    every_log: Persistence,
) -> None:
    trial = Trial(persistence=every_log)

    outcome = trial.call("calls:failOutside", "action", name="a")

    assert outcome.failure is not None
    assert isinstance(outcome.failure.error, Conflict)
    assert outcome.failure.data is not None
    assert RUNS == ["a"]


def test_a_cached_query_result_may_be_changed_without_harm(every_log: Persistence) -> None:
    trial = Trial(persistence=every_log)
    trial.call("calls:run", "action", name="a")

    again = trial.call("calls:run", "action", name="a")

    assert value(again) == 2


def test_what_could_be_retried_is_the_failure_of_an_action_since_nobody_will() -> None:
    trial = Trial(persistence=(storage := Interrupted()))
    socket = trial.socket().begin()
    socket.action("calls:run", name="a")
    socket.take()

    def fail(entry: Entry) -> None:
        if entry.path == "items:add":
            raise StorageUnavailable("node 7 is gone")

    storage.before_append = fail
    trial.run_jobs()

    response, _ = socket.take()
    assert (response["type"], response["success"]) == ("ActionResponse", False)
    assert "node 7" not in response["result"]
    assert RUNS == ["a"]


class TestTime:
    """An action has ten minutes."""

    ASKED: tuple[Callable[[ActionCtx], object], ...] = (
        lambda ctx: ctx.run_query(calls.constant),
        lambda ctx: ctx.run_mutation(calls.nothing),
        lambda ctx: ctx.run_action(calls.run, name="late"),
        lambda ctx: ctx.scheduler.run_after(0, calls.nothing),
        lambda ctx: ctx.storage.generate_upload_url(),
    )

    def test_is_enough_up_to_the_last_second(self) -> None:
        trial = Trial()
        ctx = trial.engine._actions.context(None, Log())

        trial.clock.wait_ms(MAX_ACTION_S * 1000)

        assert ctx.run_query(calls.constant) == 42

    @pytest.mark.parametrize(
        "ask", ASKED, ids=["query", "mutation", "action", "schedule", "file"]
    )
    def test_that_is_over_lets_nothing_more_be_done(
        self, ask: Callable[[ActionCtx], object]
    ) -> None:
        trial = Trial()
        ctx = trial.engine._actions.context(None, Log())
        head = trial.engine.head()

        trial.clock.wait_ms(MAX_ACTION_S * 1000 + 1)

        with pytest.raises(ActionTimedOut, match="may run for 600 seconds"):
            ask(ctx)
        assert (trial.engine.head(), RUNS) == (head, [])
