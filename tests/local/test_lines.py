"""Frames of one connection in order: what waits, what goes on, what a stop ends."""

import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.sync.client import connect

from local.lambda_host import LambdaFunction, Outcome, Stopped
from local.lines import Lines
from local.server import Settings
from tests.local.conftest import Recorder, Running, serving

ORDERED = Settings(port=0, site_port=0, ordered=True)


def lines(handler: Callable[[Any], Any]) -> tuple[Lines, LambdaFunction]:
    function = LambdaFunction(
        "f",
        lambda event, _: handler(event),
        concurrency=8,
        timeout_s=10,
        log=lambda _: None,
    )
    return Lines(function, ordered=True), function


class TestOrderedFrames:
    def test_of_one_connection_are_handled_one_after_another(self) -> None:
        open_calls = threading.Semaphore(1)

        def alone(running: Running, event: Any) -> None:
            assert open_calls.acquire(blocking=False)
            time.sleep(0.0005)
            open_calls.release()

        with (
            serving(ORDERED, message=alone) as running,
            connect(running.sync_url) as client,
        ):
            for number in range(300):
                client.send(str(number))
            seen = running.messages.wait(300)

        assert [one["event"]["body"] for one in seen] == [str(n) for n in range(300)]
        assert {call.status for call in running.calls} == {200}

    def test_of_several_connections_are_handled_at_once(self) -> None:
        together = threading.Barrier(2, timeout=10)

        with (
            serving(ORDERED, message=lambda *_: together.wait()) as running,
            connect(running.sync_url) as one,
            connect(running.sync_url) as other,
        ):
            one.send("a")
            other.send("b")
            running.messages.wait(2)

        assert {call.status for call in running.calls} == {200}

    def test_go_on_after_one_that_failed(self) -> None:
        seen: list[int] = []
        outcomes = Recorder()

        def handler(event: dict[str, int]) -> None:
            seen.append(event["n"])
            if event["n"] == 1:
                raise RuntimeError("a frame that fails")

        line, _ = lines(handler)
        for number in range(4):
            line.submit("c", {"n": number}, what="x", done=lambda o: outcomes.add({"o": o}))
        ends = [one["o"].error for one in outcomes.wait(4)]

        assert seen == [0, 1, 2, 3]
        assert [type(error) for error in ends] == [
            type(None),
            RuntimeError,
            type(None),
            type(None),
        ]

    def test_that_wait_at_a_stop_are_all_refused(self) -> None:
        release = threading.Event()
        outcomes = Recorder()
        line, function = lines(lambda _: release.wait(10))

        def done(outcome: Outcome) -> None:
            outcomes.add({"error": type(outcome.error)})

        for number in range(5000):
            line.submit("c", {"n": number}, what="x", done=done)
        function.stop()
        release.set()
        ends = [one["error"] for one in outcomes.wait(5000)]

        assert ends == [type(None)] + [Stopped] * 4999
