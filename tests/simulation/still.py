"""DynamoDB inside the process, in which nothing goes wrong: for many tests of little cost.

The adapter over it is the real one, down to its expressions. What the platform may do with
nothing wrong, it does: pages end early, and calls that are made together are done in any order.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from threading import Lock
from typing import Any

from typing_extensions import override

from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from tests.simulation.dynamo import Tables, TornDynamo
from tests.simulation.expressions import Item, condition, plain
from tests.simulation.faults import HABITS
from tests.simulation.profiles import CALM
from tests.simulation.world import World

_RANGE = re.compile(r" AND \w+ (>=|>|<=|BETWEEN) (:\w+)(?: AND (:\w+))?$")
"""The part of a key condition that bounds the sort key."""


class StillDynamo(TornDynamo):
    """A client of tables of its own, which nobody writes between two items of a read.

    Safe under threads.
    """

    def __init__(self, seed: int = 0) -> None:
        world = World(seed, CALM)
        super().__init__(world, Tables(world))
        self._lock = Lock()

    @override
    def query(
        self,
        table: str,
        condition: str,
        values: Item,
        *,
        reverse: bool = False,
        limit: int | None = None,
        start: Item | None = None,
        consistent: bool = True,
    ) -> tuple[list[Item], Item | None]:
        """Read one page of what there is."""
        keys = self._between(table, condition, values)
        if start is not None:
            after = self._tables.key(table, start)[1]
            keys = (
                keys[: bisect_left(keys, after)]
                if reverse
                else keys[bisect_right(keys, after) :]
            )
        matching = self._matches(table, condition, values, keys[:: -1 if reverse else 1])
        most = limit if limit is None else self._length(limit)
        items = list(islice(matching, most))
        return items, items[-1] if items and len(items) == most else None

    def _length(self, limit: int) -> int:
        """How many items a page has at most: it may end before its limit."""
        shortened = self._world.chance(HABITS.short_page)
        return self._world.random.randint(1, limit) if shortened else limit

    def _between(self, table: str, condition: str, values: Item) -> list[Any]:
        """The sort keys that a condition can hold for; the condition itself is tested after."""
        keys = self._tables.sort_keys(table, plain(values[condition.split(" ")[2]]))
        if found := _RANGE.search(condition):
            operator, first, second = found.groups()
            if operator != "<=":
                keys = keys[bisect_left(keys, plain(values[first])) :]
            if operator in ("<=", "BETWEEN"):
                keys = keys[: bisect_right(keys, plain(values[second or first]))]
        return keys

    def _matches(
        self, table: str, text: str, values: Item, keys: list[Any]
    ) -> Iterator[Item]:
        holds, partition = condition(text), plain(values[text.split(" ")[2]])
        for key in keys:
            item = self._tables.get(table, (partition, key))
            if item is not None and holds(item, values):
                yield item

    @override
    def _write(self, effect: Callable[[], Item], *, once: bool) -> Item:
        with self._lock:
            return effect()


def still_log(tables: StillDynamo | None = None, log: str = "main") -> DynamoPersistence:
    """A log in these tables, or in some of its own."""
    client: Any = tables or StillDynamo()
    return DynamoPersistence(client, log)
