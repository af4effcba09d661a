"""The DynamoDB adapter beyond the contract: what it costs, stages, and how it is laid out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import shake_128
from typing import Any

import msgspec
import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.log_items import sort_key
from chalicelib.adapters.dynamodb.models import MODELS, ChunkItem, LogItem, RowItem
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.tables import create_tables, definition, stream_arn
from chalicelib.adapters.dynamodb.usage import Item, Spent, Usage
from chalicelib.engine.errors import (
    BelowHorizon,
    EntryTooLarge,
    StorageCorrupt,
    StorageUnavailable,
)
from chalicelib.engine.log import CUT_KEY_BYTES, FIRST_EPOCH, ORIGIN, POSITION_BITS
from chalicelib.engine.persistence import Interval, Marks
from local.emulator import start_emulator
from tests.conformance.entries import INDEX, document, drop, entry, put, ts
from tests.conformance.stores import write_log

EVERYTHING = Interval(INDEX, b"", None)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[DynamoClient, Usage]]:
    usage = Usage()
    with start_emulator() as emulator:
        client = DynamoClient(
            "adapter-", endpoint=emulator.endpoint, region=emulator.region, usage=usage
        )
        yield client, usage
        client.close()


@pytest.fixture
def client(shared: tuple[DynamoClient, Usage]) -> Iterator[DynamoClient]:
    client, _ = shared
    create_tables(client.raw, "adapter-")
    yield client
    for model in MODELS:
        client.raw.delete_table(TableName=client.table(model.Meta.table_name))


@pytest.fixture
def log(client: DynamoClient) -> DynamoPersistence:
    return DynamoPersistence(client)


class Meter:
    """What was spent since it was made."""

    def __init__(self, usage: Usage) -> None:
        self._usage, self._before = usage, usage.spent()

    @property
    def spent(self) -> Spent:
        return self._usage.spent() - self._before


@pytest.fixture
def meter(shared: tuple[DynamoClient, Usage], log: DynamoPersistence) -> Meter:
    return Meter(shared[1])


def items(client: DynamoClient, table: str) -> list[Item]:
    found: list[Item] = client.raw.scan(TableName=client.table(table))["Items"]
    return found


def noise(seed: int, length: int) -> bytes:
    return shake_128(str(seed).encode()).digest(length)


class TestCost:
    def test_an_append_is_one_round_trip_of_the_entry_s_size(
        self, log: DynamoPersistence, meter: Meter
    ) -> None:
        log.append(entry(1, put(b"k", noise(1, 1500))))

        assert meter.spent == Spent(round_trips=1, calls=1, wru=2)

    def test_an_empty_tail_is_one_unit(self, log: DynamoPersistence, meter: Meter) -> None:
        log.tail(ORIGIN)

        assert meter.spent == Spent(round_trips=1, calls=1, rru=1)

    def test_rows_are_written_in_one_round_trip(
        self, log: DynamoPersistence, meter: Meter
    ) -> None:
        log.apply([entry(1, *[put(b"%d" % n, b"{}", number=n) for n in range(3)])])

        assert meter.spent == Spent(round_trips=1, calls=3, wru=3)

    def test_a_range_of_small_rows_is_one_unit(
        self, log: DynamoPersistence, shared: tuple[DynamoClient, Usage]
    ) -> None:
        log.apply(
            [entry(1, *[put(b"%02d" % n, noise(n, 100), number=n) for n in range(20)])]
        )
        meter = Meter(shared[1])

        page = log.scan(EVERYTHING, reverse=False, limit=20)

        assert len(page.rows) == 20
        assert meter.spent == Spent(round_trips=1, calls=1, rru=1)

    def test_a_limited_scan_reads_no_more_than_it_returns(
        self, log: DynamoPersistence, shared: tuple[DynamoClient, Usage]
    ) -> None:
        log.apply(
            [entry(1, *[put(b"%02d" % n, noise(n, 3000), number=n) for n in range(20)])]
        )
        meter = Meter(shared[1])

        page = log.scan(EVERYTHING, reverse=True, limit=1)

        assert [row.key for row in page.rows] == [b"19"]
        assert meter.spent == Spent(round_trips=1, calls=1, rru=1)

    def test_a_short_run_of_tombstones_costs_one_more_round_trip(
        self, log: DynamoPersistence, shared: tuple[DynamoClient, Usage]
    ) -> None:
        gone = [drop(b"%02d" % n, number=n) for n in range(30)]
        log.apply([entry(1, *gone, put(b"99", b"{}", number=99))])
        meter = Meter(shared[1])

        page = log.scan(EVERYTHING, reverse=False, limit=1)

        assert [row.key for row in page.rows] == [b"99"]
        assert meter.spent.round_trips == 2

    def test_a_long_run_of_tombstones_ends_the_page_and_not_the_scan(
        self, log: DynamoPersistence, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.dynamodb.persistence.SCAN_REQUESTS", 2)
        gone = [drop(b"%03d" % n, number=n) for n in range(80)]
        log.apply([entry(1, *gone, put(b"999", b"{}", number=99))])

        first = log.scan(EVERYTHING, reverse=False, limit=1)

        assert first.rows == ()
        assert first.resume is not None
        rest = log.scan(Interval(INDEX, first.resume, None), reverse=False, limit=1)
        assert [row.key for row in rest.rows] == [b"999"]


class TestStaging:
    def test_small_entries_are_not_staged(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        log.append(entry(1, put(b"k", b"{}")))

        assert items(client, "chunks") == []

    def test_a_large_entry_is_staged_once_for_all_positions_it_tries(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        big = entry(1, put(b"k", noise(1, 800_000)))
        log.append(entry(1, transaction="other"))
        log.append(entry(2, transaction="another"))

        for position in (1, 2, 3):
            log.append(msgspec.structs.replace(big, ts=ts(position)))

        assert log.tail(ts(2)).entries == (msgspec.structs.replace(big, ts=ts(3)),)
        assert len(items(client, "chunks")) == 3

    def test_the_name_of_staged_chunks_begins_with_the_transaction(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        log.append(entry(1, put(b"k", noise(1, 400_000)), transaction="t-1"))

        names = {item["pk"]["S"] for item in items(client, "chunks")}
        assert len(names) == 1
        assert names.pop().startswith("main/entry/t-1/")

    def test_rows_of_one_document_share_its_chunks(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        image = noise(2, 700_000)
        wide = msgspec.structs.replace(
            put(b"k", image), added=((INDEX, b"k"), (INDEX + 1, b"k"), (INDEX + 2, b"k"))
        )

        log.apply([entry(1, wide)])

        assert len(items(client, "chunks")) == 2
        found = [log.get(index, b"k") for index in (INDEX, INDEX + 1, INDEX + 2)]
        assert [row.image for row in found if row] == [image] * 3

    def test_a_transaction_of_16_mib_is_kept(self, log: DynamoPersistence) -> None:
        writes = [put(b"%02d" % n, noise(n, 1 << 20), number=n) for n in range(16)]
        big = entry(1, *writes, result=noise(99, 1 << 20))

        write_log(log, big)

        assert log.tail(ORIGIN).entries == (big,)
        for number, write in enumerate(writes):
            row = log.get(INDEX, b"%02d" % number)
            assert row is not None
            assert row.image == write.after

    def test_an_entry_that_cannot_be_stored_is_refused_before_anything_is_written(
        self,
        log: DynamoPersistence,
        client: DynamoClient,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(
            "chalicelib.adapters.dynamodb.log_items.MAX_ENTRY_BYTES", 500_000
        )

        with pytest.raises(EntryTooLarge):
            log.append(entry(1, result=noise(1, 600_000)))

        assert items(client, "chunks") == items(client, "log") == []

    def test_a_key_that_cannot_be_stored_is_refused_before_the_commit(
        self, log: DynamoPersistence
    ) -> None:
        with pytest.raises(EntryTooLarge):
            log.append(entry(1, put(b"k" * (CUT_KEY_BYTES + 1), b"{}")))

        assert log.tail(ORIGIN).entries == ()

    def test_missing_and_damaged_chunks_are_noticed(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        log.append(entry(1, put(b"k", noise(1, 400_000))))
        first, *_ = items(client, "chunks")
        key = {name: first[name] for name in ("pk", "n")}

        client.raw.put_item(TableName="adapter-chunks", Item=key | {"d": {"B": b"other"}})
        with pytest.raises(StorageCorrupt):
            log.tail(ORIGIN)
        client.raw.delete_item(TableName="adapter-chunks", Key=key)
        with pytest.raises(StorageUnavailable):
            log.tail(ORIGIN)


class TestLogs:
    def test_of_different_names_do_not_meet(self, client: DynamoClient) -> None:
        one, other = DynamoPersistence(client, "one"), DynamoPersistence(client, "other")
        write_log(one, entry(1, put(b"k", b"1")))

        assert other.tail(ORIGIN).entries == ()
        assert other.get(INDEX, b"k") is None
        assert other.marks() == Marks(ORIGIN, ORIGIN)

    def test_of_a_later_epoch_begin_there(self, client: DynamoClient) -> None:
        origin = (FIRST_EPOCH + 1) << POSITION_BITS
        restored = DynamoPersistence(client, "restored", origin)
        first = msgspec.structs.replace(entry(1), ts=origin + 1)
        write_log(restored, first)

        assert restored.tail(origin).entries == (first,)
        with pytest.raises(BelowHorizon):
            restored.tail(ts(5))

    def test_that_were_trimmed_refuse_what_is_gone(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        write_log(log, *[entry(n) for n in range(1, 5)])
        key = {"pk": {"S": "main#marks"}, "sk": sort_key(b"")}
        client.update("rows", key, "SET h = :h", {":h": {"N": str(ts(2))}})
        for n in (1, 2):
            gone = {"pk": {"S": "main"}, "ts": {"N": str(ts(n))}}
            client.raw.delete_item(TableName="adapter-log", Key=gone)

        with pytest.raises(BelowHorizon):
            log.tail(ts(1))
        assert [item.ts for item in log.tail(ts(2)).entries] == [ts(3), ts(4)]


class TestTables:
    def test_are_made_once_and_found_again(self, client: DynamoClient) -> None:
        create_tables(client.raw, "adapter-")

        names = client.raw.list_tables()["TableNames"]
        assert {"adapter-log", "adapter-rows", "adapter-chunks"} <= set(names)

    def test_only_the_log_has_a_stream_and_it_carries_keys(
        self, client: DynamoClient
    ) -> None:
        described = {
            model: client.raw.describe_table(TableName="adapter-" + model.Meta.table_name)[
                "Table"
            ]
            for model in MODELS
        }

        assert described[LogItem]["StreamSpecification"]["StreamViewType"] == "KEYS_ONLY"
        assert stream_arn(client.raw, "adapter-log").startswith("arn:")
        assert not any(
            "LatestStreamArn" in described[model] for model in (RowItem, ChunkItem)
        )

    def test_are_paid_by_request(self) -> None:
        assert {definition(model, "")["BillingMode"] for model in MODELS} == {
            "PAY_PER_REQUEST"
        }

    def test_hold_only_attributes_that_the_models_name(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        write_log(
            log,
            entry(1, put(b"k", noise(1, 400_000)), put(b"l", b"{}")),
            entry(2, drop(b"k")),
        )

        for model in MODELS:
            named: dict[str, Any] = {
                attribute.attr_name: attribute.attr_type
                for attribute in model.get_attributes().values()
            }
            for item in items(client, model.Meta.table_name):
                assert {
                    name: next(iter(value)) for name, value in item.items()
                }.items() <= named.items()

    def test_can_be_read_through_the_models(
        self, log: DynamoPersistence, client: DynamoClient
    ) -> None:
        key = b"field" + document(1)
        log.apply([entry(1, put(key, b"{}"))])
        (item,) = items(client, "rows")

        row = RowItem.from_raw_data(dict(item))

        assert (row.index, row.key) == (f"main#{INDEX}", b"\x00" + key)
        assert (row.ts, row.image) == (ts(1), b"{}")


def test_two_puts_that_meet_in_the_emulator_have_one_winner(client: DynamoClient) -> None:
    log = DynamoPersistence(client, "race")

    with ThreadPoolExecutor(8) as threads:
        for position in range(1, 21):
            rivals = [entry(position, transaction=f"t{n}") for n in range(8)]
            answers = list(threads.map(log.append, rivals))
            assert answers.count(None) == 1
