"""Logs: appended by the worker that has the run, read by those who may see it."""

from __future__ import annotations

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    ValidationFailed,
)
from chalicelib.engine.server import Id, PaginationOptions
from chalicelib.geoflow import executions, logs, workers, workflows
from chalicelib.geoflow.limits import LEASE_MS
from chalicelib.geoflow.logs import LogLine
from chalicelib.geoflow.schema import Execution, ExecutionLog
from testing import Client, TestBackend
from tests.geoflow.running import claimed, start, stored


@pytest.fixture
def alice(backend: TestBackend) -> Client:
    return backend.as_user("alice")


@pytest.fixture
def worker(backend: TestBackend) -> Client:
    return backend.as_user("pdal", role="worker")


@pytest.fixture
def run(alice: Client, worker: Client) -> Id[Execution]:
    started = start(alice)
    assert claimed(worker) == started
    return started


def log(worker: Client, run: Id[Execution], *messages: str) -> int:
    lines = [LogLine(message=message) for message in messages]
    return worker.mutation(logs.append, run, "w1", lines)


def messages(lines: list[ExecutionLog]) -> list[str]:
    return [line.message for line in lines]


class TestAppend:
    def test_keeps_the_lines_in_their_order(
        self, backend: TestBackend, alice: Client, worker: Client, run: Id[Execution]
    ) -> None:
        first = LogLine(message="17 points", level="debug", node_id="a", time=5.0)

        worker.mutation(logs.append, run, "w1", [first, LogLine(message="done")])

        a, b = alice.query(logs.tail, run)
        assert (a.message, a.level, a.node_id, a.time) == ("17 points", "debug", "a", 5.0)
        assert (b.message, b.level, b.node_id) == ("done", "info", None)
        assert (b.time, b.attempt) == (backend.clock.now_ms(), 1)

    def test_is_for_the_worker_that_has_the_run(
        self, alice: Client, worker: Client, run: Id[Execution]
    ) -> None:
        with pytest.raises(Forbidden):
            worker.mutation(logs.append, run, "w2", [])
        with pytest.raises(Forbidden):
            log(alice, run, "it went well")

        alice.mutation(executions.cancel, run)
        with pytest.raises(Conflict, match="stop working"):
            log(worker, run, "more")

        assert alice.query(logs.tail, run) == []

    def test_has_bounds_on_lines_characters_and_bytes(
        self, worker: Client, run: Id[Execution]
    ) -> None:
        with pytest.raises(ArgumentValidationError):
            log(worker, run, *[""] * 501)
        with pytest.raises(ArgumentValidationError):
            log(worker, run, "x" * 10_001)
        with pytest.raises(ValidationFailed) as refused:
            log(worker, run, *["é" * 9_000] * 15)

        assert refused.value.details == {"bytes": 270_000, "limit": 262_144}
        assert log(worker, run, *["x" * 500] * 500) == 500

    def test_leaves_out_what_is_too_much_for_one_run_and_says_so(
        self,
        alice: Client,
        worker: Client,
        run: Id[Execution],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(logs, "MAX_LOG_LINES", 3)

        kept = [
            log(worker, run, "1", "2"),
            log(worker, run, "3", "4"),
            log(worker, run, "5"),
        ]

        assert kept == [2, 1, 0]
        full = "the log is full: what comes after this is left out"
        assert messages(alice.query(logs.tail, run)) == ["1", "2", "3", full]

    def test_renews_the_lease_when_half_of_it_is_over(
        self, backend: TestBackend, alice: Client, worker: Client, run: Id[Execution]
    ) -> None:
        watch = alice.watch(executions.get, run)

        log(worker, run, "soon")
        backend.advance(LEASE_MS * 0.75)
        log(worker, run, "later")
        backend.advance(LEASE_MS * 0.75)

        assert len(watch.results) == 2
        log(worker, run, "it is still mine")


class TestTail:
    def test_follows_live(self, alice: Client, worker: Client, run: Id[Execution]) -> None:
        watch = alice.watch(logs.tail, run, 2)

        log(worker, run, "1")
        log(worker, run, "2", "3")

        assert [messages(told) for told in watch.results] == [[], ["1"], ["2", "3"]]

    def test_shows_strangers_nothing(
        self, backend: TestBackend, worker: Client, run: Id[Execution]
    ) -> None:
        log(worker, run, "secret")
        page = PaginationOptions(num_items=5, cursor=None)

        for stranger in (backend.as_user("bob"), backend.nobody):
            assert stranger.query(logs.tail, run) == []
            assert stranger.query(logs.list_page, run, page).page == []


class TestPages:
    def test_go_through_all_of_it(
        self, alice: Client, worker: Client, run: Id[Execution]
    ) -> None:
        log(worker, run, *map(str, range(7)))
        cursor, seen, done = None, [], False

        while not done:
            page = alice.query(
                logs.list_page, run, PaginationOptions(num_items=3, cursor=cursor)
            )
            seen += messages(page.page)
            cursor, done = page.continue_cursor, page.is_done

        assert seen == list("0123456")

    def test_show_one_level_or_one_node(
        self, alice: Client, worker: Client, run: Id[Execution]
    ) -> None:
        lines = [
            LogLine(message="1", level="error", node_id="a"),
            LogLine(message="2", level="error", node_id="b"),
            LogLine(message="3", node_id="b"),
        ]
        worker.mutation(logs.append, run, "w1", lines)
        whole = PaginationOptions(num_items=9, cursor=None)

        errors = alice.query(logs.list_page, run, whole, level="error")
        about_b = alice.query(logs.list_page, run, whole, node_id="b")
        both = alice.query(logs.list_page, run, whole, level="error", node_id="b")

        found = [messages(page.page) for page in (errors, about_b, both)]
        assert found == [["1", "2"], ["2", "3"], ["2"]]


def test_a_log_tells_what_became_of_the_run(
    backend: TestBackend, alice: Client, worker: Client, run: Id[Execution]
) -> None:
    log(worker, run, "reading")
    backend.advance(minutes=2)
    claimed(worker, "w2")
    worker.mutation(workers.fail, run, "w2", "no such file")

    told = [(line.attempt, line.message) for line in alice.query(logs.tail, run)]

    assert told == [
        (1, "reading"),
        (1, "worker w1 was not heard of again"),
        (2, "no such file"),
    ]


def test_a_log_goes_with_its_run(
    backend: TestBackend, alice: Client, worker: Client, run: Id[Execution]
) -> None:
    log(worker, run, *["x"] * 450)
    with pytest.raises(Conflict, match="is running: cancel it"):
        alice.mutation(executions.remove, run)
    worker.mutation(workers.complete, run, "w1", {})
    workflow = stored(alice, run).workflow_id

    alice.mutation(executions.remove, run)
    at_once = alice.query(logs.tail, run)
    backend.run_jobs()

    assert at_once == []
    assert alice.query(executions.list_by_workflow, workflow) == []
    counted = alice.query(executions.statistics, workflow)
    assert counted is not None
    assert counted.succeeded == 1
    with backend.db() as db:
        assert db.query(ExecutionLog).first() is None


def test_a_log_goes_with_its_workflow(
    backend: TestBackend, alice: Client, worker: Client, run: Id[Execution]
) -> None:
    for _ in range(2):
        log(worker, run, *["x"] * 300)
    workflow = stored(alice, run).workflow_id

    alice.mutation(workflows.remove, workflow)
    backend.run_jobs()

    with backend.db() as db:
        assert db.query(ExecutionLog).first() is None
        assert db.query(Execution).first() is None
