"""A table as a place for items: the calls that sessions and subscriptions are made of."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.adapters.dynamodb.usage import Attribute, Item
from chalicelib.engine.ports import Clock

Attributes = dict[str, Attribute]
"""The attributes of an item, or its key, while they are put together."""

_KEEP_S: Final = 7 * 24 * 60 * 60
"""How long an item is kept after it was written, in seconds.

API Gateway ends a connection after two hours, so nothing of one is needed after a week, and
what a crash left behind may go then.
"""

_WRITES_A_CALL: Final = 25
_READS_A_CALL: Final = 100
_FIRST_WAIT_MS: Final = 20
_LAST_WAIT_MS: Final = 2_000

_Request = dict[str, dict[str, Item]]
T = TypeVar("T")


def put_of(item: Item) -> _Request:
    """Ask for one item to be put, in :meth:`ItemTable.write`."""
    return {"PutRequest": {"Item": item}}


def delete_of(key: Item) -> _Request:
    """Ask for one item to be deleted, in :meth:`ItemTable.write`."""
    return {"DeleteRequest": {"Key": key}}


class ItemTable:
    """A table with keys ``pk`` and ``sk`` whose items go by themselves at ``expires_s``."""

    def __init__(self, client: DynamoClient, name: str, clock: Clock) -> None:
        self._client, self._name, self._clock = client, name, clock

    def expiry(self) -> Attributes:
        """The attribute that lets an item that is written now go by itself."""
        return {"expires_s": {"N": str(int(self._clock.now_ms() / 1000) + _KEEP_S)}}

    def put(self, item: Item, *, once: bool = False) -> None:
        """Put one item; ``once``, it is not tried again unless it was surely not put."""
        self._client.put(self._name, item, once=once)

    def get(self, key: Item) -> Item:
        """Read one item; empty if it is absent."""
        return self._client.get(self._name, key) or {}

    def delete(self, key: Item) -> Item:
        """Delete one item and return it; empty if it was absent."""
        answer = self._client.raw.delete_item(
            TableName=self._client.table(self._name), Key=key, ReturnValues="ALL_OLD"
        )
        item: Item = answer.get("Attributes", {})
        return item

    def update(
        self, key: Item, changes: str, condition: str | None, given: Item
    ) -> tuple[Item, bool]:
        """Update one item if ``condition`` holds; each value of ``given`` is ``:name`` there.

        Returns:
            The new item and True; or the item as it is, empty if there is none, and False.
        """
        values = {f":{name}": value for name, value in given.items()}
        try:
            item = self._client.update(
                self._name, key, changes, values, condition=condition
            )
        except ConditionFailed as refused:
            return refused.item or {}, False
        return item, True

    def query(
        self, partition: Attribute, prefix: str = "", *, consistent: bool = True
    ) -> Iterator[Item]:
        """Read all items of a partition whose sort key begins with ``prefix``."""
        condition, values = "pk = :pk", {":pk": partition}
        if prefix:
            condition += " AND begins_with(sk, :prefix)"
            values[":prefix"] = {"S": prefix}
        start: Item | None = None
        while True:
            items, start = self._client.query(
                self._name, condition, values, start=start, consistent=consistent
            )
            yield from items
            if start is None:
                return

    def query_together(
        self, partitions: Iterable[Attribute], *, consistent: bool
    ) -> list[list[Item]]:
        """Read all items of several partitions at the same time."""

        def reading(partition: Attribute) -> Callable[[], list[Item]]:
            return lambda: list(self.query(partition, consistent=consistent))

        return self._client.together([reading(partition) for partition in partitions])

    def beside(self, call: Callable[[], T], own: Callable[[], None]) -> T:
        """Make a call while ``own`` is done in this thread."""
        return self._client.beside(call, own)

    def read(self, keys: Iterable[Item], *, consistent: bool) -> Iterator[Item]:
        """Read items by their keys, which must differ; in any order, absent ones left out.

        Not ``consistent`` costs half, and may miss what was written a moment ago.
        """
        table = self._client.table(self._name)
        for some in _chunks(keys, _READS_A_CALL):
            for left in self._until_done(some):
                asked = {table: {"Keys": left, "ConsistentRead": consistent}}
                answer = self._client.raw.batch_get_item(RequestItems=asked)
                yield from answer["Responses"].get(table, ())
                left[:] = answer["UnprocessedKeys"].get(table, {}).get("Keys", ())

    def write(self, requests: Iterable[_Request]) -> None:
        """Perform requests, 25 a call. No two may name one item."""
        table = self._client.table(self._name)
        for some in _chunks(requests, _WRITES_A_CALL):
            for left in self._until_done(some):
                answer = self._client.raw.batch_write_item(RequestItems={table: left})
                left[:] = answer["UnprocessedItems"].get(table, ())

    def _until_done(self, left: list[Any]) -> Iterator[list[Any]]:
        """Give out ``left`` until the loop's body has emptied it, waiting in between.

        DynamoDB leaves parts of a batch undone under load, and asks for patience.
        """
        wait_ms = _FIRST_WAIT_MS
        yield left
        while left:
            self._clock.wait_ms(wait_ms)
            wait_ms = min(wait_ms * 2, _LAST_WAIT_MS)
            yield left


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some
