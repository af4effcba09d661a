"""The stores as a parameter."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.engine.persistence import Persistence
from tests.conformance.stores import STORES, Store


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with STORES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def log(store: Store) -> Persistence:
    return store.fresh()
