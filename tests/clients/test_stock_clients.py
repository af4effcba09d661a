"""The stock clients, unmodified, live through the same scenario over every store."""

from __future__ import annotations

from itertools import count

import pytest

from tests.clients.driver import drive
from tests.clients.local_server import LocalServer

pytestmark = pytest.mark.clients

EVERY_CLIENT = (
    "be updated by another client",
    "error with data",
    "bad requests are refused by name",
    "action",
    "upload, show and delete a file",
    "sign in and out",
    "server restart in the middle",
    "server kill in the middle",
    "no mutation lost or doubled",
)
LIVE = (*EVERY_CLIENT, "subscribe", "error with data in a live query")
OPTIMISTIC = (
    *LIVE,
    "an answer lost on its way",
    "optimistic update of a counter without flicker",
    "optimistic update of a list without flicker",
)
CLIENTS = {
    "drive_convex_client.mjs": OPTIMISTIC,
    "drive_react_client.mjs": OPTIMISTIC,
    "drive_http_client.mjs": EVERY_CLIENT,
    "drive_python_client.py": LIVE,
}
PAUSE_MS = {"sqlite": 50, "dynamodb": 500}
"""Between two increments of a client whose server is away, in milliseconds."""

runs = count()


@pytest.mark.parametrize("script", CLIENTS)
def test_the_client_lives_through_the_scenario(script: str, server: LocalServer) -> None:
    tokens = {user: server.token(user) for user in ("alice", "bob")}
    stage = {
        "url": server.url,
        "run": f"{script} {next(runs)}",
        "tokens": tokens,
        "pause_ms": PAUSE_MS[server.settings["GEOFLOW_STORE"]],
    }
    wishes = {"restart": server.restart, "kill": server.kill_and_start}

    report = drive(script, stage, wishes)

    assert set(report.passed) == set(CLIENTS[script])
