"""Many stock clients at once: nothing is lost, doubled, or shown half done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.driver import drive
from tests.clients.local_server import LocalServer

pytestmark = pytest.mark.clients

LOAD = {
    "clients": 32,
    "accounts": 100,
    "balance": 100,
    "watchers": 4,
}

ROUNDS = {"sqlite": 10, "dynamodb": 1}
"""Increments, and transfers, of each client; the emulated DynamoDB does one thing at a time."""


def load(server: LocalServer, run: str, wish: str | None) -> dict[str, Any]:
    """Put the load on the server, doing something to it in the middle."""
    wishes = {"restart": server.restart, "kill": server.kill_and_start}
    rounds = ROUNDS[server.settings["GEOFLOW_STORE"]]
    each = {"increments": rounds, "transfers": rounds}
    stage = {"url": server.url, "run": run, "wish": wish, **LOAD, **each}
    return drive("load.mjs", stage, wishes).result


@pytest.mark.parametrize("wish", [None, "restart", "kill"])
def test_32_clients_lose_nothing_and_every_snapshot_sums_right(
    server: LocalServer, wish: str | None
) -> None:
    sent = LOAD["clients"] * ROUNDS[server.settings["GEOFLOW_STORE"]]
    money = LOAD["accounts"] * LOAD["balance"]

    told = load(server, f"load {wish}", wish)

    assert told["errors"] == []
    assert told["acknowledged"] == told["counter"] == sent
    assert told["moved"] + told["refused"] == sent
    assert told["sum"] == money
    assert told["snapshots"] > LOAD["watchers"]
    assert (told["wrong"], told["backwards"]) == ([], [])
