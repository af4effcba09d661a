"""DynamoDB as the adapters see it: single items are atomic, and nothing else is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.engine.errors import OutcomeUnknown, StorageUnavailable
from tests.simulation.expressions import Item, condition, plain, update
from tests.simulation.faults import EXPIRED_MS, HABITS
from tests.simulation.world import World

T = TypeVar("T")
Key = tuple[Any, Any]

SORT_KEYS = {  # of a table without one: its only key
    "log": "ts",
    "rows": "sk",
    "chunks": "n",
    "sessions": "sk",
    "subscriptions": "sk",
    "rates": "pk",
}
LAG_MS = 400.0
"""How old, at most, what an eventually consistent read returns may be."""


class Tables:
    """All items of all tables, and what each was before it was last changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: dict[str, dict[Any, dict[Any, Item]]] = {t: {} for t in SORT_KEYS}
        self._before: dict[tuple[str, Key], tuple[float, Item | None]] = {}
        self.put_seen: dict[str, Callable[[Item], None]] = {}
        """Who hears of items that are put into a table."""

    def key(self, table: str, item: Item) -> Key:
        """The primary key of an item."""
        return plain(item["pk"]), plain(item[SORT_KEYS[table]])

    def get(self, table: str, key: Key) -> Item | None:
        """The item as it is."""
        return self._items[table].get(key[0], {}).get(key[1])

    def get_perhaps_old(self, table: str, key: Key) -> Item | None:
        """The item as it is, or as it was a moment ago."""
        changed_ms, before = self._before.get((table, key), (0.0, None))
        if changed_ms > self._world.now_ms - LAG_MS and self._world.chance(HABITS.old_read):
            return before
        return self.get(table, key)

    def set(self, table: str, key: Key, item: Item | None) -> None:
        """Write or delete one item."""
        partition = self._items[table].setdefault(key[0], {})
        self._before[table, key] = self._world.now_ms, partition.get(key[1])
        if item is None:
            partition.pop(key[1], None)
        else:
            partition[key[1]] = item
            if (seen := self.put_seen.get(table)) is not None:
                seen(item)

    def sort_keys(self, table: str, partition: Any) -> list[Any]:
        """The sort keys of a partition, in order."""
        return sorted(self._items[table].get(partition, ()))

    def all(self, table: str) -> Iterator[Item]:
        """Every item of a table."""
        for partition in self._items[table].values():
            yield from partition.values()


