"""A log of each adapter, for the tests of what must not depend on the adapter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from tests.conformance.stores import (
    DynamoStore,
    MemoryStore,
    SqliteStore,
    let_go,
    still_store,
)

PREFIX = "every-log-"
ADAPTERS = ("memory", "sqlite", "dynamodb")
SWIFT = ("memory", "sqlite", "still")
"""The same three, DynamoDB's over tables in the process, which cost no more than memory."""

EMULATE_ALL = bool(os.environ.get("GEOFLOW_TEST_DYNAMODB"))
"""Whether every test of ``each_log`` is to run over the emulator of DynamoDB, too: minutes."""

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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test of ``each_log`` its adapters; those marked ``emulated``, the emulator too."""
    if "each_log" in metafunc.fixturenames:
        emulated = EMULATE_ALL or metafunc.definition.get_closest_marker("emulated")
        adapters = (*SWIFT, "dynamodb") if emulated else SWIFT
        metafunc.parametrize("each_log", adapters, indirect=True)


@pytest.fixture
def each_log(request: pytest.FixtureRequest, log_of: LogOf) -> Iterator[Persistence]:
    """An empty log of each adapter, for suites that are too long for the emulator."""
    log = log_of(request.param)
    yield log
    let_go(log)


@contextmanager
def _opened(adapter: str, directory: Path) -> Iterator[AnyStore]:
    match adapter:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            opened = SqliteStore(directory)
            yield opened
            opened.close()
        case "still":
            yield still_store()
        case _:
            with start_emulator() as emulator:
                client = DynamoClient(
                    PREFIX, endpoint=emulator.endpoint, region=emulator.region
                )
                create_tables(client.raw, PREFIX)
                yield DynamoStore(client)
                client.close()
