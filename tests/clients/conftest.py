"""Servers for the stock clients, one per store, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.local_server import LocalServer

STORES = ("sqlite", "dynamodb")


@pytest.fixture(scope="module", params=STORES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Serve the chat over each store."""
    settings = {"GEOFLOW_STORE": request.param, "GEOFLOW_APPS": "tests.apps.chat"}
    running = LocalServer(tmp_path_factory.mktemp(request.param), settings)
    running.start()
    yield running
    running.close()
