"""A cached result is served only where running again would give the same."""

from __future__ import annotations

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.persistence import Persistence
from tests.trial import Trial, user, value


@pytest.fixture
def trial(each_log: Persistence) -> Trial:
    return Trial(persistence=each_log)


def hits(trial: Trial) -> int:
    return trial.engine.runner.cache.hits


class TestAHit:
    def test_spares_the_second_run(self, trial: Trial) -> None:
        first = trial.call("calls:constant", "query")

        again = trial.call("calls:constant", "query")

        assert (again.value, hits(trial)) == (first.value, 1)

    @pytest.mark.emulated
    def test_survives_commits_that_do_not_concern_it_and_is_exact_at_the_new_end(
        self, trial: Trial
    ) -> None:
        trial.mutate("items:add", group="a", label="x")
        before = trial.call("items:list", "query", group="a")
        trial.mutate("items:add", group="b", label="y")

        after = trial.call("items:list", "query", group="a")

        assert (after.value, after.ts) == (before.value, before.ts + 1)
        assert hits(trial) > 0

    def test_is_refused_once_a_commit_concerns_it(self, trial: Trial) -> None:
        trial.query("items:list", group="a")
        trial.mutate("items:add", group="a", label="x")

        assert trial.query("items:list", group="a") == ["x"]

    @pytest.mark.emulated
    def test_is_refused_by_what_another_process_has_committed(self, trial: Trial) -> None:
        other = Trial(beside=trial)
        trial.query("items:list", group="a")
        other.mutate("items:add", group="a", label="x")

        assert trial.query("items:list", group="a") == ["x"]

    def test_is_refused_after_new_code(self, trial: Trial) -> None:
        trial.query("calls:constant")
        trial.engine.deploy("newer")
        before = hits(trial)

        trial.query("calls:constant")

        assert hits(trial) == before

    @pytest.mark.parametrize("path", ["calls:now", "calls:chance"])
    def test_never_repeats_time_or_chance(self, trial: Trial, path: str) -> None:
        assert trial.query(path) != trial.query(path)

    def test_never_repeats_a_failure(self, trial: Trial) -> None:
        trial.call("calls:crash", "query")

        trial.call("calls:crash", "query")

        assert (hits(trial), len(trial.reported)) == (0, 2)

    def test_does_not_come_of_what_is_too_large_to_keep(self, trial: Trial) -> None:
        trial.query("calls:long", text="x" * 1000, times=1100)

        trial.query("calls:long", text="x" * 1000, times=1100)

        assert hits(trial) == 0


class TestIdentity:
    def test_that_was_not_read_lets_everybody_share(self, trial: Trial) -> None:
        trial.query("calls:constant", user("ann"))

        trial.query("calls:constant", user("bob"))

        assert hits(trial) > 0

    def test_that_was_read_keeps_results_apart(self, trial: Trial) -> None:
        told = [
            trial.query("calls:whoami", who) for who in (user("ann"), user("bob"), None)
        ]

        assert told == ["ann", "bob", None]

    def test_that_a_row_policy_read_keeps_results_apart(self, trial: Trial) -> None:
        trial.mutate("items:writeDiary", user("ann"), text="dear diary")
        mine = trial.query("calls:diaries", user("ann"))

        others = [trial.query("calls:diaries", user("bob")), trial.query("calls:diaries")]

        assert (mine, others) == (["dear diary"], [[], []])

    def test_with_equal_claims_shares_what_it_read(self, trial: Trial) -> None:
        trial.query("calls:whoami", user("ann"))

        trial.query("calls:whoami", user("ann", expires_s=60))

        assert hits(trial) > 0

    def test_shares_a_result_with_whoever_has_the_same_in_the_claims_that_were_read(
        self, trial: Trial
    ) -> None:
        told = [
            trial.query("calls:roleOf", user(name, role=role))
            for name, role in (("ann", "boss"), ("bob", "boss"), ("cy", "worker"))
        ]

        assert told == ["boss", "boss", "worker"]
        assert hits(trial) == 1

    def test_tells_a_claim_that_is_absent_from_one_that_is_null(self, trial: Trial) -> None:
        told = [
            trial.query("calls:roleOf", user("ann")),
            trial.query("calls:roleOf", user("bob", role=None)),
            trial.query("calls:roleOf", user("cy", role="boss")),
            trial.query("calls:roleOf", user("dee")),
        ]

        assert told == ["absent", None, "boss", "absent"]
        assert hits(trial) == 1

    def test_shares_among_all_who_are_signed_in_if_no_more_was_asked(
        self, trial: Trial
    ) -> None:
        told = [
            trial.query("calls:isSignedIn", who)
            for who in (user("ann"), user("bob"), None, None)
        ]

        assert told == [True, True, False, False]
        assert hits(trial) == 2

    def test_keeps_apart_who_differs_in_any_claim_if_all_were_read(
        self, trial: Trial
    ) -> None:
        told = [
            trial.query("calls:claimNames", user("ann", extra=1)),
            trial.query("calls:claimNames", user("ann")),
        ]

        assert told[0] == ["extra", *told[1]]

    def test_goes_by_what_each_run_read_where_data_decides_that(self, trial: Trial) -> None:
        trial.query("calls:nameIfBoss", user("ann", role="worker"))
        trial.query("calls:nameIfBoss", user("bob", role="boss"))

        told = [
            trial.query("calls:nameIfBoss", user(name, role=role))
            for name, role in (("cy", "worker"), ("dee", "boss"), ("bob", "boss"))
        ]

        assert told == [None, "dee", "bob"]
        assert hits(trial) == 2


class TestInternalResults:
    def test_are_not_served_to_clients(self, trial: Trial) -> None:
        trial.query("calls:secret", AdminIdentity())

        assert trial.call("calls:secret", "query").value is None

    def test_that_an_action_fetched_are_not_served_to_clients(self, trial: Trial) -> None:
        value(trial.call("calls:peek", "action"))

        assert trial.call("calls:secret", "query").value is None

    def test_are_served_to_the_admin_after_a_client_was_refused(self, trial: Trial) -> None:
        trial.call("calls:secret", "query")

        assert trial.query("calls:secret", AdminIdentity()) == "the secret"
