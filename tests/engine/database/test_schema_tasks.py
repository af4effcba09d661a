"""A schema takes effect when the data satisfies it; what it leaves behind is cleared up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chalicelib.engine.database.catalogue import TableSpec, indexes_by_id
from chalicelib.engine.database.deployment import (
    DROP_REST_MS,
    STALE_STEP_MS,
    Deployment,
)
from chalicelib.engine.database.progress import Progress
from chalicelib.engine.database.schema_steps import BACKFILL_ROWS, TOLD_MISFITS
from chalicelib.engine.errors import (
    BelowHorizon,
    IndexUnknown,
    SchemaMismatch,
    SchemaRefused,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.persistence import Interval
from tests.trial import Interrupted, Trial, value

DIARIES = "diaries"
EVER = float("inf")


def shape(**fields: str) -> str:
    """The stored text of an object whose fields are of plain types; ``?`` may be absent."""
    described = {
        name: {"fieldType": {"type": kind.strip("?")}, "optional": kind.endswith("?")}
        for name, kind in fields.items()
    }
    return msgspec.json.encode({"type": "object", "value": described}).decode()


ONE_LABEL = shape(group="string", label="string").replace(
    '"type":"string"},"optional":false}}}',
    '"type":"literal","value":"x"},"optional":false}}}',
)
"""What items with the label ``x`` satisfy."""

SHORT_LABELS = shape(group="string", label="null")
"""What no item with a label satisfies."""


def deployment_of(trial: Trial) -> Deployment:
    return trial.engine.upkeep._deployment


def deployed(trial: Trial, spec: TableSpec, wait_ms: float = EVER) -> Progress:
    """Deploy another schema for the items, whatever the code says."""
    return deployment_of(trial).deploy({"items": spec}, "other", wait_ms=wait_ms)


def indexes(trial: Trial) -> dict[str, tuple[str, ...]]:
    return {
        name: index.fields
        for name, index in trial.engine.runner.catalogue().tables["items"].indexes.items()
    }


def rows_of(trial: Trial, index: int) -> int:
    page = trial.persistence.scan(Interval(index, b"", None), reverse=False, limit=1000)
    return len(page.rows)


class TestASchemaThatTheDataViolates:
    def test_is_refused_with_the_offending_documents_named(self) -> None:
        trial = Trial()
        made = [trial.mutate("items:add", group=g, label="x") for g in "ab"]

        with pytest.raises(SchemaRefused) as refused:
            deployed(trial, TableSpec(indexes(trial), SHORT_LABELS))

        text = str(refused.value)
        assert text.startswith("2 of 2 documents of table items do not satisfy")
        assert all(f'{one}.label: "x" is not of type null' in text for one in made)

    def test_changes_nothing(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        before = trial.engine.runner.catalogue()

        with pytest.raises(SchemaRefused):
            deployed(trial, TableSpec({"by_new": ("label",)}, SHORT_LABELS))

        assert trial.engine.runner.catalogue() == before
        assert trial.query("items:equal", label="x") == ["a"]
        assert trial.mutate("items:add", group="b", label="y")

    def test_has_all_offenders_counted_and_the_first_ones_named(self) -> None:
        trial = Trial()
        for number in range(BACKFILL_ROWS + 20):
            trial.mutate("items:add", group=str(number), label="x")

        with pytest.raises(SchemaRefused) as refused:
            deployed(trial, TableSpec(indexes(trial), SHORT_LABELS))

        lines = str(refused.value).splitlines()
        assert lines[0].startswith(
            f"{BACKFILL_ROWS + 20} of {BACKFILL_ROWS + 20} documents"
        )
        assert len(lines) == 1 + TOLD_MISFITS

    def test_is_checked_again_when_it_is_deployed_again(self) -> None:
        trial = Trial()
        made = trial.mutate("items:add", group="a", label="x")
        wanted = TableSpec(indexes(trial), SHORT_LABELS)
        with pytest.raises(SchemaRefused):
            deployed(trial, wanted)
        trial.mutate("items:remove", document=made)

        progress = deployed(trial, wanted)

        assert progress.state == "served"
        assert trial.engine.runner.catalogue().tables["items"].validator == SHORT_LABELS

    def test_is_forgotten_when_the_old_one_is_deployed_again(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        with pytest.raises(SchemaRefused):
            deployed(trial, TableSpec(indexes(trial), SHORT_LABELS))

        progress = trial.engine.deploy("trial")

        assert progress.state == "served"


class TestAProposal:
    """``wait_ms`` below 0 leaves the deployment where it has only begun."""

    def test_is_in_the_catalogue_first_and_takes_effect_by_the_steps_of_others(
        self,
    ) -> None:
        trial = Trial()
        narrow = shape(group="string", label="string")
        deployed(trial, TableSpec(indexes(trial), ""))

        began = deployed(trial, TableSpec(indexes(trial), narrow), wait_ms=-1)
        trial.engine.go_on()
        trial.run_jobs()

        assert began.state == "checking"
        assert trial.engine.upkeep.progress().state == "served"
        assert trial.engine.runner.catalogue().code_version == "other"
        assert trial.engine.runner.catalogue().tables["items"].validator == narrow

    def test_is_satisfied_by_the_writes_of_old_code(self) -> None:
        trial = Trial()
        deployed(trial, TableSpec(indexes(trial), SHORT_LABELS), wait_ms=-1)
        trial.mutate("calls:nothing")

        outcome = trial.call("items:add", "mutation", group="a", label="x")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, SchemaMismatch)
        assert "is being deployed" in outcome.failure.reason
        assert ".label" in outcome.failure.reason

    def test_is_satisfied_by_a_mutation_that_was_under_way_when_it_came(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        wanted = TableSpec(indexes(trial), SHORT_LABELS)

        def propose(_: object) -> None:
            storage.before_append = lambda _: None
            deployed(trial, wanted, wait_ms=-1)

        storage.before_append = propose
        outcome = trial.call("items:add", "mutation", group="a", label="x")
        progress = deployed(trial, wanted)

        assert outcome.failure is not None
        assert progress.state == "served"

    def test_survives_the_process_that_made_it(self) -> None:
        trial = Trial()
        deployed(trial, TableSpec(indexes(trial), SHORT_LABELS), wait_ms=-1)

        trial.clock.wait_ms(STALE_STEP_MS + 1)
        trial.engine.send_house_job()
        trial.run_jobs()

        assert trial.engine.upkeep.progress().state == "served"

    def test_gives_way_to_another_one(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        deployed(trial, TableSpec(indexes(trial), SHORT_LABELS), wait_ms=-1)

        progress = trial.engine.deploy("trial")

        assert progress.state == "served"
        assert trial.engine.runner.catalogue().proposal is None
        assert trial.mutate("items:add", group="b", label="y")

    def test_made_twice_is_one(self) -> None:
        trial = Trial()
        wanted = TableSpec(indexes(trial), SHORT_LABELS)
        deployed(trial, wanted, wait_ms=-1)
        head = trial.engine.head()

        deployed(trial, wanted, wait_ms=-1)

        assert trial.engine.head() == head


class TestASchemaInEffect:
    def test_is_satisfied_by_the_writes_of_other_code(self) -> None:
        trial = Trial()
        deployed(trial, TableSpec(indexes(trial), SHORT_LABELS))

        outcome = trial.call("items:add", "mutation", group="a", label="x")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, SchemaMismatch)
        assert "that is served" in outcome.failure.reason
        assert trial.engine.runner.catalogue().tables["items"].validator == SHORT_LABELS

    def test_lets_other_code_write_what_fits_both(self) -> None:
        trial = Trial()
        wider = shape(group="string", label="string", more="string?")

        deployed(trial, TableSpec(indexes(trial), wider))

        assert trial.mutate("items:add", group="a", label="x")

    def test_that_is_wider_needs_no_look_at_the_data(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        trial.mutate("items:add", group="a", label="x")
        items = trial.engine.runner.catalogue().tables["items"].by_id
        scanned: list[int] = []
        storage.after_scan = lambda interval: scanned.append(interval.index)

        deployed(
            trial,
            TableSpec(indexes(trial), shape(group="string", label="string", more="any?")),
        )

        assert items not in scanned


class TestCodeThatIsNewerThanItsSchema:
    """On AWS the code moves before the deploy step: its writes must not fail meanwhile."""

    def test_takes_what_only_widens_a_table_into_effect_by_itself(self) -> None:
        before = Trial(packages=("tests.apps.chat",))
        fields = indexes(Trial())
        deployed(before, TableSpec(fields, ONE_LABEL))
        newer = Trial(beside=before, packages=("tests.apps.trial",))

        newer.mutate("items:add", group="a", label="x")
        kept = newer.engine.runner.catalogue().tables["items"].validator
        newer.mutate("items:add", group="a", label="y")

        widened = newer.engine.runner.catalogue().tables["items"].validator
        assert (kept, widened) == (
            ONE_LABEL,
            newer.engine.registry.tables["items"].stored(),
        )
        assert newer.query("items:list", group="a") == ["x", "y"]

    def test_does_not_undo_a_schema_that_took_its_place(self) -> None:
        trial = Trial()
        deployed(trial, TableSpec(indexes(trial), ONE_LABEL))

        made = trial.call("items:add", "mutation", group="a", label="y")

        assert made.failure is not None
        assert isinstance(made.failure.error, SchemaMismatch)
        assert trial.engine.runner.catalogue().tables["items"].validator == ONE_LABEL

    def test_may_come_back_by_its_own_deploy_step(self) -> None:
        trial = Trial()
        deployed(trial, TableSpec(indexes(trial), ONE_LABEL))

        trial.engine.deploy("trial")

        assert trial.mutate("items:add", group="a", label="y")

    def test_still_satisfies_what_is_being_deployed(self) -> None:
        before = Trial(packages=("tests.apps.chat",))
        fields = indexes(Trial())
        deployed(before, TableSpec(fields, ONE_LABEL))
        newer = Trial(beside=before, packages=("tests.apps.trial",))
        deployed(newer, TableSpec(fields, SHORT_LABELS), wait_ms=-1)

        made = newer.call("items:add", "mutation", group="a", label="y")

        assert made.failure is not None
        assert "is being deployed" in made.failure.reason


class TestADroppedIndex:
    def drop(self) -> tuple[Trial, int]:
        """A trial whose index of labels was dropped, and the number that it had."""
        trial = Trial()
        for group in "abc":
            trial.mutate("items:add", group=group, label="x")
        held = indexes_by_id(trial.engine.runner.catalogue())
        number = next(i for i, name in held.items() if name == ("items", "by_label"))
        validator = trial.engine.runner.catalogue().tables["items"].validator
        kept = {name: f for name, f in indexes(trial).items() if name != "by_label"}
        deployed(trial, TableSpec(kept, validator))
        return trial, number

    def test_is_unknown_to_code_that_still_queries_it(self) -> None:
        trial, _ = self.drop()

        outcome = trial.call("items:equal", "query", label="x")

        assert outcome.failure is not None
        assert isinstance(outcome.failure.error, IndexUnknown)
        assert outcome.failure.reason.startswith("index by_label of items is not in the")

    def test_has_its_rows_removed_when_no_late_applier_can_bring_them_back(self) -> None:
        trial, number = self.drop()

        trial.tell()
        trial.engine.upkeep.work()
        early = rows_of(trial, number)
        trial.clock.wait_ms(DROP_REST_MS + 1)
        trial.engine.send_house_job()
        trial.run_jobs()

        assert early == 3
        assert rows_of(trial, number) == 0
        assert trial.engine.upkeep.progress().lines() == []

    def test_leaves_no_rows_for_what_is_written_afterwards(self) -> None:
        trial, number = self.drop()

        trial.mutate("items:add", group="d", label="x")

        (entry,) = trial.persistence.tail(trial.engine.head() - 1).entries
        assert number not in {index for index, _ in entry.touched()}

    def test_cannot_be_queried_in_the_past_any_more(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        past = trial.engine.head()
        by_label = Call("items:equal", b'{"label": "x"}')
        by_group = Call("items:list", b'{"group": "a"}')
        before = trial.engine.query_in_past(by_label, past)

        deployed(trial, TableSpec({"by_group": ("group",)}))

        assert value(before) == ["a"]
        with pytest.raises(BelowHorizon, match="dropped since"):
            trial.engine.query_in_past(by_label, past)
        assert value(trial.engine.query_in_past(by_group, past)) == ["x"]

    def test_comes_back_under_another_number(self) -> None:
        trial, number = self.drop()

        trial.engine.deploy("trial")

        assert number not in indexes_by_id(trial.engine.runner.catalogue())
        assert trial.query("items:equal", label="x") == ["a", "b", "c"]


class TestSteps:
    def begin(self, documents: int) -> Trial:
        """A trial that has begun to build an index over some documents."""
        trial = Trial()
        for number in range(documents):
            trial.mutate("items:add", group=f"{number:04}", label="x")
        later = Trial(beside=trial, packages=("tests.apps.trial_next",))
        later.engine.deploy("next", wait_ms=-1)
        return later

    def test_tell_how_far_they_are(self) -> None:
        trial = self.begin(BACKFILL_ROWS * 2)
        heard: list[str] = []

        trial.engine.deploy("next", told=lambda progress: heard.extend(progress.lines()))

        builds = [line for line in heard if line.startswith("building")]
        assert builds[0] == "building index by_label_and_group of items: 0 documents"
        assert builds[1].startswith(
            f"building index by_label_and_group of items: {BACKFILL_ROWS} of about"
        )

    def test_go_on_where_the_last_one_stopped(self) -> None:
        trial = self.begin(BACKFILL_ROWS * 2 + 1)
        deployment_of(trial).step()
        documents = trial.engine.runner.catalogue().tables["items"].by_id
        begun: list[bytes] = []
        scan = trial.persistence.scan

        def watched(interval: Interval, **how: Any) -> Any:
            if interval.index == documents:
                begun.append(interval.low)
            return scan(interval, **how)

        trial.persistence.scan = watched  # type: ignore[method-assign]  # to look on
        trial.engine.deploy("next")

        assert len(begun) == 2
        assert b"" not in begun
        assert len(trial.query("items:groups", label="x")) == BACKFILL_ROWS * 2 + 1

    def test_done_by_two_at_once_are_done_once(self) -> None:
        trial = self.begin(10)
        other = Trial(beside=trial, packages=("tests.apps.trial_next",))
        storage = trial.persistence
        apply: Callable[..., None] = storage.apply
        rivals = [deployment_of(other).step]

        def interfere(entries: Any) -> None:
            apply(entries)
            if rivals:
                rivals.pop()()

        storage.apply = interfere  # type: ignore[method-assign]  # to interfere
        first = deployment_of(trial).step()

        assert not first
        assert trial.engine.upkeep.progress().state == "served"
        assert len(trial.query("items:groups", label="x")) == 10

    def test_have_a_live_query_recover_by_itself(self) -> None:
        trial = self.begin(3)
        socket = trial.socket().begin()
        socket.watch(1, "items:groups", label="x")
        before = socket.seen()[1]

        trial.engine.deploy("next")
        trial.tell()

        assert "is being built" in before
        assert socket.seen()[1] == ["0000", "0001", "0002"]
