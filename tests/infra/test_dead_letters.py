"""What was given up is listed, replayed where it belongs, and thrown away only when told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from chalicelib.engine.backend import Backend
from infra.dead_letters import Queues, main, replay
from local.emulator import start_emulator
from tests.trial import Trial

STACK = "geoflow-test"
QUEUES = ("DeadCommitsQueue", "DeadJobsQueue", "JobsQueue", "WakesQueue")
TICK = '{"type":"tick","shards":[1]}'
ACTION = '{"type":"action","connection":"c","requestId":1}'


@dataclass
class Aws:
    """The queues of a stack, and the stream of a log."""

    sqs: Any
    urls: dict[str, str]
    dynamodb: Any
    stream: Any

    def put(self, queue: str, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body)

    def take(self, queue: str) -> list[str]:
        """Everything in a queue, which is emptied."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.urls[queue], MaxNumberOfMessages=10
        ).get("Messages"):
            for message in messages:
                found.append(message["Body"])
                self.sqs.delete_message(
                    QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"]
                )
        return sorted(found)

    def commit(self, *positions: int) -> None:
        for position in positions:
            key = {"pk": {"S": "main"}, "ts": {"N": str(position)}}
            self.dynamodb.put_item(TableName="log", Item=key)

    def given_up(self, first: int, last: int) -> str:
        """What Lambda sends of a batch that it gives up: the numbers of records in the stream."""
        streams = boto3.client("dynamodbstreams")
        (shard,) = streams.describe_stream(StreamArn=self.stream)["StreamDescription"][
            "Shards"
        ]
        place = streams.get_shard_iterator(
            StreamArn=self.stream,
            ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )
        records = streams.get_records(ShardIterator=place["ShardIterator"])["Records"]
        numbers = {
            int(r["dynamodb"]["Keys"]["ts"]["N"]): r["dynamodb"]["SequenceNumber"]
            for r in records
        }
        batch = {
            "shardId": shard["ShardId"],
            "startSequenceNumber": numbers[first],
            "endSequenceNumber": numbers[last],
            "batchSize": last - first + 1,
            "streamArn": self.stream,
        }
        return json.dumps({"version": "1.0", "DDBStreamBatchInfo": batch})


@pytest.fixture
def aws() -> Iterator[Aws]:
    template = {name: {"Type": "AWS::SQS::Queue", "Properties": {}} for name in QUEUES}
    with start_emulator():
        formation = boto3.client("cloudformation")
        formation.create_stack(
            StackName=STACK, TemplateBody=json.dumps({"Resources": template})
        )
        made = formation.describe_stack_resources(StackName=STACK)["StackResources"]
        urls = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in made}
        dynamodb = boto3.client("dynamodb")
        table = dynamodb.create_table(
            TableName="log",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "ts", "AttributeType": "N"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "ts", "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        stream = table["TableDescription"]["LatestStreamArn"]
        yield Aws(boto3.client("sqs"), urls, dynamodb, stream)


def run(command: str, *more: str) -> int:
    return main([command, "--stack", STACK, *more])


def test_the_list_counts_by_type_and_takes_nothing(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.put("DeadJobsQueue", TICK, TICK, ACTION)
    aws.put("DeadCommitsQueue", "{}")

    for _ in range(2):
        run("list")

    told = "     1 action\n     1 commits\n     2 tick\n"
    assert capsys.readouterr().out == told * 2


def test_jobs_go_back_to_the_queue_that_each_came_from(aws: Aws) -> None:
    aws.put("DeadJobsQueue", TICK, ACTION, *[TICK] * 12)

    assert run("replay") == 0

    assert aws.take("WakesQueue") == [TICK] * 13
    assert aws.take("JobsQueue") == [ACTION]
    assert aws.take("DeadJobsQueue") == []


def test_commits_are_looked_up_in_the_stream_and_sent_as_a_job(aws: Aws) -> None:
    aws.commit(11, 12, 13, 14)
    aws.put("DeadCommitsQueue", aws.given_up(12, 13))

    assert run("replay", "--only", "commits") == 0

    (job,) = aws.take("WakesQueue")
    assert json.loads(job) == {"type": "commits", "first": 12, "last": 13}
    assert aws.take("DeadCommitsQueue") == []


def test_commits_that_the_stream_has_let_go_are_dropped_and_told(aws: Aws) -> None:
    aws.commit(1)
    aws.put("DeadCommitsQueue", aws.given_up(1, 1))
    queues = Queues(STACK)

    with Stubber(queues._streams) as streams:
        streams.add_client_error("get_shard_iterator", "TrimmedDataAccessException")
        done = replay(queues, ["commits"])

    assert done == {"commits that the stream has let go, dropped": 1}
    assert (aws.take("WakesQueue"), aws.take("DeadCommitsQueue")) == ([], [])


def test_commits_stay_when_the_stream_does_not_answer(aws: Aws) -> None:
    aws.commit(1)
    aws.put("DeadCommitsQueue", aws.given_up(1, 1))
    queues = Queues(STACK)

    with Stubber(queues._streams) as streams:
        streams.add_client_error("get_shard_iterator", "InternalServerError")
        with pytest.raises(ClientError):
            replay(queues, ["commits"])

    assert aws.take("WakesQueue") == []


def test_what_cannot_be_read_stays_and_holds_up_no_other(
    aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.put("DeadJobsQueue", "no JSON", "[1]", TICK)
    aws.put("DeadCommitsQueue", "{}")

    assert run("replay") == 1

    assert "     3 unreadable, left there" in capsys.readouterr().out
    assert aws.take("WakesQueue") == [TICK]
    assert aws.take("DeadJobsQueue") == ["[1]", "no JSON"]
    assert aws.take("DeadCommitsQueue") == ["{}"]


def test_a_purge_throws_away_what_it_was_told_to(aws: Aws) -> None:
    aws.put("DeadJobsQueue", TICK)
    aws.put("DeadCommitsQueue", "{}")

    run("purge", "--only", "jobs")

    assert aws.take("DeadJobsQueue") == []
    assert aws.take("DeadCommitsQueue") == ["{}"]


def test_nothing_given_up_is_said(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    assert (run("list"), aws.take("JobsQueue")) == (0, [])
    assert capsys.readouterr().out == "nothing was given up\n"


def test_a_replayed_commit_wakes_who_has_not_seen_it() -> None:
    trial = Trial()
    socket = trial.socket().begin().watch(0, "items:list", group="a")
    trial.mutate("items:add", group="a", label="x")
    head = trial.engine.head()
    job = json.dumps({"type": "commits", "first": head, "last": head})

    _do(trial.engine, job)

    assert socket.seen() == {0: ["x"]}


def _do(engine: Backend, job: str) -> None:
    engine.job(job.encode())
