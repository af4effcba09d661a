"""API Gateway cuts sockets off, idle ones and old ones: whoever is cut off loses nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

import app
from chalicelib import bootstrap
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.bootstrap import Stores, assemble
from chalicelib.config import Settings
from local.limits import AWS
from local.ports import CommitFeed, OwnQueue, OwnSockets
from local.server import Handlers, LocalServer
from tests.local.conftest import FREE_PORTS


@pytest.fixture(params=[{"lifetime_s": 0.5}, {"idle_s": 0.5}], ids=["old", "idle"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The trial app behind a gateway that cuts off after half a second instead of hours."""
    limits = replace(AWS, **request.param)
    server = LocalServer(replace(FREE_PORTS, limits=limits, ordered=True))
    feed = CommitFeed()
    deployment = assemble(
        Settings(store="memory", apps=("tests.apps.trial",), settle_ms=0),
        stores=Stores(
            MemoryPersistence(on_commit=feed.committed),
            MemorySessions(),
            MemorySubscriptions(),
        ),
        gateway=OwnSockets(server.connections),
        jobs=OwnQueue(),
    )
    deployment.backend.deploy("cut offs")
    before = bootstrap._in_use.get("deployment")
    bootstrap.use(deployment)
    feed.connect(
        server.function("commit_log", app.commit_log, timeout_s=10),
        deployment.backend.head(),
    )
    server.start(
        Handlers(
            http=app.app,
            websocket_message=app.websocket_message,
            websocket_disconnect=app.websocket_disconnect,
        ),
        [feed],
    )
    yield f"ws://127.0.0.1:{server.ports.main}/api/sync"
    server.stop()
    if before is not None:
        bootstrap.use(before)


class Client:
    """As the npm client does: comes back, replays what it watches and has no answer to."""

    def __init__(self, address: str) -> None:
        self._address, self.times = address, 0
        self.unanswered: dict[int, str] = {}
        self.shown: list[str] = []
        self._socket: ClientConnection

    def mutate(self, number: int, label: str) -> None:
        """Send a mutation, or leave it for the next connection to send."""
        self.unanswered[number] = label
        self._send(self._mutation(number, label))

    def hear(self) -> None:
        """Take one message; come back if the connection was cut."""
        try:
            self._take(json.loads(self._socket.recv(timeout=10)))
        except ConnectionClosed:
            self.come()

    def come(self) -> None:
        """Connect, subscribe, repeat."""
        self._socket = connect(self._address, legacy=True)
        hello = {"sessionId": "s", "connectionCount": self.times, "lastCloseReason": None}
        query = {"type": "Add", "queryId": 0, "udfPath": "items:list"}
        query |= {"args": [{"group": "a"}]}
        self._send({"type": "Connect", "clientTs": 1, **hello})
        base = {"baseVersion": 0, "newVersion": 1, "modifications": [query]}
        self._send({"type": "ModifyQuerySet", **base})
        for number, label in self.unanswered.items():
            self._send(self._mutation(number, label))
        self.times += 1

    def leave(self) -> None:
        """Close."""
        self._socket.close()

    def _mutation(self, number: int, label: str) -> dict[str, Any]:
        arguments = [{"group": "a", "label": label}]
        call = {"requestId": number, "udfPath": "items:add", "args": arguments}
        return {"type": "Mutation", **call}

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.send(json.dumps(message))
        except ConnectionClosed:
            return  # it is sent again when the cut is noticed

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "MutationResponse":
            assert message["success"]
            self.unanswered.pop(message["requestId"], None)
        for change in message.get("modifications", ()):
            self.shown = change["value"]


def test_whoever_is_cut_off_comes_back_and_loses_nothing(address: str) -> None:
    client = Client(address)
    client.come()
    labels = [f"{number:03}" for number in range(40)]
    for number, label in enumerate(labels):
        client.mutate(number, label)
        if number % 10 == 9:
            time.sleep(1.8)  # the gateway looks once a second
        while client.unanswered:
            client.hear()
    while client.shown != labels:
        client.hear()
    client.leave()

    assert client.times > 2
