"""A log of each adapter, for the tests of what must not depend on the adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from tests.conformance.stores import DynamoStore, MemoryStore, SqliteStore

PREFIX = "every-log-"
ADAPTERS = ("memory", "sqlite", "dynamodb")

AnyStore = MemoryStore | SqliteStore | DynamoStore
LogOf = Callable[[str], Persistence]
"""Makes an empty log of the adapter that is named."""


@pytest.fixture(scope="module")
def log_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogOf]:
    """Makes logs of any adapter, each of which is started when it is first asked for."""
    stores: dict[str, AnyStore] = {}
    with ExitStack() as started:

        def fresh(adapter: str) -> Persistence:
            if adapter not in stores:
                opening = _opened(adapter, tmp_path_factory.mktemp(adapter))
                stores[adapter] = started.enter_context(opening)
            return stores[adapter].fresh()

        yield fresh


@pytest.fixture(params=ADAPTERS)
def every_log(request: pytest.FixtureRequest, log_of: LogOf) -> Persistence:
    """An empty log of each adapter."""
    return log_of(request.param)


@contextmanager
def _opened(adapter: str, directory: Path) -> Iterator[AnyStore]:
    match adapter:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            opened = SqliteStore(directory)
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
