"""What calls of DynamoDB cost, by the rules of its price list.

Emulators answer wrong capacities, and AWS answers them only when asked, so they are
computed from the sizes of items. Where the size of a replaced item is not known, it is
taken to be that of the new one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, local
from typing import Any, Final

import msgspec

Attribute = dict[str, Any]
"""A value as the API writes it: ``{"S": "text"}``, ``{"N": "1"}``, ``{"B": b"…"}``."""

Item = Mapping[str, Attribute]
"""The attributes of an item, or of a key, by name."""

READ_UNIT_BYTES: Final = 4096
"""Bytes that one strongly consistent read request unit covers.

Source: DynamoDB developer guide, "Read and write capacity".
"""

WRITE_UNIT_BYTES: Final = 1024
"""Bytes that one write request unit covers. Source: as above."""

_CONTAINER_BYTES: Final = 3


class Spent(msgspec.Struct, frozen=True):
    """Request units, and how often DynamoDB was asked.

    ``round_trips`` counts calls that were made together as one, ``calls`` each.
    """

    round_trips: int = 0
    calls: int = 0
    rru: float = 0
    wru: float = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.round_trips + other.round_trips,
            self.calls + other.calls,
            self.rru + other.rru,
            self.wru + other.wru,
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(
            self.round_trips - other.round_trips,
            self.calls - other.calls,
            self.rru - other.rru,
            self.wru - other.wru,
        )


class Usage:
    """Adds up what the calls of the botocore clients cost that it watches."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._spent = Spent()
        self._operations: Counter[str] = Counter()
        self._place = local()

    def spent(self) -> Spent:
        """Everything so far; subtract two of these to see what something cost."""
        return self._spent

    def operations(self) -> dict[str, int]:
        """How often each operation was called, by its name in the API."""
        with self._lock:
            return dict(self._operations)

    def watch(self, client: Any) -> None:
        """Count the calls of a botocore client of DynamoDB from now on."""
        events = client.meta.events
        events.register("before-parameter-build.dynamodb", self._begin)
        events.register("after-call.dynamodb", self._end)
        events.register("after-call-error.dynamodb", self._end_unanswered)

    def together(self) -> None:
        """Count one round trip, for calls that are made :meth:`alongside` each other."""
        self._add(Spent(round_trips=1))

    @contextmanager
    def alongside(self) -> Iterator[None]:
        """Count no round trips for what this thread calls in the block."""
        self._place.alongside = True
        try:
            yield
        finally:
            self._place.alongside = False

    def _begin(self, params: Mapping[str, Any], context: Any, **_others: Any) -> None:
        context["usage.parameters"] = dict(params)

    def _end(
        self, model: Any, parsed: Mapping[str, Any], context: Any, **_others: Any
    ) -> None:
        units = _UNITS.get(model.name, _no_units)(context["usage.parameters"], parsed)
        alone = not getattr(self._place, "alongside", False)
        self._add(Spent(round_trips=int(alone), calls=1) + units)
        with self._lock:
            self._operations[model.name] += 1

    def _end_unanswered(self, context: Any, **_others: Any) -> None:
        alone = not getattr(self._place, "alongside", False)
        self._add(Spent(round_trips=int(alone), calls=int("usage.parameters" in context)))

    def _add(self, spent: Spent) -> None:
        with self._lock:
            self._spent += spent


def read_units(items: Iterable[Item], *, consistent: bool = True) -> float:
    """Units of one read of ``items``: a get of one, or a query of many."""
    units = max(1, -(-sum(map(item_bytes, items)) // READ_UNIT_BYTES))
    return units if consistent else units / 2


def write_units(item: Item) -> int:
    """Units of one write of ``item``, whether it succeeds or its condition fails."""
    return max(1, -(-item_bytes(item) // WRITE_UNIT_BYTES))


def item_bytes(item: Item) -> int:
    """Size of an item, names included, in bytes."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Attribute) -> int:
    ((kind, content),) = value.items()
    return _SIZES[kind](content)


def _number_bytes(text: str) -> int:
    significant = text.lstrip("-").replace(".", "").strip("0")
    return (len(significant) + 1) // 2 + 1 + text.startswith("-")


_SIZES: Final[dict[str, Callable[[Any], int]]] = {
    "S": lambda text: len(text.encode()),
    "B": len,
    "N": _number_bytes,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "L": lambda each: _CONTAINER_BYTES + sum(1 + _value_bytes(value) for value in each),
    "M": lambda fields: _CONTAINER_BYTES + len(fields) + item_bytes(fields),
    "SS": lambda texts: sum(len(text.encode()) for text in texts),
    "NS": lambda numbers: sum(map(_number_bytes, numbers)),
    "BS": lambda parts: sum(map(len, parts)),
}

_Parameters = Mapping[str, Any]
_Answer = Mapping[str, Any]


def _no_units(_asked: _Parameters, _answer: _Answer) -> Spent:
    return Spent()


def _of_get(asked: _Parameters, answer: _Answer) -> Spent:
    consistent = asked.get("ConsistentRead", False)
    return Spent(rru=read_units([answer.get("Item", {})], consistent=consistent))


def _of_query(asked: _Parameters, answer: _Answer) -> Spent:
    consistent = asked.get("ConsistentRead", False)
    return Spent(rru=read_units(answer.get("Items", ()), consistent=consistent))


def _of_put(asked: _Parameters, _answer: _Answer) -> Spent:
    return Spent(wru=write_units(asked["Item"]))


def _of_change(asked: _Parameters, answer: _Answer) -> Spent:
    # An answer without the item leaves its key and what is being written.
    known = answer.get("Attributes") or answer.get("Item")
    written = asked["Key"] | asked.get("ExpressionAttributeValues", {})
    return Spent(wru=write_units(known or written))


def _of_batch_get(asked: _Parameters, answer: _Answer) -> Spent:
    rru = 0.0
    for table, request in asked["RequestItems"].items():
        found = answer.get("Responses", {}).get(table, [])
        consistent = request.get("ConsistentRead", False)
        rru += sum(read_units([item], consistent=consistent) for item in found)
        absent = len(request["Keys"]) - len(found)
        rru += absent * read_units([], consistent=consistent)
    return Spent(rru=rru)


def _of_batch_write(asked: _Parameters, _answer: _Answer) -> Spent:
    requests = [each for table in asked["RequestItems"].values() for each in table]
    return Spent(
        wru=sum(
            write_units(each["PutRequest"]["Item"] if "PutRequest" in each else {})
            for each in requests
        )
    )


def _of_transaction(asked: _Parameters, _answer: _Answer) -> Spent:
    wru = 0
    for action in asked["TransactItems"]:
        ((_, clauses),) = action.items()
        written = clauses.get("Item") or (
            clauses["Key"] | clauses.get("ExpressionAttributeValues", {})
        )
        wru += 2 * write_units(written)
    return Spent(wru=wru)


_UNITS: Final[dict[str, Callable[[_Parameters, _Answer], Spent]]] = {
    "GetItem": _of_get,
    "Query": _of_query,
    "Scan": _of_query,
    "PutItem": _of_put,
    "UpdateItem": _of_change,
    "DeleteItem": _of_change,
    "BatchGetItem": _of_batch_get,
    "BatchWriteItem": _of_batch_write,
    "TransactWriteItems": _of_transaction,
}
