"""Plays Lambda's poller of a DynamoDB stream: each record once at least, in order."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from local.lambda_host import LambdaFunction, Outcome
from local.stream_records import Record, lambda_record, sequence_number

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

# Whatever the service answers, or an emulator in this process raises, the poller asks
# again: a poller that dies leaves every client without updates.
_logger = logging.getLogger(__name__)

BATCH: Final = 100
"""How many records a call gets at most."""

ATTEMPTS: Final = 5
"""How often a record that fails on its own is tried before it is given up."""

BACKOFF_S: Final = 0.05
"""Wait before the second attempt; it doubles from then on."""

DISCOVER_S: Final = 10.0
"""How often new shards are looked for when none has ended."""

REFRESH_POLLS: Final = 20
"""After so many empty polls a shard gets a new iterator.

moto forgets an iterator's table when a transaction fails: it then reads nothing, for ever.
"""

GiveUp = Callable[[Record], None]


@dataclass(slots=True)
class _Shard:
    shard_id: str
    parent_id: str | None
    start: Literal["LATEST", "TRIM_HORIZON"]
    iterator: str | None = None
    last_seen: str | None = None
    empty_polls: int = 0
    ended: bool = False


class StreamPoller:
    """Reads a DynamoDB stream and calls a function with its records.

    A batch that fails is halved until the record that fails is alone; after ``ATTEMPTS``
    it goes to ``give_up`` and the stream goes on. A handler may report part of a batch by
    ``batchItemFailures``.

    The client must be made with ``Config(account_id_endpoint_mode="disabled")``, or moto
    does not recognise its requests.
    """

    def __init__(
        self,
        function: LambdaFunction,
        *,
        client: "DynamoDBStreamsClient",
        stream_arn: str,
        give_up: GiveUp,
        poll_s: float = 0.05,
        from_start: bool = False,
    ) -> None:
        """Prepare to read.

        Args:
            function: is called with ``{"Records": [...]}``.
            client: reads the stream.
            stream_arn: which stream.
            give_up: is told of a record that fails for good.
            poll_s: how long to wait after finding nothing.
            from_start: begin with the oldest record, not with what comes from now on.
        """
        self._function, self._client, self._arn = function, client, stream_arn
        self._give_up, self._poll_s = give_up, poll_s
        self._shards: dict[str, _Shard] = {}
        self._from_start = from_start
        self._stopping = threading.Event()
        self._woken = threading.Event()

    def start(self) -> None:
        """Begin to read; what is written after this call is seen."""
        self._discover("TRIM_HORIZON" if self._from_start else "LATEST")
        name = f"stream-{self._function.name}"
        threading.Thread(target=self._poll, name=name, daemon=True).start()

    def stop(self) -> None:
        """Read no more. A call under way is left to itself."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Look at once: something was written."""
        self._woken.set()

    def _poll(self) -> None:
        polls_until_discovery = int(DISCOVER_S / self._poll_s)
        countdown = polls_until_discovery
        while not self._stopping.is_set():
            self._woken.clear()
            found = [self._read(shard) for shard in self._readable()]
            if not any(found):
                countdown -= 1
                self._woken.wait(self._poll_s)
            if countdown <= 0 or any(shard.ended for shard in self._shards.values()):
                countdown = polls_until_discovery
                self._discover("TRIM_HORIZON")

    def _readable(self) -> list[_Shard]:
        """Return the shards whose parents are read to the end: so items stay in order."""
        open_ids = {shard.shard_id for shard in self._shards.values() if not shard.ended}
        return [
            shard
            for shard in self._shards.values()
            if not shard.ended and shard.parent_id not in open_ids
        ]

    def _discover(self, start: Literal["LATEST", "TRIM_HORIZON"]) -> None:
        try:
            described = self._describe()
        except Exception:
            _logger.warning("cannot list the shards of %s", self._arn, exc_info=True)
            return
        for shard_id, parent_id in described.items():
            if shard_id not in self._shards:
                shard = _Shard(shard_id, parent_id, start)
                self._shards[shard_id] = shard
                self._renew(shard)
        # An ended shard that the stream does not list any more can be forgotten; one that
        # it does list must be remembered, or it would be read again.
        for shard_id in [*self._shards]:
            if shard_id not in described and self._shards[shard_id].ended:
                del self._shards[shard_id]

    def _describe(self) -> dict[str, str | None]:
        shards: dict[str, str | None] = {}
        last: dict[str, Any] = {}
        while True:
            page = self._client.describe_stream(StreamArn=self._arn, **last)
            description = page["StreamDescription"]
            for shard in description.get("Shards", []):
                shards[shard["ShardId"]] = shard.get("ParentShardId")
            if not description.get("LastEvaluatedShardId"):
                return shards
            last = {"ExclusiveStartShardId": description["LastEvaluatedShardId"]}

    def _renew(self, shard: _Shard) -> None:
        """Give a shard a new iterator, after the last record seen."""
        place: dict[str, Any] = {"ShardIteratorType": shard.start}
        if shard.last_seen is not None:
            place = {
                "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
                "SequenceNumber": shard.last_seen,
            }
        try:
            answer = self._client.get_shard_iterator(
                StreamArn=self._arn, ShardId=shard.shard_id, **place
            )
        except Exception:
            _logger.warning("cannot begin to read %s", self._arn, exc_info=True)
            shard.iterator = None
        else:
            shard.iterator = answer.get("ShardIterator")
        shard.empty_polls = 0

    def _read(self, shard: _Shard) -> bool:
        """Deliver the next records of a shard; tell whether there were any."""
        if shard.iterator is None:
            self._renew(shard)
        if shard.iterator is None:
            return False
        try:
            page = self._client.get_records(ShardIterator=shard.iterator, Limit=BATCH)
        except Exception as error:  # noqa: BLE001 - see _logger
            _logger.info("a new iterator for %s after %r", self._arn, error)
            shard.iterator = None
            return False
        records = [lambda_record(record, self._arn) for record in page["Records"]]
        self._deliver(records)
        shard.iterator = page.get("NextShardIterator")
        shard.ended = shard.iterator is None
        if records:
            shard.last_seen = sequence_number(records[-1])
            shard.empty_polls = 0
            return True
        shard.empty_polls += 1
        if shard.last_seen is not None and shard.empty_polls >= REFRESH_POLLS:
            self._renew(shard)
        return False

    def _deliver(self, records: Sequence[Record]) -> None:
        pending = [records] if records else []
        while pending and not self._stopping.is_set():
            batch = pending.pop()
            failed = self._call(batch)
            if len(failed) == 1:
                self._insist(failed[0])
            elif failed:
                half = len(failed) // 2
                pending += [failed[half:], failed[:half]]

    def _insist(self, record: Record) -> None:
        """Try a record that has failed on its own again and again, then give it up."""
        for attempt in range(ATTEMPTS - 1):
            if self._stopping.wait(BACKOFF_S * 2**attempt):
                return
            if not self._call([record]):
                return
        self._give_up(record)

    def _call(self, batch: Sequence[Record]) -> Sequence[Record]:
        """Call the function; return the records that it has not handled."""
        what = f"{len(batch)} records" if len(batch) > 1 else "1 record"
        outcome = self._function.attempt({"Records": list(batch)}, what=what)
        return batch[_handled(batch, outcome) :]


def _handled(batch: Sequence[Record], outcome: Outcome) -> int:
    """Return how many records at the start of a batch a call has handled."""
    if outcome.error is not None:
        return 0
    value = outcome.value if isinstance(outcome.value, dict) else {}
    failed = {failure["itemIdentifier"] for failure in value.get("batchItemFailures") or ()}
    for position, record in enumerate(batch):
        if sequence_number(record) in failed:
            return position
    return len(batch)
