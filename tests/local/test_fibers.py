"""Fibers: calls that share a thread, and go on when what they wait for has come."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from local.fibers import FiberClock, FiberFunction, FiberGate, later
from local.lambda_host import Outcome, Stopped

SHORT, LONG = "short", "long"


@pytest.fixture
def make() -> Any:
    """Return a maker of functions that are stopped after the test."""
    made: list[FiberFunction] = []

    def function(handler: Callable[..., object], *, timeout_s: float = 10) -> FiberFunction:
        made.append(
            FiberFunction(
                "tested",
                handler,
                concurrency=4,
                timeout_s=timeout_s,
                log=lambda _: None,
                is_short=lambda what: what == SHORT,
            )
        )
        return made[-1]

    yield function
    for function_ in made:
        function_.stop()


def thread_name(_event: object, _context: object) -> str:
    """Handle a call by naming the thread."""
    return threading.current_thread().name


class TestSubmit:
    def test_runs_short_calls_in_one_thread_and_others_elsewhere(self, make: Any) -> None:
        function, names = make(thread_name), SimpleQueue[Outcome]()

        for what in (SHORT, SHORT, LONG):
            function.submit({}, what=what, done=names.put)

        found = sorted(names.get(timeout=5).value for _ in range(3))
        assert found == ["tested-0", "tested-fibers", "tested-fibers"]

    def test_gives_what_the_handler_raises(self, make: Any) -> None:
        function, outcomes = make(lambda event, _: event["missing"]), SimpleQueue[Outcome]()

        function.submit({}, what=SHORT, done=outcomes.put)

        assert isinstance(outcomes.get(timeout=5).error, KeyError)

    def test_has_a_fiber_that_ended_a_call_take_the_next_one(self, make: Any) -> None:
        def handler(event: Any, _context: object) -> greenlet:
            if event == "fails":
                raise ValueError(event)
            return getcurrent()

        function, outcomes = make(handler), SimpleQueue[Outcome]()

        for event in ("first", "fails", "second"):
            function.submit(event, what=SHORT, done=outcomes.put)
            time.sleep(0.05)

        first, fails, second = (outcomes.get(timeout=5) for _ in range(3))
        assert first.value is second.value
        assert isinstance(fails.error, ValueError)

    def test_ends_all_calls_though_fewer_fibers_are_kept(
        self, make: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.fibers.IDLE", 2)
        gates, outcomes = [FiberGate() for _ in range(9)], SimpleQueue[Outcome]()
        function = make(lambda number, _: gates[number].wait() and number)

        for _ in range(2):
            for number in range(9):
                function.submit(number, what=SHORT, done=outcomes.put)
            for gate in gates:
                gate.open()

        found = sorted(outcomes.get(timeout=5).value for _ in range(18))
        assert found == sorted([*range(9), *range(9)])

    def test_goes_on_with_another_call_while_one_waits(self, make: Any) -> None:
        gate, outcomes = FiberGate(), SimpleQueue[Outcome]()

        def handler(event: Any, _context: object) -> str:
            if event == "waits":
                gate.wait()
            return str(event)

        function = make(handler)
        function.submit("waits", what=SHORT, done=outcomes.put)
        function.submit("runs", what=SHORT, done=outcomes.put)

        assert outcomes.get(timeout=5).value == "runs"
        gate.open()
        assert outcomes.get(timeout=5).value == "waits"

    def test_a_call_that_computes_for_long_keeps_no_later_one_waiting(
        self, make: Any
    ) -> None:
        held, outcomes = threading.Event(), SimpleQueue[Outcome]()
        function = make(lambda event, _: held.wait(5) if event else "done")
        function.submit(True, what=SHORT)
        time.sleep(0.1)

        function.submit(False, what=SHORT, done=outcomes.put)

        assert outcomes.get(timeout=2).value == "done"
        held.set()

    def test_tells_of_a_call_that_never_goes_on_when_its_time_is_over(
        self, make: Any
    ) -> None:
        outcomes = SimpleQueue[Outcome]()
        function = make(lambda *_: FiberGate().wait(), timeout_s=0.01)
        function.submit({}, what=SHORT, done=outcomes.put)
        time.sleep(0.05)

        function.expire()

        assert outcomes.get(timeout=2).error is not None
        assert not function.busy()

    def test_takes_nothing_after_the_stop(self, make: Any) -> None:
        function = make(thread_name)

        function.stop()

        with pytest.raises(Stopped):
            function.submit({}, what=SHORT)


class TestLater:
    def test_is_when_the_fibers_rest_and_once_for_all_of_them(
        self, make: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.fibers.LATER_S", 60)
        steps, noted = list[str](), threading.Event()
        gates = {name: FiberGate() for name in ("one", "two", "three")}

        def note() -> None:
            steps.append("later")
            noted.set()

        def handler(event: Any, _context: object) -> None:
            if event == "opens":
                for gate in gates.values():
                    gate.open()
                return
            gates[event].wait()
            assert later(note)
            steps.append(event)

        function = make(handler)
        for name in (*gates, "opens"):
            function.submit(name, what=SHORT)

        assert noted.wait(5)
        assert steps == ["one", "two", "three", "later"]

    def test_is_not_put_off_by_fibers_that_always_go_on(self, make: Any) -> None:
        steps, outcomes = list[str](), SimpleQueue[Outcome]()
        gates = [FiberGate() for _ in range(5)]

        def note() -> None:
            steps.append("later")

        def handler(event: Any, _context: object) -> None:
            if event == 0:
                for gate in gates:
                    gate.open()
                later(note)
            else:
                gates[event - 1].wait()
            time.sleep(0.002)
            steps.append(str(event))

        function = make(handler)
        for number in (1, 2, 3, 4, 5, 0):
            function.submit(number, what=SHORT, done=outcomes.put)
        for _ in range(6):
            outcomes.get(timeout=5)

        assert steps.index("later") < steps.index("5")

    def test_is_left_to_who_has_no_fibers(self) -> None:
        assert later(lambda: None) is False


class TestGate:
    def test_lets_a_thread_go_on(self) -> None:
        gate = FiberGate()
        threading.Timer(0.02, gate.open).start()

        assert gate.wait(5)

    def test_once_open_keeps_nobody(self) -> None:
        gate = FiberGate()
        gate.open()

        assert gate.wait(0)

    def test_gives_a_thread_up_after_its_time(self) -> None:
        assert not FiberGate().wait(0.01)

    def test_gives_a_fiber_up_after_its_time_and_lets_it_go_on_once(
        self, make: Any
    ) -> None:
        gate, outcomes, steps = FiberGate(), SimpleQueue[Outcome](), list[str]()

        def handler(_event: object, _context: object) -> bool:
            found = gate.wait(0.01)
            steps.append("on")
            gate.open()  # late: the wait is over
            FiberClock().wait_ms(20)
            return found

        make(handler).submit({}, what=SHORT, done=outcomes.put)

        assert outcomes.get(timeout=5).value is False
        assert steps == ["on"]


class TestClock:
    def test_a_fiber_that_waits_lets_others_go_on(self, make: Any) -> None:
        outcomes = SimpleQueue[Outcome]()

        def handler(event: Any, _context: object) -> Any:
            FiberClock().wait_ms(event)
            return event

        function = make(handler)
        for wait_ms in (60, 1):
            function.submit(wait_ms, what=SHORT, done=outcomes.put)

        assert [outcomes.get(timeout=5).value for _ in range(2)] == [1, 60]
