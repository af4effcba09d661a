"""Servers for the stock clients, one per store, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.dynamodb_process import dynamodb_process
from tests.clients.local_server import LocalServer

STORES = ("sqlite", "dynamodb")


@pytest.fixture(scope="module", params=STORES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Serve the chat over each store; what is stored survives the server."""
    settings = {
        "GEOFLOW_STORE": request.param,
        "GEOFLOW_APPS": "tests.apps.chat,tests.apps.lists,tests.apps.files",
    }
    with ExitStack() as stack:
        if request.param == "dynamodb":
            endpoint = stack.enter_context(dynamodb_process())
            settings["GEOFLOW_DYNAMODB_ENDPOINT"] = endpoint
        running = LocalServer(tmp_path_factory.mktemp(request.param), settings)
        stack.callback(running.close)
        running.start()
        yield running
