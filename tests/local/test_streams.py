"""The stream poller, over moto's DynamoDB: what a handler gets, and what failures cost."""

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from local.event_sources import StreamPoller
from local.lambda_host import LambdaFunction
from local.stream_records import Record, lambda_record
from tests.local.conftest import Recorder


@dataclass
class Stream:
    """A table with a stream, and pollers that record what they deliver."""

    dynamodb: Any
    streams: Any
    arn: str
    events: Recorder = field(default_factory=Recorder)
    given_up: list[Record] = field(default_factory=list)
    pollers: list[StreamPoller] = field(default_factory=list)

    def put(self, *numbers: int) -> None:
        for number in numbers:
            item = {
                "log": {"B": b"\xfflog"},
                "ts": {"N": str(number)},
                "data": {"B": b"\x00\xff"},
            }
            self.dynamodb.put_item(TableName="commit_log", Item=item)

    def poll(self, handler: Any = lambda _: None, **options: Any) -> StreamPoller:
        def record(event: Any, context: Any) -> Any:
            self.events.add(event)
            return handler(numbers(event))

        poller = StreamPoller(
            LambdaFunction("s", record, concurrency=1, timeout_s=10, log=lambda _: None),
            client=self.streams,
            stream_arn=self.arn,
            give_up=self.given_up.append,
            poll_s=0.01,
            **options,
        )
        self.pollers.append(poller)
        poller.start()
        return poller

    def delivered(self, count: int) -> list[int]:
        """Wait until ``count`` records were delivered; return the numbers of all."""
        deadline, seen = time.monotonic() + 10, list[int]()
        while time.monotonic() < deadline:
            seen = [number for event in self.events.events for number in numbers(event)]
            if len(seen) >= count:
                return seen
            time.sleep(0.005)
        raise AssertionError(f"{seen} delivered, not {count}")


def numbers(event: Any) -> list[int]:
    return [int(record["dynamodb"]["Keys"]["ts"]["N"]) for record in event["Records"]]


