"""Staged parts go when nothing names them, nor can come to; until then they stay."""

from collections.abc import Iterator
from hashlib import shake_128

import msgspec
import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.log_items import entry_item
from chalicelib.adapters.dynamodb.models import MODELS
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.sweep import CLOCKS_APART_MS, MIN_AGE_MS
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.log import ORIGIN, Entry, Write
from local.emulator import start_emulator
from tests.conformance.entries import INDEX, document, entry, put, ts

BEGINNING_MS = 1_700_000_000_000.0


@pytest.fixture(scope="module")
def shared() -> Iterator[DynamoClient]:
    with start_emulator() as emulator:
        client = DynamoClient("sweep-", endpoint=emulator.endpoint, region=emulator.region)
        yield client
        client.close()


class Place:
    """A log whose time a test moves."""

    def __init__(self, client: DynamoClient) -> None:
        self.client, self.now_ms = client, BEGINNING_MS
        self.log = DynamoPersistence(client, now_ms=lambda: self.now_ms)

    def parts(self) -> int:
        return int(self.client.raw.scan(TableName=self.client.table("chunks"))["Count"])

    def sweep(self) -> None:
        cursor = self.log.sweep("", 2)
        while cursor:
            cursor = self.log.sweep(cursor, 2)

    def later(self, ms: float) -> None:
        self.now_ms += ms

    def entry(self, position: int, *writes: Write, transaction: str = "") -> Entry:
        made = entry(position, *writes, transaction=transaction or f"t{position}")
        return msgspec.structs.replace(made, wall_ms=int(self.now_ms))

    def stage(self, made: Entry) -> None:
        """Do what a committer does before its put, and die."""
        _, staging = entry_item("main", made, self.log._chunks)
        for call in staging:
            call()


@pytest.fixture
def place(shared: DynamoClient) -> Iterator[Place]:
    create_tables(shared.raw, "sweep-")
    yield Place(shared)
    for model in MODELS:
        shared.raw.delete_table(TableName=shared.table(model.Meta.table_name))


def noise(seed: int, length: int = 400_000) -> bytes:
    return shake_128(str(seed).encode()).digest(length)


def owned(image: bytes, number: int = 1) -> Write:
    """A document with a row at its own id, and one elsewhere."""
    own = document(number)
    return Write(1, own, None, image, (), ((INDEX, own), (INDEX + 1, b"k" + own)))


class TestPartsOfAnEntry:
    def test_that_was_never_put_go_when_its_place_is_taken(self, place: Place) -> None:
        place.stage(place.entry(1, put(b"k", noise(1)), transaction="dead"))
        place.log.append(place.entry(1, transaction="other"))
        place.later(MIN_AGE_MS + CLOCKS_APART_MS)
        place.log.append(place.entry(2))

        place.sweep()

        assert place.parts() == 0

    def test_stay_while_they_are_young(self, place: Place) -> None:
        place.stage(place.entry(1, put(b"k", noise(1)), transaction="dead"))
        place.later(CLOCKS_APART_MS * 2)
        place.log.append(place.entry(1))

        place.sweep()

        assert place.parts() == 2

    def test_stay_while_its_put_could_still_succeed(self, place: Place) -> None:
        late = place.entry(1, put(b"k", noise(1)), transaction="asleep")
        place.stage(late)
        place.later(MIN_AGE_MS * 30)

        place.sweep()
        place.log._client.put("log", entry_item("main", late, place.log._chunks)[0])

        assert place.log.tail(ORIGIN).entries == (late,)

    def test_that_the_log_names_stay(self, place: Place) -> None:
        big = place.entry(2, put(b"k", noise(1)), transaction="big")
        place.stage(msgspec.structs.replace(big, ts=ts(1)))
        place.log.append(place.entry(1))
        place.log.append(big)
        place.later(MIN_AGE_MS * 3)
        place.log.append(place.entry(3))

        place.sweep()

        assert place.log.tail(ts(1)).entries[0] == big

    def test_that_were_staged_again_stay(self, place: Place) -> None:
        again = place.entry(1, put(b"k", noise(1)), transaction="slow")
        place.stage(again)
        place.later(MIN_AGE_MS * 2)
        place.log.append(place.entry(1, transaction="other"))
        place.stage(msgspec.structs.replace(again, ts=ts(2)))

        place.sweep()

        assert place.parts() == 2

    def test_of_another_log_are_left_to_it(self, place: Place) -> None:
        other = DynamoPersistence(place.client, "other", now_ms=lambda: place.now_ms)
        _, staging = entry_item("other", place.entry(1, put(b"k", noise(1))), other._chunks)
        for call in staging:
            call()
        place.log.append(place.entry(1))
        place.later(MIN_AGE_MS * 3)
        place.log.append(place.entry(2))

        place.sweep()

        assert place.parts() == 2

    def test_go_with_the_entry_when_it_is_trimmed(self, place: Place) -> None:
        place.log.append(place.entry(1, put(b"k", noise(1))))
        before = place.parts()
        place.log.append(place.entry(2))
        place.log.raise_horizon(ts(1))

        place.log.trim(10)

        assert (before, place.parts()) == (2, 0)


class TestPartsOfADocument:
    def test_stay_while_its_row_names_them(self, place: Place) -> None:
        place.log.apply([place.entry(1, owned(noise(1)))])
        place.later(MIN_AGE_MS * 3)

        place.sweep()

        row = place.log.get(INDEX, document(1))
        assert row is not None
        assert row.image == noise(1)

    def test_go_when_it_was_changed(self, place: Place) -> None:
        place.log.apply([place.entry(1, owned(noise(1)))])
        place.log.apply([place.entry(2, owned(noise(2)))])
        place.later(MIN_AGE_MS + 1)

        place.sweep()

        assert place.parts() == 2
        row = place.log.get(INDEX + 1, b"k" + document(1))
        assert row is not None
        assert row.image == noise(2)

    def test_go_when_it_was_deleted(self, place: Place) -> None:
        own = document(1)
        place.log.apply([place.entry(1, owned(noise(1)))])
        gone = Write(1, own, b"{}", None, ((INDEX, own), (INDEX + 1, b"k" + own)), ())
        place.log.apply([place.entry(2, gone)])
        place.later(MIN_AGE_MS + 1)

        place.sweep()

        assert place.parts() == 0

    def test_stay_when_it_is_not_known_where_to_look(self, place: Place) -> None:
        place.log.apply([place.entry(1, put(b"elsewhere", noise(1)))])
        place.later(MIN_AGE_MS * 30)

        place.sweep()

        try:
            assert place.log.get(INDEX, b"elsewhere") is not None
        except StorageUnavailable:
            pytest.fail("a part that a row names was removed")
