"""``TestBackend``: what people who write functions test them with."""

from __future__ import annotations

import time
from typing import Any

import pytest

from chalicelib import geoflow
from chalicelib.engine.database.committer import Conflicted
from chalicelib.engine.errors import (
    AppError,
    ArgumentValidationError,
    Conflict,
    FunctionNotFound,
    InvalidUploadToken,
    ReturnsValidationError,
    SchemaMismatch,
)
from chalicelib.engine.server import ScheduledFunction
from chalicelib.geoflow import executions, users, workflows
from testing import TestBackend
from tests.apps import chat, files, shapes, trial
from tests.apps.files import files as file_functions
from tests.apps.shapes import values
from tests.apps.shapes.schema import Box, Label
from tests.apps.trial import calls, items
from tests.apps.trial.schema import Diary, Item


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend(trial)


def test_a_fresh_one_takes_less_than_20_ms_of_cpu() -> None:
    TestBackend(geoflow)  # imports and builds what every other one shares
    best_s = min(_time_to_make() for _ in range(5))

    assert best_s < 0.020


def _time_to_make() -> float:
    began = time.thread_time()
    TestBackend(geoflow)
    return time.thread_time() - began


def test_several_apps_are_served_together() -> None:
    backend = TestBackend(trial, "tests.apps.shapes")

    assert backend.nobody.query(calls.constant) == 42
    assert backend.nobody.query(values.number, 1.5) == 1.5


def test_two_of_them_share_nothing() -> None:
    one, other = TestBackend(trial), TestBackend(trial)

    one.nobody.mutation(items.add, "a", "label")

    assert other.nobody.query(items.list_, "a") == []


class TestCallers:
    def test_are_who_the_test_says_with_the_claims_it_gives(self) -> None:
        backend = TestBackend(geoflow)
        named = backend.as_user("alice", email="a@example.org", role="worker")

        user_id = named.mutation(users.ensure)

        with backend.db() as db:
            user = db.require(user_id)
        assert (user.name, user.email) == ("Alice", "a@example.org")

    def test_may_be_nobody(self, backend: TestBackend) -> None:
        assert backend.as_user("alice").query(calls.whoami) == "alice"
        assert backend.nobody.query(calls.whoami) is None

    def test_may_be_the_system_which_is_nobody_and_reaches_internal_functions(
        self, backend: TestBackend
    ) -> None:
        assert backend.system.query(calls.whoami) is None
        assert backend.system.query(calls.secret) == "the secret"
        with pytest.raises(FunctionNotFound):
            backend.nobody.query(calls.secret)


class TestCalls:
    def test_raise_what_the_function_raised(self, backend: TestBackend) -> None:
        with pytest.raises(Conflict) as refused:
            backend.nobody.mutation(calls.write_and_refuse, "a")

        assert refused.value.details == {"group": "a"}
        with pytest.raises(ZeroDivisionError):
            backend.nobody.query(calls.crash)
        with pytest.raises(AppError):
            backend.nobody.action(calls.fail_outside, "a")

    def test_send_arguments_through_the_wire(self, backend: TestBackend) -> None:
        wrong: list[int] = ["one"]  # type: ignore[list-item]  # what the wire refuses

        with pytest.raises(ArgumentValidationError):
            TestBackend(shapes).nobody.query(values.array, wrong)  # type: ignore[arg-type]

    def test_judge_results(self) -> None:
        with pytest.raises(ReturnsValidationError):
            TestBackend(shapes).nobody.query(values.lie, "no list")

    def test_by_path_speak_json(self, backend: TestBackend) -> None:
        made = backend.nobody.call("items:add", "mutation", group="a", label="b")

        assert backend.nobody.call("items:get", "query", document=made) == "b"


class TestWatch:
    def test_is_told_every_result_in_order(self, backend: TestBackend) -> None:
        watch = backend.nobody.watch(items.list_, "a")

        backend.nobody.mutation(items.add, "a", "one")
        backend.nobody.mutation(items.add, "b", "elsewhere")
        backend.nobody.action(calls.run, "a")

        assert watch.results == [[], ["one"], ["one", "by an action"]]
        assert watch.latest == ["one", "by an action"]

    def test_hears_of_what_the_test_itself_wrote(self, backend: TestBackend) -> None:
        watch = backend.nobody.watch(items.list_, "a")

        with backend.db() as db:
            db.insert(Item(group="a", label="one"))
            db.insert(Item(group="a", label="two"))

        assert watch.results == [[], ["one", "two"]]

    def test_is_told_what_went_wrong(self, backend: TestBackend) -> None:
        watch = backend.nobody.watch(calls.refuse, "a")

        backend.nobody.mutation(items.add, "a", "one")

        assert "in use" in str(watch.latest)


