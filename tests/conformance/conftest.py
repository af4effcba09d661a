"""The stores as a parameter."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.engine.persistence import Persistence
from local.emulator import Emulator, start_emulator
from tests.conformance.ministack import start_ministack
from tests.conformance.stores import (
    DynamoStore,
    MemoryStore,
    SqliteStore,
    Store,
    still_store,
)

PREFIX = "conformance-"


@pytest.fixture(params=["memory", "sqlite", "still", "dynamodb", "ministack"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            opened = SqliteStore(tmp_path)
            yield opened
            opened.close()
        case "still":
            yield still_store()
        case emulator:
            yield DynamoStore(request.getfixturevalue(emulator))


@pytest.fixture
def log(store: Store) -> Persistence:
    return store.fresh()


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoClient]:
    """moto, or the endpoint that the environment names."""
    with start_emulator() as emulator:
        yield from _client(emulator)


@pytest.fixture(scope="module")
def ministack() -> Iterator[DynamoClient]:
    """Somebody else's idea of DynamoDB, for those who ask."""
    program = os.environ.get("GEOFLOW_TEST_MINISTACK")
    if program is None:
        pytest.skip("GEOFLOW_TEST_MINISTACK does not name the program")
    with start_ministack(program) as endpoint, start_emulator(endpoint) as emulator:
        yield from _client(emulator)


def _client(emulator: Emulator) -> Iterator[DynamoClient]:
    client = DynamoClient(PREFIX, endpoint=emulator.endpoint, region=emulator.region)
    create_tables(client.raw, PREFIX)
    yield client
    client.close()
