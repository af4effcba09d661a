"""What sessions and subscriptions in DynamoDB cost, contain, and survive."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from pynamodb.models import Model

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.session_models import SessionItem, SubscriptionItem
from chalicelib.adapters.dynamodb.sessions import DynamoSessions
from chalicelib.adapters.dynamodb.subscriptions import DynamoSubscriptions
from chalicelib.adapters.dynamodb.usage import Spent, Usage, item_bytes
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Frame, Lease, Subscription, roster_shard
from chalicelib.engine.values.order import key_bytes
from tests.conformance.session_adapters import session_tables

CONNECTION = "L0SM9cOFvHcCIhw="
SESSION = "0e5c6c4e-7b2f-4a5b-9d0c-5b6a7c8d9e0f"


@pytest.fixture
def usage() -> Usage:
    return Usage()


@pytest.fixture
def client(usage: Usage) -> Iterator[DynamoClient]:
    with session_tables(usage) as client:
        yield client


@pytest.fixture
def sessions(client: DynamoClient) -> DynamoSessions:
    return DynamoSessions(client)


@pytest.fixture
def subscriptions(client: DynamoClient) -> DynamoSubscriptions:
    return DynamoSubscriptions(client)


def take(sessions: DynamoSessions, owner: str = "me", wake_ts: int = 0) -> Lease:
    acquired = sessions.acquire(
        CONNECTION, owner, now_ms=1_000, deadline_ms=61_000, wake_ts=wake_ts
    )
    assert acquired.mine == (acquired.lease.owner == owner)
    return acquired.lease


def reading(name: str) -> Subscription:
    prefix = key_bytes([name])
    return Subscription(prefix, Interval(3, prefix, prefix + b"\xff"), CONNECTION)


def live_a_full_life(sessions: DynamoSessions, subscriptions: DynamoSubscriptions) -> None:
    """Leave an item of every kind behind."""
    lease = take(sessions)
    sessions.enlist(CONNECTION, SESSION, 3)
    sessions.leave(CONNECTION, Frame("a", 5.5, b"{}"))
    sessions.raise_left(CONNECTION)
    sessions.write_state(CONNECTION, bytes(800_000))
    subscriptions.add([reading("ann"), reading("bob")])
    sessions.release(
        CONNECTION, "me", replace(lease, due=True, digests=b"12345678"), final=True
    )
    take(sessions, wake_ts=9)
    sessions.condemn(CONNECTION)


def stored(client: DynamoClient, table: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.raw.scan(TableName=client.table(table))["Items"]
    return items


class Costs:
    """Tells what the calls in a block cost."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    @contextmanager
    def are(self, expected: Spent) -> Iterator[None]:
        before = self._usage.spent()
        yield
        assert self._usage.spent() - before == expected


@pytest.fixture
def costs(usage: Usage) -> Costs:
    return Costs(usage)


def spent(calls: int, *, wru: float = 0, rru: float = 0) -> Spent:
    return Spent(round_trips=calls, calls=calls, rru=rru, wru=wru)


class TestCost:
    def test_of_a_push_is_two_write_units(
        self, sessions: DynamoSessions, costs: Costs
    ) -> None:
        sessions.release(CONNECTION, "me", take(sessions), final=False)

        with costs.are(spent(2, wru=2)):
            lease = take(sessions, wake_ts=9)
            assert sessions.release(CONNECTION, "me", replace(lease, seen=9), final=False)

    def test_of_a_lease_that_is_taken_is_one_call(
        self, sessions: DynamoSessions, costs: Costs
    ) -> None:
        take(sessions)

        with costs.are(spent(1, wru=1)):
            seen = take(sessions, "another", wake_ts=9)

        assert seen.owner == "me"

    def test_of_a_refused_release_is_one_call(
        self, sessions: DynamoSessions, costs: Costs
    ) -> None:
        lease = take(sessions)
        sessions.raise_wake(CONNECTION, 9)

        with costs.are(spent(1, wru=1)):
            assert not sessions.release(CONNECTION, "me", lease, final=False)

    def test_of_a_frame_that_is_left_is_three_write_units(
        self, sessions: DynamoSessions, costs: Costs
    ) -> None:
        take(sessions)

        with costs.are(spent(3, wru=3)):
            sessions.leave(CONNECTION, Frame("a", 5.5, bytes(100)))
            sessions.raise_left(CONNECTION)

    def test_of_subscribing_is_one_call(
        self, subscriptions: DynamoSubscriptions, costs: Costs
    ) -> None:
        with costs.are(spent(1, wru=2)):
            subscriptions.add([reading("ann")])
        with costs.are(spent(1, wru=1)):
            subscriptions.remove([reading("ann")])

    def test_of_matching_is_a_query_for_each_prefix_all_at_once(
        self, subscriptions: DynamoSubscriptions, costs: Costs
    ) -> None:
        key = key_bytes(["ann", 5.0]) + bytes([6] * 16)

        with costs.are(Spent(round_trips=1, calls=4, rru=4)):
            subscriptions.match([(3, key)])