class TestDb:
    def test_is_under_no_policy(self, backend: TestBackend) -> None:
        with backend.db() as db:
            db.insert(Diary(author="ann", text="dear diary"))

        with backend.db() as db:
            assert [each.text for each in db.query(Diary).collect()] == ["dear diary"]
        assert backend.nobody.query(calls.diaries) == []
        assert backend.as_user("ann").query(calls.diaries) == ["dear diary"]

    def test_changes_all_or_nothing(self, backend: TestBackend) -> None:
        with backend.db() as db:
            kept = db.insert(Item(group="a", label="one"))

        def failing() -> None:
            with backend.db() as db:
                db.patch(kept, label="two")
                _ = 1 // 0

        with pytest.raises(ZeroDivisionError):
            failing()

        assert backend.nobody.query(items.get, kept) == "one"

    def test_sees_what_functions_did_and_they_what_it_did(
        self, backend: TestBackend
    ) -> None:
        made = backend.nobody.mutation(items.add, "a", "one")

        with backend.db() as db:
            db.patch(made, label=db.require(made).label + "!")

        assert backend.nobody.query(items.list_, "a") == ["one!"]

    def test_does_not_overwrite_what_it_has_not_seen(self, backend: TestBackend) -> None:
        made = backend.nobody.mutation(items.add, "a", "one")

        def overtaken() -> None:
            with backend.db() as db:
                db.patch(made, label="mine")
                backend.nobody.mutation(items.move, made, "theirs")

        with pytest.raises(Conflicted):
            overtaken()

        assert backend.nobody.query(items.get, made) == "theirs"

    def test_refuses_what_the_schema_refuses(self) -> None:
        backend = TestBackend(shapes)

        with backend.db() as db:
            box = db.insert(Box(content=1))
            label: Any = Label(box=box, others=[], notes={})
            labelled = db.insert(label)

        with pytest.raises(SchemaMismatch), backend.db() as db:
            db.insert(Label(box=labelled, others=[], notes={}))


class TestTime:
    @pytest.mark.parametrize(
        ("spans", "ms"),
        [
            ({"ms": 5}, 5),
            ({"seconds": 2}, 2_000),
            ({"minutes": 3}, 180_000),
            ({"hours": 1.5}, 5_400_000),
            ({"days": 1, "seconds": 1}, 86_401_000),
        ],
    )
    def test_moves_as_far_as_it_is_told(
        self, backend: TestBackend, spans: dict[str, float], ms: float
    ) -> None:
        before_ms = backend.clock.now_ms()

        backend.advance(**spans)

        assert backend.clock.now_ms() == before_ms + ms

    def test_passes_quickly_where_nothing_is_due(self, backend: TestBackend) -> None:
        began = time.perf_counter()

        backend.advance(days=365)

        assert time.perf_counter() - began < 1


class TestFiles:
    def test_go_up_and_down_by_the_urls_that_functions_give(self) -> None:
        backend = TestBackend(files)
        alice = backend.as_user("alice")

        url = alice.mutation(file_functions.upload_url)
        stored = backend.upload(url, b"a picture", content_type="image/png")
        alice.mutation(file_functions.add, "holidays", stored)

        (shown,) = alice.query(file_functions.show, "holidays")
        assert shown.url is not None
        assert backend.download(shown.url) == b"a picture"

    def test_need_the_url_of_a_function(self) -> None:
        backend = TestBackend(files)

        with pytest.raises(InvalidUploadToken):
            backend.upload("https://files.example/api/storage/upload?token=x", b"")
        assert backend.download("https://files.example/api/storage/0") is None


def test_jobs_can_be_inspected() -> None:
    backend = TestBackend(chat)

    with backend.db() as db:
        assert db.system.query(ScheduledFunction).collect() == []


def test_errors_are_reported_as_to_operators(backend: TestBackend) -> None:
    with pytest.raises(ZeroDivisionError):
        backend.nobody.query(calls.crash)

    assert [type(error) for error in backend.errors] == [ZeroDivisionError]


def test_an_execution_is_started_and_cancelled_in_five_lines() -> None:
    alice = TestBackend(geoflow).as_user("alice")
    run = alice.mutation(executions.start, alice.mutation(workflows.create, "LIDAR"))
    alice.mutation(executions.cancel, run)
    found = alice.query(executions.get, run)
    assert found is not None
    assert found.status == "cancelled"