@pytest.fixture
def stream() -> Iterator[Stream]:
    config = Config(account_id_endpoint_mode="disabled")
    with mock_aws():
        session = boto3.Session("local", "local", region_name="us-east-1")
        dynamodb = session.client("dynamodb", config=config)
        streams = session.client("dynamodbstreams", config=config)
        table = dynamodb.create_table(
            TableName="commit_log",
            KeySchema=[
                {"AttributeName": "log", "KeyType": "HASH"},
                {"AttributeName": "ts", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "log", "AttributeType": "B"},
                {"AttributeName": "ts", "AttributeType": "N"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        stream = Stream(dynamodb, streams, table["TableDescription"]["LatestStreamArn"])
        yield stream
        for poller in stream.pollers:
            poller.stop()
        time.sleep(0.05)
        dynamodb.close()
        streams.close()


class TestRecords:
    def test_are_those_of_lambda(self, stream: Stream) -> None:
        stream.poll()
        stream.put(1)
        (record,) = stream.events.wait()[0]["Records"]

        change = record["dynamodb"]
        assert (record["eventName"], record["eventSource"]) == ("INSERT", "aws:dynamodb")
        assert record["eventSourceARN"] == stream.arn
        assert change["Keys"] == {"log": {"B": "/2xvZw=="}, "ts": {"N": "1"}}
        assert base64.b64decode(change["NewImage"]["data"]["B"]) == b"\x00\xff"
        assert isinstance(change["ApproximateCreationDateTime"], float)
        assert isinstance(change["SequenceNumber"], str)

    def test_carry_binary_as_base64_at_any_depth(self) -> None:
        image = {
            "b": {"B": b"\x01"},
            "bs": {"BS": [b"\x01"]},
            "m": {"M": {"l": {"L": [{"B": b"\x01"}, {"S": "s"}]}}},
        }
        record = {"dynamodb": {"Keys": {}, "NewImage": image, "SequenceNumber": "1"}}

        found = lambda_record(record, "arn")["dynamodb"]["NewImage"]

        assert found == {
            "b": {"B": "AQ=="},
            "bs": {"BS": ["AQ=="]},
            "m": {"M": {"l": {"L": [{"B": "AQ=="}, {"S": "s"}]}}},
        }

    def test_come_in_order_in_batches_of_a_hundred(self, stream: Stream) -> None:
        stream.put(*range(1, 251))

        stream.poll(from_start=True)

        assert stream.delivered(250) == [*range(1, 251)]
        assert [len(event["Records"]) for event in stream.events.events] == [100, 100, 50]


class TestStart:
    def test_is_after_what_was_there(self, stream: Stream) -> None:
        stream.put(1, 2)
        stream.poll()
        stream.put(3)

        assert stream.delivered(1) == [3]

    def test_can_be_the_beginning(self, stream: Stream) -> None:
        stream.put(1, 2)
        stream.poll(from_start=True)
        stream.put(3)

        assert stream.delivered(3) == [1, 2, 3]


class TestFailure:
    def test_of_a_batch_is_narrowed_down_to_the_record(
        self, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.streams.BACKOFF_S", 0.001)
        handled: list[int] = []

        def handler(batch: list[int]) -> None:
            if 5 in batch:
                raise RuntimeError("poison")
            handled.extend(batch)

        stream.put(*range(1, 9))
        stream.poll(handler, from_start=True)
        while not stream.given_up or len(handled) < 7:
            time.sleep(0.005)

        assert handled == [1, 2, 3, 4, 6, 7, 8]
        assert numbers({"Records": stream.given_up}) == [5]

    def test_that_passes_is_tried_again_and_nothing_lost(
        self, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.streams.BACKOFF_S", 0.001)
        handled: list[int] = []

        def handler(batch: list[int]) -> None:
            if len(stream.events.events) < 6:
                raise RuntimeError("not yet")
            handled.extend(batch)

        stream.put(1, 2, 3)
        stream.poll(handler, from_start=True)
        while len(handled) < 3:
            time.sleep(0.005)

        assert handled == [1, 2, 3]
        assert stream.given_up == []

    def test_of_the_rest_of_a_batch_spares_its_beginning(self, stream: Stream) -> None:
        tried: list[list[int]] = []

        def handler(batch: list[int]) -> Any:
            tried.append(batch)
            records = stream.events.events[-1]["Records"]
            if batch == [1, 2, 3, 4]:
                failed = records[2]["dynamodb"]["SequenceNumber"]
                return {"batchItemFailures": [{"itemIdentifier": failed}]}
            return None

        stream.put(1, 2, 3, 4)
        stream.poll(handler, from_start=True)
        while len(tried) < 3:
            time.sleep(0.005)

        assert tried == [[1, 2, 3, 4], [3], [4]]

    def test_of_an_iterator_is_survived(
        self, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        poller = stream.poll(from_start=True)
        stream.put(1)
        stream.delivered(1)

        for shard in poller._shards.values():
            shard.iterator = "gone"
        stream.put(2)

        assert stream.delivered(2) == [1, 2]

    def test_of_a_transaction_does_not_blind_the_poller(self, stream: Stream) -> None:
        stream.poll()
        stream.put(1)
        stream.delivered(1)
        put = {
            "TableName": "commit_log",
            "Item": {"log": {"B": b"\xfflog"}, "ts": {"N": "1"}},
            "ConditionExpression": "attribute_not_exists(ts)",
        }
        with pytest.raises(stream.dynamodb.exceptions.TransactionCanceledException):
            stream.dynamodb.transact_write_items(TransactItems=[{"Put": put}])

        stream.put(2)

        assert stream.delivered(2) == [1, 2]


class TestStop:
    def test_is_prompt(self, stream: Stream) -> None:
        poller = stream.poll()
        stream.put(1)
        stream.delivered(1)

        poller.stop()
        time.sleep(0.05)
        stream.put(2)
        time.sleep(0.1)

        assert stream.delivered(1) == [1]

    def test_does_not_wait_for_a_failing_record(self, stream: Stream) -> None:
        def fail(batch: list[int]) -> None:
            raise RuntimeError("poison")

        poller = stream.poll(fail)
        stream.put(1)
        stream.events.wait()
        began = time.monotonic()

        poller.stop()

        assert time.monotonic() - began < 0.5
