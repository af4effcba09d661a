"""The line in DynamoDB: one partition of the table of sessions for each log.

The items are laid out in :class:`chalicelib.adapters.dynamodb.session_models.SessionItem`.
"""

from itertools import islice

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.leases import number
from chalicelib.adapters.dynamodb.session_items import (
    Attributes,
    ItemTable,
    delete_of,
    put_of,
)
from chalicelib.adapters.system import SystemClock
from chalicelib.engine.line import InLine
from chalicelib.engine.ports import Clock

_PLACE = "at#"
_LEASE = "lease"


class DynamoLine:
    """Who waits is an item each, sorted by place; the lease is one beside them."""

    def __init__(self, client: DynamoClient, log: str, clock: Clock | None = None) -> None:
        self._table = ItemTable(client, "sessions", clock or SystemClock())
        self._partition = f"line#{log}"

    def join(self, waiting: InLine, *left: str) -> None:
        """Stand in line, in the call in which other places are left."""
        item: Attributes = {
            **self._key(_PLACE + waiting.place),
            "body": {"B": waiting.body},
            **self._table.expiry(),
        }
        if left:
            places = map(self._key, (_PLACE + place for place in left))
            self._table.write([put_of(item), *map(delete_of, places)])
        else:
            self._table.put(item)

    def waiting(self, limit: int) -> list[InLine]:
        """Read who stands in line, the first ones first."""
        items = self._table.query({"S": self._partition}, _PLACE)
        return [
            InLine(item["sk"]["S"].removeprefix(_PLACE), item["body"]["B"])
            for item in islice(items, limit)
        ]

    def holds(self, place: str) -> bool:
        """Tell whether somebody stands at ``place``."""
        return bool(self._table.get(self._key(_PLACE + place)))

    def leave(self, *places: str) -> None:
        """Leave the line, 25 in a call."""
        self._table.write(delete_of(self._key(_PLACE + place)) for place in places)

    def take(self, owner: str, *, now_ms: float, deadline_ms: float) -> bool:
        """Take the lease if it is free, or has expired, in one update."""
        given: Attributes = {
            "owner": {"S": owner},
            "now": number(now_ms),
            "deadline": number(deadline_ms),
        }
        free = "attribute_not_exists(lease_owner) OR deadline_ms <= :now OR lease_owner = :owner"
        changes = "SET lease_owner = :owner, deadline_ms = :deadline"
        return self._table.update(self._key(_LEASE), changes, free, given)[1]

    def give_back(self, owner: str) -> None:
        """Give the lease back, if ``owner`` still has it."""
        changes = "REMOVE lease_owner, deadline_ms"
        self._table.update(
            self._key(_LEASE), changes, "lease_owner = :owner", {"owner": {"S": owner}}
        )

    def _key(self, place: str) -> Attributes:
        return {"pk": {"S": self._partition}, "sk": {"S": place}}
