"""The contract of the job queue, over every adapter, read as its event source reads it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import botocore.session
import pytest

from chalicelib.adapters.sqs import SqsJobQueue
from chalicelib.engine.errors import MessageTooLarge, StorageUnavailable
from chalicelib.engine.ports import JobQueue
from local.emulator import start_emulator


@dataclass(frozen=True, slots=True)
class Opened:
    """A queue, and what waits in it now: the bodies of messages that may be delivered."""

    queue: JobQueue
    receive: Callable[[], list[str]]
    client: Any
    url: str

    def delays(self) -> int:
        """How many messages are kept back."""
        name = "ApproximateNumberOfMessagesDelayed"
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(answer["Attributes"][name])


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with start_emulator() as emulator:
        yield botocore.session.get_session().create_client(
            "sqs", region_name=emulator.region
        )


@pytest.fixture
def opened(client: Any) -> Opened:
    url = client.create_queue(QueueName=f"jobs-{uuid4()}")["QueueUrl"]

    def receive() -> list[str]:
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    return Opened(SqsJobQueue(url, region=client.meta.region_name), receive, client, url)


class TestSend:
    @pytest.mark.parametrize(
        "text", ["plain", "ä \u2028 \U0001f30d", 'a "quoted" <b>&', "\x00\x1f\x7f"]
    )
    def test_delivers_the_job(self, opened: Opened, text: str) -> None:
        job = {"text": text}

        opened.queue.send(json.dumps(job, ensure_ascii=False).encode())

        assert [json.loads(body) for body in opened.receive()] == [job]

    def test_delivers_text_that_the_queue_would_refuse(self, opened: Opened) -> None:
        job = {"text": "\ufffe and \uffff"}

        opened.queue.send(json.dumps(job, ensure_ascii=False).encode())

        (body,) = opened.receive()
        assert json.loads(body) == job
        assert body.isascii()

    def test_keeps_a_message_back_for_whole_seconds(self, opened: Opened) -> None:
        sent = time.monotonic()

        opened.queue.send(b'"later"', delay_ms=1_999)

        assert (opened.receive(), opened.delays()) == ([], 1)
        while not (found := opened.receive()):
            assert time.monotonic() - sent < 5
            time.sleep(0.05)
        assert found == ['"later"']
        assert time.monotonic() - sent >= 0.95

    @pytest.mark.parametrize("delay_ms", [-5.0, 0.0, 999.9])
    def test_rounds_delays_down(self, opened: Opened, delay_ms: float) -> None:
        opened.queue.send(b'"now"', delay_ms=delay_ms)

        assert opened.receive() == ['"now"']

    def test_cuts_a_delay_that_is_too_long(self, opened: Opened) -> None:
        opened.queue.send(b'"much later"', delay_ms=1e9)

        assert (opened.receive(), opened.delays()) == ([], 1)

    def test_refuses_a_job_that_is_too_large(self, opened: Opened) -> None:
        with pytest.raises(MessageTooLarge):
            opened.queue.send(b'"' + b"x" * (1 << 20) + b'"')

        assert opened.receive() == []

    def test_says_that_a_queue_does_not_take_it(self, opened: Opened) -> None:
        opened.client.delete_queue(QueueUrl=opened.url)

        with pytest.raises(StorageUnavailable):
            opened.queue.send(b"{}")
