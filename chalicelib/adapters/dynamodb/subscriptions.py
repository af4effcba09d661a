"""Subscriptions in DynamoDB: a partition for each index and prefix, a row for each reader.

Rows carry the exact interval, so that a match wakes nobody who is not concerned. Partitions are
not sharded: each lookup of one that many read, such as a whole index without equality, costs
one read unit for every 30 or so of its readers.

For burials there is a list of what a connection added, one item for each call of ``add``. It
is cheaper than a second key for every row: one write unit a call, not two a row, and none to
remove a row. Rows that were removed since are still named there, and removed once more at the
burial; so are those that a crash, or a holder that did not know of its end, left.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import groupby
from typing import Final

import msgspec

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.session_items import (
    Attributes,
    ItemTable,
    delete_of,
    put_of,
)
from chalicelib.adapters.dynamodb.usage import Attribute, Item
from chalicelib.adapters.system import SystemClock
from chalicelib.engine.log import IndexKey
from chalicelib.engine.ports import Clock, Subscription, prefixes

_ROWS_A_LIST: Final = 200
"""Most rows that one item of a list names: a kilobyte each, while an item may have 400."""

_Row = tuple[bytes, str]
"""The partition key and the sort key of a subscription."""

_rows_decoder: Final = msgspec.msgpack.Decoder(list[_Row])


class DynamoSubscriptions:
    """The subscriptions to one log."""

    def __init__(
        self, client: DynamoClient, log: str = "main", clock: Clock | None = None
    ) -> None:
        self._log = log
        self._table = ItemTable(client, "subscriptions", clock or SystemClock())

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Record subscriptions, and that their connections have them, in one batch."""
        expiry = self._table.expiry()
        rows = {self._row(each): each for each in subscriptions}
        requests = [put_of(item | expiry) for item in _lists(rows)]
        for (partition, sort), each in rows.items():
            ends: Attributes = {"low": {"B": each.interval.low}}
            if each.interval.high is not None:
                ends["high"] = {"B": each.interval.high}
            requests.append(put_of(_key(partition, sort) | ends | expiry))
        self._table.write(requests)

    def remove(self, subscriptions: Sequence[Subscription]) -> None:
        """Forget subscriptions."""
        rows = {self._row(each) for each in subscriptions}
        self._table.write(delete_of(_key(*row)) for row in rows)

    def remove_all(self, connection: str) -> None:
        """Forget all rows that the connection's list names, then the list."""
        lists = list(self._table.query({"B": _list_partition(connection)}))
        rows = {row for item in lists for row in _rows_decoder.decode(item["listed"]["B"])}
        self._table.write(delete_of(_key(*row)) for row in rows)
        self._table.write(delete_of({"pk": item["pk"], "sk": item["sk"]}) for item in lists)

    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        """Look into the partitions of all prefixes of ``keys``, several at a time."""
        places: dict[bytes, list[bytes]] = {}
        for index, key in keys:
            for prefix in prefixes(key):
                places.setdefault(self._partition(index, prefix), []).append(key)
        partitions: list[Attribute] = [{"B": partition} for partition in places]
        readings = self._table.query_together(partitions, consistent=newest)
        return {
            item["sk"]["S"].rpartition("#")[0]
            for items, wanted in zip(readings, places.values(), strict=True)
            for item in items
            if any(_holds(item, key) for key in wanted)
        }

    def _row(self, subscription: Subscription) -> _Row:
        interval = subscription.interval
        ends = msgspec.msgpack.encode((interval.low, interval.high))
        sort = f"{subscription.connection}#{_digest(ends)}"
        return self._partition(interval.index, subscription.prefix), sort

    def _partition(self, index: int, prefix: bytes) -> bytes:
        return f"log#{self._log}#{index}#".encode() + prefix


def _holds(item: Item, key: bytes) -> bool:
    low: bytes = item["low"]["B"]
    return low <= key and ("high" not in item or key < item["high"]["B"])


def _lists(rows: dict[_Row, Subscription]) -> Iterator[Attributes]:
    """Name all rows of each connection in one item, or several."""

    def connection(row: _Row) -> str:
        return rows[row].connection

    for name, its in groupby(sorted(rows, key=connection), key=connection):
        named = list(its)
        for at in range(0, len(named), _ROWS_A_LIST):
            body = msgspec.msgpack.encode(named[at : at + _ROWS_A_LIST])
            yield _key(_list_partition(name), _digest(body)) | {"listed": {"B": body}}


def _key(partition: bytes, sort: str) -> Attributes:
    return {"pk": {"B": partition}, "sk": {"S": sort}}


def _list_partition(connection: str) -> bytes:
    return f"connection#{connection}".encode()


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=10).hexdigest()
