"""Calls of handlers: in parallel, bounded, timed, each told once."""

import threading
import time
from queue import SimpleQueue
from typing import Any

import pytest

from local.lambda_host import (
    CallRecord,
    LambdaFunction,
    Outcome,
    Stopped,
    TimedOut,
    status_of,
)


def function(
    handler: Any, *, concurrency: int = 4, timeout_s: float = 10, at_once: int | None = None
) -> Any:
    """Return a function, and the queue that its log goes to."""
    log: SimpleQueue[CallRecord] = SimpleQueue()
    made = LambdaFunction(
        "tested",
        handler,
        concurrency=concurrency,
        timeout_s=timeout_s,
        log=log.put,
        at_once=at_once,
    )
    return made, log


class TestSubmit:
    def test_gives_what_the_handler_returns(self) -> None:
        made, _ = function(lambda event, _: event["x"] + 1)
        outcomes: SimpleQueue[Outcome] = SimpleQueue()

        made.submit({"x": 1}, what="add", done=outcomes.put)

        assert outcomes.get(timeout=5) == Outcome(value=2)

    def test_gives_what_the_handler_raises(self) -> None:
        made, log = function(lambda event, _: event["missing"])
        outcomes: SimpleQueue[Outcome] = SimpleQueue()

        made.submit({}, what="fail", done=outcomes.put)

        assert isinstance(outcomes.get(timeout=5).error, KeyError)
        assert log.get(timeout=5).status == 500

    def test_runs_no_more_at_once_than_allowed(self) -> None:
        running, most = 0, 0
        lock = threading.Lock()

        def handler(event: Any, context: Any) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with lock:
                running -= 1

        made, log = function(handler, concurrency=3)
        for _ in range(20):
            made.submit({}, what="x")
        for _ in range(20):
            log.get(timeout=5)

        assert most == 3

    def test_starts_no_thread_while_one_is_idle(self) -> None:
        names: set[str] = set()
        made, log = function(lambda *_: names.add(threading.current_thread().name))

        for _ in range(20):
            made.submit({}, what="x")
            log.get(timeout=5)
            time.sleep(0.002)

        assert names == {"tested-0"}

    def test_starts_calls_in_order(self) -> None:
        seen: list[int] = []
        made, log = function(lambda event, _: seen.append(event["n"]), concurrency=1)

        for number in range(100):
            made.submit({"n": number}, what="x")
        for _ in range(100):
            log.get(timeout=5)

        assert seen == [*range(100)]

    def test_after_a_stop_is_refused(self) -> None:
        made, _ = function(lambda *_: None)

        made.stop()

        with pytest.raises(Stopped):
            made.submit({}, what="x")


class TestFewAtOnce:
    def test_share_one_thread_while_it_goes_on(self) -> None:
        names = SimpleQueue[str]()
        made, log = function(
            lambda *_: names.put(threading.current_thread().name), at_once=1
        )

        for _ in range(50):
            made.submit({}, what="x")
            made.relieve()
        for _ in range(50):
            log.get(timeout=5)

        assert {names.get(timeout=1) for _ in range(50)} == {"tested-0"}

    def test_go_on_in_another_thread_if_one_is_held_up(self) -> None:
        held = threading.Event()
        outcomes: SimpleQueue[Outcome] = SimpleQueue()
        made, _ = function(
            lambda event, _: held.wait(10) if event["waits"] else "ran", at_once=1
        )
        made.submit({"waits": True}, what="held up")
        made.submit({"waits": False}, what="behind", done=outcomes.put)

        for _ in range(200):
            if not made.relieve():
                break
            time.sleep(0.005)

        assert outcomes.get(timeout=5).value == "ran"
        held.set()

    def test_are_never_more_than_allowed(self) -> None:
        held, others = threading.Event(), set(threading.enumerate())
        made, log = function(lambda *_: held.wait(10), concurrency=2, at_once=1)
        for _ in range(4):
            made.submit({}, what="x")
        for _ in range(20):
            assert made.relieve()
            time.sleep(0.005)

        ours = set(threading.enumerate()) - others
        names = {t.name for t in ours if t.name.startswith("tested-")}
        held.set()
        for _ in range(4):
            log.get(timeout=5)

        assert names == {"tested-0", "tested-1"}


class TestTimeout:
    def test_is_told_once_even_if_the_handler_ends_later(self) -> None:
        release = threading.Event()
        made, log = function(lambda *_: release.wait(10), timeout_s=0.01)
        outcomes: list[Outcome] = []
        made.submit({}, what="slow", done=outcomes.append)
        time.sleep(0.05)

        made.expire()
        release.set()
        record = log.get(timeout=5)
        while made.busy():
            time.sleep(0.001)
        time.sleep(0.05)

        assert [type(outcome.error) for outcome in outcomes] == [TimedOut]
        assert (record.status, record.what) == (504, "slow")
        assert record.ms >= 10

    def test_spares_calls_that_have_time_left(self) -> None:
        release = threading.Event()
        made, log = function(lambda *_: release.wait(10))
        made.submit({}, what="x")

        made.expire()
        release.set()

        assert log.get(timeout=5).status == 200


class TestAttempt:
    def test_runs_in_this_thread_and_is_logged(self) -> None:
        made, log = function(lambda *_: threading.current_thread().name)

        outcome = made.attempt({}, what="here")

        assert outcome.value == threading.current_thread().name
        assert log.get(timeout=5).what == "here"


class TestContext:
    def test_counts_down_to_zero(self) -> None:
        def handler(event: Any, context: Any) -> list[int]:
            first = context.get_remaining_time_in_millis()
            time.sleep(0.06)
            return [first, context.get_remaining_time_in_millis()]

        made, _ = function(handler, timeout_s=0.05)

        first, last = made.attempt({}, what="x").value

        assert 0 < first <= 50
        assert last == 0

    def test_has_what_powertools_logs(self) -> None:
        made, _ = function(lambda _, context: context)

        context = made.attempt({}, what="x").value

        assert context.function_name == "tested"
        assert context.memory_limit_in_mb == 1024
        assert context.invoked_function_arn.endswith(":function:tested")
        assert len(context.aws_request_id) == 36


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(value={"statusCode": 201}), 201),
        (Outcome(value={"batchItemFailures": []}), 200),
        (Outcome(value=None), 200),
        (Outcome(error=KeyError()), 500),
        (Outcome(error=TimedOut()), 504),
    ],
)
def test_the_status_of_a_call_is_its_answers_or_stands_for_none(
    outcome: Outcome, status: int
) -> None:
    assert status_of(outcome) == status
