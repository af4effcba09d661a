"""The adapters of DynamoDB over torn tables, as the simulation holds them."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from typing_extensions import override

from chalicelib.adapters.dynamodb.chunks import Chunks
from chalicelib.adapters.dynamodb.log_items import read_entries, read_rows, row_key
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.rates import DynamoRates
from chalicelib.adapters.dynamodb.session_items import ItemTable
from chalicelib.adapters.dynamodb.sessions import DynamoSessions
from chalicelib.adapters.dynamodb.subscriptions import DynamoSubscriptions
from chalicelib.engine.log import Entry, IndexKey
from chalicelib.engine.ports import Acquired, Frame, roster_shard
from chalicelib.engine.rates import unpacked
from tests.simulation.dynamo import Tables, TornDynamo
from tests.simulation.expressions import Item
from tests.simulation.story import committed
from tests.simulation.world import World, WorldClock


class TornDynamoPersistence(DynamoPersistence):
    """The adapter itself; entries are reported as they are put."""

    def __init__(
        self, world: World, tables: Tables, committed: Callable[[Entry], None]
    ) -> None:
        client: Any = TornDynamo(world, tables)
        super().__init__(client, now_ms=lambda: world.now_ms)
        self._world, self._tables, self._committed = world, tables, committed
        tables.put_seen["log"] = self._put_seen

    def _put_seen(self, item: Item) -> None:
        entry = next(read_entries([item], Chunks(self._client)))
        self._world.note(committed(entry))
        self._committed(entry)

    def live_rows(self) -> dict[IndexKey, bytes | None]:
        """All rows as they are, tombstones left out."""
        found: dict[IndexKey, bytes | None] = {}
        for item in self._tables.all("rows"):
            index = item["pk"]["S"].partition("#")[2]
            if index.isdigit() and "d" in item:
                row = read_rows(int(index), [item], Chunks(self._client))[0]
                found[row.index, row_key(item)] = row.image
        return found


class MindfulDynamoSessions(DynamoSessions):
    """The adapter itself; a handler that has its frame in safety may be killed."""

    def __init__(self, world: World, tables: Tables) -> None:
        client: Any = TornDynamo(world, tables)
        super().__init__(client, WorldClock(world))
        self._world, self._tables = world, tables

    @override
    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Acquired:
        got = super().acquire(
            connection,
            owner,
            now_ms=now_ms,
            deadline_ms=deadline_ms,
            wake_ts=wake_ts,
            meanwhile=meanwhile,
        )
        if got.mine:
            self._world.safe()
        return got

    @override
    def leave(self, connection: str, frame: Frame) -> None:
        super().leave(connection, frame)
        self._world.safe()

    @override
    def condemn(self, connection: str) -> None:
        super().condemn(connection)
        self._world.safe()

    def is_enlisted(self, connection: str) -> bool:
        """Tell whether the tick visits a session."""
        place = f"roster#{roster_shard(connection)}", connection
        return self._tables.get("sessions", place) is not None


class TornDynamoSubscriptions(DynamoSubscriptions):
    """The adapter itself, asked in an order that does not depend on the process."""

    def __init__(self, world: World, tables: Tables) -> None:
        client: Any = TornDynamo(world, tables)
        super().__init__(client)
        self._table = _InOrder(client, "subscriptions", WorldClock(world))

    @override
    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        return super().match(sorted(set(keys)), newest=newest)


class _InOrder(ItemTable):
    @override
    def write(self, requests: Iterable[Any]) -> None:
        super().write(sorted(requests, key=repr))


def watched_rates(
    world: World, tables: Tables, counted: Callable[[str, int], None]
) -> DynamoRates:
    """The adapter of rate limits itself; ``counted`` hears who counts from when on."""

    def seen(item: Item) -> None:
        caller = item["pk"]["S"].partition("#")[2]
        counted(caller, unpacked(item["t"]["B"])[-1])

    tables.put_seen["rates"] = seen
    client: Any = TornDynamo(world, tables)
    return DynamoRates(client, "main", WorldClock(world), partial(world.between, (0, 1)))
