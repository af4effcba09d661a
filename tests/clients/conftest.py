"""Servers for the stock clients, one per store, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.clients.dynamodb_process import dynamodb_process
from tests.clients.local_server import LocalServer

STORES = ("sqlite", "dynamodb")
APPS = "tests.apps.chat,tests.apps.lists,tests.apps.files"


@contextmanager
def serving(
    store: str, apps: str, directories: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Serve apps over a store; what is stored survives the server, until the block ends."""
    settings = {"GEOFLOW_STORE": store, "GEOFLOW_APPS": apps}
    with ExitStack() as stack:
        if store == "dynamodb":
            endpoint = stack.enter_context(dynamodb_process())
            settings["GEOFLOW_DYNAMODB_ENDPOINT"] = endpoint
        running = LocalServer(directories.mktemp(store), settings)
        stack.callback(running.close)
        running.start()
        yield running


@pytest.fixture(scope="module", params=STORES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Serve the chat over each store."""
    with serving(request.param, APPS, tmp_path_factory) as running:
        yield running
