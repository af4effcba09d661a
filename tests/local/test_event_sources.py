"""Queues and schedules: when they call a handler, with what, and how often."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.event_sources import Queue, Schedule
from local.lambda_host import LambdaFunction
from local.queues import MAX_DELAY_S, MAX_RECEIVES, Message
from tests.local.conftest import Recorder


@dataclass
class Lab:
    """Functions whose calls are recorded, and sources that are stopped at the end."""

    events: Recorder = field(default_factory=Recorder)
    given_up: list[Message] = field(default_factory=list)
    sources: list[Any] = field(default_factory=list)

    def function(self, handler: Callable[[Any], Any] = lambda _: None) -> LambdaFunction:
        def record(event: Any, context: Any) -> Any:
            self.events.add(event)
            return handler(event)

        return LambdaFunction(
            "tested", record, concurrency=4, timeout_s=10, log=lambda _: None
        )

    def queue(self, handler: Callable[[Any], Any] = lambda _: None) -> Queue:
        function = self.function(handler)
        queue = Queue(function, give_up=self.given_up.append, retry_s=0.02)
        self.sources.append(queue)
        queue.start()
        return queue


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    for source in lab.sources:
        source.stop()


def fail(event: Any) -> None:
    raise RuntimeError("a handler that fails")


class TestQueue:
    def test_delivers_a_message_as_sqs_does(self, lab: Lab) -> None:
        queue = lab.queue()

        message_id = queue.send('{"job":1}')

        (record,) = lab.events.wait()[0]["Records"]
        assert (record["messageId"], record["body"]) == (message_id, '{"job":1}')
        assert record["eventSource"] == "aws:sqs"
        assert record["eventSourceARN"].startswith("arn:aws:sqs:")
        assert record["attributes"]["ApproximateReceiveCount"] == "1"
        assert record["receiptHandle"]

    def test_keeps_a_message_back_for_its_delay(self, lab: Lab) -> None:
        queue = lab.queue()
        began = time.monotonic()

        queue.send("late", delay_s=0.15)
        queue.send("now")
        events = lab.events.wait(2)

        assert [event["Records"][0]["body"] for event in events] == ["now", "late"]
        assert 0.15 <= time.monotonic() - began < 2

    def test_delivers_again_what_failed(self, lab: Lab) -> None:
        queue = lab.queue(lambda event: fail(event) if len(lab.events.events) < 3 else None)

        queue.send("again")
        events = lab.events.wait(3)
        time.sleep(0.1)

        counts = [
            event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in events
        ]
        assert counts == ["1", "2", "3"]
        assert lab.given_up == []

    @pytest.mark.parametrize(
        "handler", [fail, lambda _: {"batchItemFailures": [{"itemIdentifier": "it"}]}]
    )
    def test_gives_up_after_five_deliveries(
        self, lab: Lab, handler: Callable[[Any], Any]
    ) -> None:
        queue = lab.queue(handler)

        queue.send("poison")
        lab.events.wait(MAX_RECEIVES)
        time.sleep(0.1)

        assert len(lab.events.events) == MAX_RECEIVES == 5
        assert [message.body for message in lab.given_up] == ["poison"]

    def test_delivers_several_at_a_time(self, lab: Lab) -> None:
        together = threading.Barrier(2, timeout=10)
        queue = lab.queue(lambda _: together.wait())

        queue.send("a")
        queue.send("b")

        assert len(lab.events.wait(2)) == 2

    @pytest.mark.parametrize("delay_s", [-1, MAX_DELAY_S + 1])
    def test_refuses_a_delay_that_sqs_refuses(self, lab: Lab, delay_s: float) -> None:
        with pytest.raises(ValueError, match="900"):
            lab.queue().send("x", delay_s)

    def test_delivers_nothing_after_its_end(self, lab: Lab) -> None:
        queue = lab.queue()
        queue.send("x", delay_s=0.05)

        queue.stop()
        time.sleep(0.1)

        assert lab.events.events == []

    def test_keeps_what_is_sent_before_its_start(self, lab: Lab) -> None:
        queue = Queue(lab.function(), give_up=lab.given_up.append)
        lab.sources.append(queue)
        queue.send("early")

        queue.start()

        assert lab.events.wait()[0]["Records"][0]["body"] == "early"


class TestSchedule:
    def test_calls_every_so_often_with_a_scheduled_event(self, lab: Lab) -> None:
        schedule = Schedule(lab.function(), every_s=0.03)
        lab.sources.append(schedule)

        schedule.start()
        first, second, *_ = lab.events.wait(2)

        assert (first["source"], first["detail-type"]) == ("aws.events", "Scheduled Event")
        assert first["id"] != second["id"]
        assert {"account", "region", "resources", "time", "version", "detail"} <= set(first)

    def test_goes_on_after_a_failure(self, lab: Lab) -> None:
        schedule = Schedule(lab.function(fail), every_s=0.01)
        lab.sources.append(schedule)

        schedule.start()

        assert len(lab.events.wait(3)) >= 3

    def test_ends_promptly(self, lab: Lab) -> None:
        schedule = Schedule(lab.function(), every_s=0.02)
        schedule.start()
        lab.events.wait()

        schedule.stop()
        time.sleep(0.03)
        calls = len(lab.events.events)
        time.sleep(0.1)

        assert len(lab.events.events) == calls
