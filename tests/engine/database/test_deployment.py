"""A new schema takes effect in one commit, and a new index holds what was there before."""

from __future__ import annotations

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.database.catalogue import building
from chalicelib.engine.database.schema_steps import BACKFILL_ROWS
from chalicelib.engine.errors import IndexNotReady, IndexUnknown, NotDeployed
from chalicelib.engine.log import Entry
from tests.trial import Interrupted, Trial

NEXT = ("tests.apps.trial_next",)


class TestANewIndex:
    def test_holds_the_documents_that_were_there(self) -> None:
        trial = Trial()
        for group in "cab":
            trial.mutate("items:add", group=group, label="x")
        later = Trial(beside=trial, packages=NEXT)

        later.engine.deploy("next")

        assert later.query("items:groups", label="x") == ["a", "b", "c"]

    def test_holds_more_documents_than_one_page_of_the_backfill(self) -> None:
        trial = Trial()
        for number in range(BACKFILL_ROWS + 10):
            trial.mutate("items:add", group=f"{number:04}", label="x")
        later = Trial(beside=trial, packages=NEXT)

        later.engine.deploy("next")

        assert len(later.query("items:groups", label="x")) == BACKFILL_ROWS + 10

    def test_holds_what_old_code_wrote_while_it_was_built(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        made = [trial.mutate("items:add", group=group, label="x") for group in "abc"]
        later = Trial(beside=trial, packages=NEXT)
        steps = [
            ("items:add", {"group": "d", "label": "x"}),
            ("items:move", {"document": made[0], "label": "y"}),
            ("items:remove", {"document": made[1]}),
        ]

        def interfere(_: object) -> None:
            if steps:
                path, arguments = steps.pop()
                trial.mutate(path, **arguments)

        storage.after_scan = interfere
        later.engine.deploy("next")
        while steps:
            interfere(None)

        assert later.query("items:groups", label="x") == ["c", "d"]
        assert later.query("items:groups", label="y") == ["a"]

    def test_is_kept_by_old_code_afterwards(self) -> None:
        trial = Trial()
        made = trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)
        later.engine.deploy("next")

        trial.mutate("items:move", document=made, label="y")
        trial.mutate("items:add", group="b", label="x")

        assert later.query("items:groups", label="x") == ["b"]
        assert later.query("items:groups", label="y") == ["a"]

    def test_is_not_queried_before_it_is_ready(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)

        later.engine.deploy("next", wait_ms=-1)
        outcome = later.call("items:groups", "query", label="x")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, IndexNotReady)
        assert outcome.failure.reason.startswith(
            "index by_label_and_group of items is being built"
        )

    def test_is_unknown_before_its_code_was_deployed(self) -> None:
        trial = Trial()
        later = Trial(beside=trial, packages=NEXT)

        outcome = later.call("items:groups", "query", label="x")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, IndexUnknown)

    def test_is_finished_by_the_next_deployment_when_the_first_one_stopped(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)
        puts: list[Entry] = []

        def stop(entry: Entry) -> None:
            puts.append(entry)
            if len(puts) == 2:
                raise RuntimeError("the process dies")

        storage.before_append = stop
        with pytest.raises(RuntimeError):
            later.engine.deploy("next")
        held = later.engine.runner.catalogue()
        storage.before_append = lambda _: None

        later.engine.deploy("next")

        assert list(building(held)) == [("items", "by_label_and_group")]
        assert later.query("items:groups", label="x") == ["a"]

    def test_has_jobs_that_query_it_wait_until_it_is_ready(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)
        later.engine.deploy("next", wait_ms=-1)
        relabel = {"path": "items:relabel", "args": {"old": "x", "new": "z"}}
        now_ms = later.clock.now_ms()
        later.mutate("_system/jobs:schedule", AdminIdentity(), **relabel, at=now_ms)

        later.tell()
        later.clock.wait_ms(1000)
        later.run_jobs()
        before = trial.query("items:list", group="a")
        later.engine.deploy("next")
        later.tell()
        later.clock.wait_ms(60_000)
        later.run_jobs()

        assert (before, trial.query("items:list", group="a")) == (["x"], ["z"])
        assert [type(error) for error in later.reported] == [IndexNotReady]

    def test_serves_mutations_of_new_code(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)
        later.engine.deploy("next")

        assert later.mutate("items:relabel", old="x", new="z") == 1
        assert trial.query("items:list", group="a") == ["z"]


class TestDeploying:
    def test_the_same_again_commits_nothing(self) -> None:
        trial = Trial()
        before = trial.engine.head()

        trial.engine.deploy("trial")

        assert trial.engine.head() == before

    def test_a_catalogue_that_changes_has_mutations_under_way_run_again(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        trial.mutate("items:add", group="a", label="x")
        later = Trial(beside=trial, packages=NEXT)

        def deploy(_: Entry) -> None:
            storage.before_append = lambda _: None
            later.engine.deploy("next")

        storage.before_append = deploy
        trial.mutate("items:add", group="b", label="x")

        # Committed with the keys that it had computed first, it would be missing here.
        assert later.query("items:groups", label="x") == ["a", "b"]

    def test_two_deployments_at_once_end_with_both(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        later = Trial(beside=trial, packages=NEXT)
        other = Trial(beside=trial, packages=("tests.apps.chat",))

        def race(_: Entry) -> None:
            storage.before_append = lambda _: None
            other.engine.deploy("chat")

        storage.before_append = race
        later.engine.deploy("next")

        tables = later.engine.runner.catalogue().tables
        assert {"items", "diaries", "messages"} <= set(tables)
        numbers = [table.number for table in tables.values()]
        assert len(numbers) == len(set(numbers))


class TestCheck:
    def test_is_content_once_everything_is_deployed(self) -> None:
        Trial().engine.check()

    def test_names_a_table_that_is_missing_an_index(self) -> None:
        trial = Trial()
        later = Trial(beside=trial, packages=NEXT)

        with pytest.raises(NotDeployed, match="items is not in the catalogue"):
            later.engine.check()
