"""A log of each adapter, for the tests of what must not depend on the adapter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from tests.conformance.stores import DynamoStore, MemoryStore, SqliteStore

PREFIX = "every-log-"


@pytest.fixture(scope="module", params=["memory", "sqlite", "dynamodb"])
def every_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MemoryStore | SqliteStore | DynamoStore]:
    """The stores, one after the other."""
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            opened = SqliteStore(tmp_path_factory.mktemp("sqlite"))
            yield opened
            opened.close()
        case _:
            with start_emulator() as emulator:
                client = DynamoClient(
                    PREFIX, endpoint=emulator.endpoint, region=emulator.region
                )
                create_tables(client.raw, PREFIX)
                yield DynamoStore(client)
                client.close()


@pytest.fixture
def every_log(every_store: MemoryStore | SqliteStore | DynamoStore) -> Persistence:
    """An empty log of each store."""
    return every_store.fresh()