class TestItems:
    def test_are_what_the_models_describe(
        self,
        client: DynamoClient,
        sessions: DynamoSessions,
        subscriptions: DynamoSubscriptions,
    ) -> None:
        live_a_full_life(sessions, subscriptions)

        tables: list[tuple[str, type[Model], int]] = [
            ("sessions", SessionItem, 7),
            ("subscriptions", SubscriptionItem, 3),
        ]
        for table, model, count in tables:
            items = stored(client, table)
            described = {each.attr_name for each in model.get_attributes().values()}
            assert len(items) == count
            for item in items:
                assert set(item) <= described
                assert model.from_raw_data(item).to_dynamodb_dict().keys() == item.keys()

    def test_all_go_by_themselves_in_the_end(
        self,
        client: DynamoClient,
        sessions: DynamoSessions,
        subscriptions: DynamoSubscriptions,
    ) -> None:
        live_a_full_life(sessions, subscriptions)

        items = stored(client, "sessions") + stored(client, "subscriptions")
        assert all(int(item["expires_s"]["N"]) > 1_700_000_000 for item in items)

    def test_keep_a_lease_under_one_kilobyte(
        self, client: DynamoClient, sessions: DynamoSessions
    ) -> None:
        lease = replace(
            take(sessions),
            drained=1_000_000,
            seen=(1 << 40) + 123_456_789,
            version=(1_000, 1_000, (1 << 40) + 123_456_789),
            digests=bytes(8 * 50),
            revision=1_000_000,
            due=True,
            sent_ms=1_700_000_000_123.456,
            drop_ms=30_000.0,
        )
        sessions.release(CONNECTION, "me", lease, final=True)
        take(sessions, "another", wake_ts=(1 << 40) + 123_456_789)

        (item,) = stored(client, "sessions")
        assert item_bytes(item) < 1024


class Fault(Exception):
    """The invocation dies here."""


@contextmanager
def dying_before_call(client: DynamoClient, number: int) -> Iterator[None]:
    """Let the calls of a block fail from the given one on."""
    left = number

    def count(**_: Any) -> None:
        nonlocal left
        if left == 0:
            raise Fault
        left -= 1

    events = client.raw.meta.events
    events.register("before-call.dynamodb", count, unique_id="fault")
    try:
        yield
    finally:
        events.unregister("before-call.dynamodb", unique_id="fault")


class TestInterruption:
    def test_of_a_burial_leaves_the_session_on_the_roster(
        self,
        client: DynamoClient,
        sessions: DynamoSessions,
        subscriptions: DynamoSubscriptions,
    ) -> None:
        live_a_full_life(sessions, subscriptions)
        shard = roster_shard(CONNECTION)

        interruptions = 0
        while self._dies(client, interruptions, lambda: sessions.bury(CONNECTION)):
            listed = [name for name, _ in sessions.roster(shard)]
            assert listed == [CONNECTION]
            interruptions += 1

        assert interruptions >= 4
        assert sessions.roster(shard) == []
        assert [item["sk"]["S"] for item in stored(client, "sessions")] == ["lease"]

    def test_of_forgetting_subscriptions_can_be_made_good(
        self, client: DynamoClient, subscriptions: DynamoSubscriptions
    ) -> None:
        interruptions = 0
        rows = [reading(str(n)) for n in range(40)]
        subscriptions.add(rows)
        subscriptions.add([reading("later")])

        def forget() -> None:
            subscriptions.remove_all(CONNECTION)

        while self._dies(client, interruptions, forget):
            interruptions += 1

        assert interruptions >= 3
        assert stored(client, "subscriptions") == []

    def _dies(self, client: DynamoClient, number: int, act: Callable[[], None]) -> bool:
        with dying_before_call(client, number):
            try:
                act()
            except Fault:
                return True
        return False


class TestLoad:
    @pytest.fixture
    def left_undone(self, client: DynamoClient) -> list[int]:
        """Has every first answer to a batch say that part of it was not done."""
        sizes: list[int] = []

        def undo(parsed: dict[str, Any], context: Any, **_: Any) -> None:
            asked = context["usage.parameters"]["RequestItems"]
            ((table, requests),) = asked.items()
            writes = isinstance(requests, list)
            all_of_them = requests if writes else requests["Keys"]
            if len(all_of_them) > 1:
                half = all_of_them[: len(all_of_them) // 2]
                sizes.append(len(half))
                name = "UnprocessedItems" if writes else "UnprocessedKeys"
                parsed[name] = {table: half if writes else {"Keys": half}}
                if not writes:
                    undone = [key["pk"] for key in half]
                    found = parsed["Responses"][table]
                    parsed["Responses"][table] = [
                        item for item in found if item["pk"] not in undone
                    ]

        for operation in ("BatchWriteItem", "BatchGetItem"):
            client.raw.meta.events.register(f"after-call.dynamodb.{operation}", undo)
        return sizes

    def test_makes_the_rest_of_a_batch_wait_not_vanish(
        self,
        sessions: DynamoSessions,
        subscriptions: DynamoSubscriptions,
        left_undone: list[int],
    ) -> None:
        names = [name for n in range(60) if roster_shard(name := f"c{n}") == 1]
        for name in names:
            sessions.acquire(name, "me", now_ms=1_000, deadline_ms=2_000)
            sessions.enlist(name, SESSION, 0)
        rows = [reading(str(n)) for n in range(10)]
        subscriptions.add(rows)

        listed = sessions.roster(1)
        found = subscriptions.match(
            [(3, key_bytes([str(n)]) + bytes(16)) for n in range(10)]
        )

        assert len(names) > 1
        assert [name for name, lease in listed if lease.owner == "me"] == sorted(names)
        assert found == {CONNECTION}
        assert len(left_undone) > len(names)