class TornDynamo:
    """A client of those tables: slow, torn across items, and not always answered."""

    def __init__(self, world: World, tables: Tables) -> None:
        self._world, self._tables = world, tables
        self.raw = _Raw(world, tables)

    def table(self, name: str) -> str:
        """The name itself."""
        return name

    def get(self, table: str, key: Item) -> Item | None:
        """Read one item."""
        self._world.pause()
        found = self._tables.get(table, self._tables.key(table, key))
        self._world.pause()
        return found

    def get_all(self, table: str, keys: Sequence[Item]) -> list[Item]:
        """Read items by their keys; what is left undone is asked for again."""
        found, left = list[Item](), list(keys)
        while left:
            asked = {table: {"Keys": left, "ConsistentRead": True}}
            answer = self.raw.batch_get_item(RequestItems=asked)
            found += answer["Responses"][table]
            left = answer["UnprocessedKeys"].get(table, {}).get("Keys", [])
        return found

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
        """Read one page: what is written meanwhile may be in it, or may not."""
        world = self._world
        world.pause()
        found = {k: i for k, i in self._matching(table, condition, values) if world.step()}
        if world.chance(HABITS.slow_page):
            world.sleep(world.between((0, 20)))
        for key, item in self._matching(table, condition, values):
            if key not in found and world.chance(0.5):
                found[key] = item
        if start is not None:
            after = self._tables.key(table, start)[1]
            found = {
                k: i for k, i in found.items() if (k < after if reverse else k > after)
            }
        if not consistent:
            found = self._perhaps_old(table, plain(values[condition.split(" ")[2]]), found)
        keys = sorted(found, reverse=reverse)
        length = len(keys) if limit is None else min(limit, len(keys))
        if length and world.chance(HABITS.short_page):
            length = world.random.randint(1, length)
        world.pause()
        page = [found[key] for key in keys[:length]]
        return page, page[-1] if length < len(keys) or (page and length == limit) else None

    def _perhaps_old(
        self, table: str, partition: Any, found: Mapping[Any, Item]
    ) -> dict[Any, Item]:
        read = {k: self._tables.get_perhaps_old(table, (partition, k)) for k in found}
        return {key: item for key, item in read.items() if item is not None}

    def _matching(self, table: str, text: str, values: Item) -> Iterator[tuple[Any, Item]]:
        holds = condition(text)
        partition = plain(values[text.split(" ")[2]])
        for key in self._tables.sort_keys(table, partition):
            item = self._tables.get(table, (partition, key))
            if item is not None and holds(item, values):
                yield key, item

    def put(
        self,
        table: str,
        item: Item,
        *,
        condition: str | None = None,
        values: Item | None = None,
        once: bool = False,
    ) -> None:
        """Write one item if the condition holds."""
        key = self._tables.key(table, item)
        self._write(
            lambda: self._change(table, key, condition, values, lambda _: item), once=once
        )

    def update(
        self,
        table: str,
        key: Item,
        expression: str,
        values: Item,
        *,
        condition: str | None = None,
        once: bool = False,
    ) -> Item:
        """Change one item if the condition holds."""

        def changed(old: Item) -> Item:
            new = {**key, **old}
            for change in update(expression):
                change(new, old, values)
            return new

        place = self._tables.key(table, key)
        return self._write(
            lambda: self._change(table, place, condition, values, changed), once=once
        )

    def delete(
        self,
        table: str,
        key: Item,
        *,
        condition: str | None = None,
        values: Item | None = None,
    ) -> None:
        """Remove one item if the condition holds."""
        place = self._tables.key(table, key)
        self._write(
            lambda: self._change(table, place, condition, values, lambda _: None),
            once=False,
        )

    def scan(
        self, table: str, names: Sequence[str], *, limit: int, start: Item | None = None
    ) -> tuple[list[Item], Item | None]:
        """Read all items, in no order."""
        self._world.pause()
        found = [{n: i[n] for n in names if n in i} for i in self._tables.all(table)]
        self._world.pause()
        return found, None

    def _change(
        self,
        table: str,
        key: Key,
        test: str | None,
        values: Item | None,
        changed: Callable[[Item], Item | None],
    ) -> Item:
        old = self._tables.get(table, key)
        if test is not None and not condition(test)(old or {}, values or {}):
            raise ConditionFailed(old)
        new = changed(old or {})
        self._tables.set(table, key, new)
        return new or {}

    def _write(self, effect: Callable[[], Item], *, once: bool) -> Item:
        """Write; an answer that is lost leaves it open, or has it done a second time."""
        world = self._world
        signed_ms = world.now_ms
        world.pause()
        if world.now_ms - signed_ms > EXPIRED_MS:
            raise StorageUnavailable("simulated")
        if world.strikes("lost_put"):
            if once:
                if world.chance(HABITS.put_lands):
                    world.at(world.between((0, 800)), lambda: _try(effect))
                world.pause(errors=False)
                raise OutcomeUnknown("simulated")
            # Sent twice: the first try lands before the second, or long after it.
            if world.chance(HABITS.put_late):
                world.at(world.between((0, 2000)), lambda: _try(effect))
            else:
                _try(effect)
        try:
            return effect()
        finally:
            world.pause(errors=not once)

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """Make several calls, in any order."""
        return self._world.together(calls)

    def beside(self, call: Callable[[], T], own: Callable[[], None]) -> T:
        """Make a call before or after ``own``."""
        return self._world.beside(call, own)


class _Raw:
    """The calls of botocore's client that the adapters make themselves."""

    def __init__(self, world: World, tables: Tables) -> None:
        self._world, self._tables = world, tables

    def delete_item(self, **clauses: Any) -> Item:
        """Delete one item, and return it."""
        table, key = clauses["TableName"], clauses["Key"]
        self._world.pause()
        place = self._tables.key(table, key)
        old = self._tables.get(table, place)
        self._tables.set(table, place, None)
        self._world.pause()
        return {"Attributes": old} if old is not None else {}

    def batch_get_item(self, **clauses: Any) -> Item:
        """Read some of the items that were asked for."""
        self._world.pause()
        ((table, asked),) = clauses["RequestItems"].items()
        read = self._tables.get if asked["ConsistentRead"] else self._tables.get_perhaps_old
        keys = list(asked["Keys"])
        left = (
            [keys.pop()] if len(keys) > 1 and self._world.chance(HABITS.unprocessed) else []
        )
        items = [
            read(table, self._tables.key(table, k)) for k in keys if self._world.step()
        ]
        self._world.pause()
        return {
            "Responses": {table: [item for item in items if item is not None]},
            "UnprocessedKeys": {table: {"Keys": left}} if left else {},
        }

    def batch_write_item(self, **clauses: Any) -> Item:
        """Do some of the requests, one by one, in any order."""
        self._world.pause()
        ((table, requests),) = clauses["RequestItems"].items()
        rest = list(requests)
        self._world.random.shuffle(rest)
        left = (
            [rest.pop()] if len(rest) > 1 and self._world.chance(HABITS.unprocessed) else []
        )
        for request in rest:
            self._world.sleep(self._world.between((0, 1)))
            if "PutRequest" in request:
                item = request["PutRequest"]["Item"]
                self._tables.set(table, self._tables.key(table, item), item)
            else:
                key = self._tables.key(table, request["DeleteRequest"]["Key"])
                self._tables.set(table, key, None)
        self._world.pause()
        return {"UnprocessedItems": {table: left} if left else {}}


def _try(effect: Callable[[], Item]) -> None:
    with suppress(ConditionFailed):
        effect()
