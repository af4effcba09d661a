"""What was given up: ``python -m infra.dead_letters list --stack geoflow-dev``.

``list`` tells what lies in the queues of dead commits and dead jobs. ``replay`` brings it back, and
``purge`` throws it away. ``--only commits`` or ``--only jobs`` does one of the two. Whoever runs it
needs ``cloudformation:DescribeStackResource``, the right to receive from and delete in the two dead
queues and to send to the two living ones, and for commits to read the log's stream.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import boto3
from botocore.exceptions import ClientError

WAKING: Final = frozenset({"look", "wake", "tick", "commits"})
"""Types of jobs that the queue of wakes takes; all others are for the queue of jobs."""

HELD_S: Final = 120
"""How long a message that was read is hidden from others, in seconds."""

TOO_OLD: Final = ("TrimmedDataAccessException", "ResourceNotFoundException")
"""Answers of a stream that no longer has a record: it keeps them for a day."""

PAGES: Final = 20
"""Pages of a shard that are read in search of a batch."""

UNREADABLE: Final = "unreadable"
LEFT: Final = "unreadable, left there"

Message = dict[str, Any]


class Queues:
    """The queues of one deployment, by their logical names in ``app.merge.yaml``."""

    def __init__(self, stack: str) -> None:
        """Find the queues of a stack of the app."""
        self._stack = stack
        self._cloudformation = boto3.client("cloudformation")
        self._sqs = boto3.client("sqs")
        self._streams = boto3.client("dynamodbstreams")
        self._urls: dict[str, str] = {}

    def messages(self, queue: str) -> Iterator[Message]:
        """Read what lies in a queue, each message once; it stays there, hidden for a while."""
        seen: set[str] = set()
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url(queue),
                MaxNumberOfMessages=10,
                VisibilityTimeout=HELD_S,
                WaitTimeSeconds=1,
            )
            messages: Sequence[Any] = answer.get("Messages", ())
            found = [message for message in messages if message["MessageId"] not in seen]
            if not found:
                return
            seen.update(message["MessageId"] for message in found)
            yield from found

    def send(self, queue: str, body: str) -> None:
        """Send one message."""
        self._sqs.send_message(QueueUrl=self._url(queue), MessageBody=body)

    def delete(self, queue: str, message: Message) -> None:
        """Delete a message that was read."""
        handle = message["ReceiptHandle"]
        self._sqs.delete_message(QueueUrl=self._url(queue), ReceiptHandle=handle)

    def give_back(self, queue: str, message: Message) -> None:
        """Let others see a message that was read."""
        self._sqs.change_message_visibility(
            QueueUrl=self._url(queue),
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=0,
        )

    def positions(self, batch: Message) -> list[int]:
        """The positions in the log of a batch that was given up; none if it is too old."""
        try:
            place = self._streams.get_shard_iterator(
                StreamArn=batch["streamArn"],
                ShardId=batch["shardId"],
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=batch["startSequenceNumber"],
            )
            changes = self._read(place.get("ShardIterator"), batch["batchSize"])
        except ClientError as error:
            if error.response["Error"]["Code"] in TOO_OLD:
                return []
            raise
        last = int(batch["endSequenceNumber"])
        within = [change for change in changes if int(change["SequenceNumber"]) <= last]
        return [int(change["Keys"]["ts"]["N"]) for change in within]

    def _read(self, iterator: str | None, count: int) -> list[Any]:
        """Read ``count`` changes of a shard; a page of a stream may be empty before its end."""
        found: list[Any] = []
        for _ in range(PAGES):
            if iterator is None or len(found) >= count:
                break
            page = self._streams.get_records(ShardIterator=iterator, Limit=count)
            found += [record["dynamodb"] for record in page["Records"]]
            iterator = page.get("NextShardIterator")
        return found

    def _url(self, queue: str) -> str:
        if queue not in self._urls:
            found = self._cloudformation.describe_stack_resource(
                StackName=self._stack, LogicalResourceId=queue
            )
            self._urls[queue] = found["StackResourceDetail"]["PhysicalResourceId"]
        return self._urls[queue]


def list_all(queues: Queues, which: Sequence[str]) -> Counter[str]:
    """Count what lies there: ``commits``, and jobs by their types."""
    found: Counter[str] = Counter()
    for name in which:
        for message in list(queues.messages(DEAD[name])):
            queues.give_back(DEAD[name], message)
            found["commits" if name == "commits" else _type(message)] += 1
    return found


def replay(queues: Queues, which: Sequence[str]) -> Counter[str]:
    """Bring everything back that can be read; count what was, and what is left or too old.

    A message is sent before it is deleted: whoever is interrupted leaves it, to come twice.
    """
    done: Counter[str] = Counter()
    for name in which:
        one, left = _replay_commits if name == "commits" else _replay_job, []
        for message in queues.messages(DEAD[name]):
            outcome = one(queues, message)
            done[outcome] += 1
            if outcome == LEFT:
                left.append(message)
            else:
                queues.delete(DEAD[name], message)
        # Only now: given back at once, they would be read again in place of others.
        for message in left:
            queues.give_back(DEAD[name], message)
    return done


def _replay_job(queues: Queues, message: Message) -> str:
    kind = _type(message)
    if kind == UNREADABLE:
        return LEFT
    queues.send("WakesQueue" if kind in WAKING else "JobsQueue", message["Body"])
    return kind


def _replay_commits(queues: Queues, message: Message) -> str:
    """Have the sessions woken that read what the commits of a batch wrote.

    Only that: their rows were applied by whoever came after (docs/hazards.md A5).
    """
    try:
        positions = queues.positions(json.loads(message["Body"])["DDBStreamBatchInfo"])
    except (ValueError, KeyError, TypeError):
        return LEFT
    if not positions:
        return "commits that the stream has let go, dropped"
    job = {"type": "commits", "first": min(positions), "last": max(positions)}
    queues.send("WakesQueue", json.dumps(job))
    return "commits"


def purge(queues: Queues, which: Sequence[str]) -> Counter[str]:
    """Delete everything; count it."""
    done: Counter[str] = Counter()
    for name in which:
        for message in queues.messages(DEAD[name]):
            queues.delete(DEAD[name], message)
            done["commits" if name == "commits" else _type(message)] += 1
    return done


def _type(message: Message) -> str:
    try:
        return str(json.loads(message["Body"])["type"])
    except (ValueError, KeyError, TypeError):
        return UNREADABLE


DEAD: Final = {"commits": "DeadCommitsQueue", "jobs": "DeadJobsQueue"}
COMMANDS: Final = {"list": list_all, "replay": replay, "purge": purge}


def main(arguments: Sequence[str]) -> int:
    """Do what was asked for; return 1 if something could not be read."""
    parser = argparse.ArgumentParser(prog="python -m infra.dead_letters")
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--only", choices=[*DEAD], help="one of the two queues")
    parser.add_argument("--stack", required=True, help="the stack of the app")
    options = parser.parse_args(arguments)
    which = [options.only] if options.only else [*DEAD]
    counts = COMMANDS[options.command](Queues(options.stack), which)
    for what, count in sorted(counts.items()):
        sys.stdout.write(f"{count:6} {what}\n")
    if not counts:
        sys.stdout.write("nothing was given up\n")
    return int(any(what.startswith(UNREADABLE) for what in counts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
