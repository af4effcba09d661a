"""Ten times what the server can carry: everybody is told at once, and it is over by itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from chalicelib.engine.errors import StorageUnavailable
from local.connections import Gone
from local.lambda_host import LambdaFunction, Throttled
from local.limits import KIB
from local.ports import OwnQueue
from local.queues import Queue
from tests.local.conftest import FREE_PORTS, Running, closed, only_id, serving

CROWDED = replace(FREE_PORTS, concurrency=1)


class SlowApi:
    """Answers once it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.routes = {"/slow": {"POST": None}}
        self.api = type("Api", (), {"binary_types": []})()

    def __call__(self, event: Any, context: Any) -> Any:
        self.may_answer.wait(120)
        return {"statusCode": 200, "body": "done"}


class TestRequests:
    def test_that_are_too_many_are_told_to_come_again_and_then_are_served(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.lambda_host.MAX_WAITING", 2)
        api = SlowApi()
        with serving(CROWDED, http=api) as running, ThreadPoolExecutor(30) as pool:
            burst = [
                pool.submit(httpx.post, f"{running.url}/slow", timeout=60)
                for _ in range(30)
            ]
            while sum(f.done() for f in burst) < 27:
                time.sleep(0.01)
            api.may_answer.set()
            answers = [f.result() for f in burst]
            after = httpx.post(f"{running.url}/slow", timeout=60)

        busy = [a for a in answers if a.status_code == 503]
        assert len(busy) == 27
        assert {a.json()["code"] for a in busy} == {"TooManyConcurrentRequests"}
        assert {a.headers["retry-after"] for a in busy} == {"1"}
        assert after.status_code == 200

    def test_whose_bodies_take_too_much_are_told_so_before_they_are_read(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.gateway.HELD_BYTES", 100)
        api = SlowApi()
        with serving(http=api) as running, ThreadPoolExecutor(1) as pool:
            held = pool.submit(
                httpx.post, f"{running.url}/slow", content=b"x" * 80, timeout=60
            )
            while not running.server._functions[0].busy():
                time.sleep(0.01)
            refused = httpx.post(f"{running.url}/slow", content=b"x" * 21, timeout=60)
            api.may_answer.set()
            first = held.result()
            after = httpx.post(f"{running.url}/slow", content=b"x" * 21, timeout=60)

        assert (first.status_code, refused.status_code, after.status_code) == (
            200,
            503,
            200,
        )


class TestMessages:
    def test_that_nobody_takes_close_their_socket_so_that_its_client_backs_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.lambda_host.MAX_WAITING", 2)
        go_on = threading.Event()
        with (
            serving(CROWDED, message=lambda *_: go_on.wait(120)) as running,
            ExitStack() as opened,
        ):
            clients = [opened.enter_context(connect(running.sync_url)) for _ in range(10)]
            for client in clients:
                with suppress(ConnectionClosed):  # already, it may be
                    client.send("x")
                    client.ping().wait(10)
                running.messages.wait(1)
            ends = [closed(client) for client in clients[3:]]
            go_on.set()
            running.messages.wait(3)
            with connect(running.sync_url) as again:
                again.send("x")
                seen = running.messages.wait(4)

        assert set(ends) == {(1013, "TooManyConcurrentRequests")}
        assert len(seen) == 4

    def test_of_one_socket_are_bounded_by_their_bytes_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.websocket.OPEN_BYTES", 100 * KIB)
        go_on = threading.Event()
        with (
            serving(message=lambda *_: go_on.wait(10)) as running,
            connect(running.sync_url, compression=None) as client,
        ):
            sender = threading.Thread(target=_send_many, args=(client, 60 * KIB, 200))
            sender.start()
            running.messages.wait(1)
            time.sleep(0.3)
            early = len(running.messages.events)
            go_on.set()
            late = len(running.messages.wait(200))
            sender.join()

        assert early < 20
        assert late == 200


class TestCalls:
    def test_that_would_wait_for_long_are_refused_until_the_line_is_short(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.lambda_host.MAX_LAG_S", 0.1)
        ended: SimpleQueue[Any] = SimpleQueue()
        made = LambdaFunction(
            "tested",
            lambda _, __: time.sleep(0.06),
            concurrency=1,
            timeout_s=10,
            log=lambda _: None,
        )
        for _ in range(6):
            made.submit({}, what="x", done=ended.put)
        for _ in range(4):
            ended.get(timeout=5)

        with pytest.raises(Throttled):
            made.submit({}, what="x")

        for _ in range(2):
            ended.get(timeout=5)
        made.submit({}, what="x", done=ended.put)
        ended.get(timeout=5)
        made.stop()


class TestJobs:
    def test_that_are_too_many_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("local.queues.MAX_MESSAGES", 2)
        made = LambdaFunction(
            "tested", lambda *_: None, concurrency=1, timeout_s=1, log=lambda _: None
        )
        jobs = OwnQueue()
        jobs.queue = Queue(made, give_up=lambda _: None)
        for _ in range(2):
            jobs.send(b"{}")

        with pytest.raises(StorageUnavailable):
            jobs.send(b"{}")


@contextmanager
def not_reading(running: Running) -> Iterator[tuple[str, socket.socket]]:
    """Connect, and read nothing; gives the connection's id, and the way to read after all."""
    key = b"GET /api/sync HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    key += b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.server.ports.main), 10) as raw:
        raw.sendall(key)
        assert raw.recv(4096).startswith(b"HTTP/1.1 101")
        yield only_id(running), raw


class TestClientsThatAreBehind:
    def test_are_known_and_it_is_told_once_when_they_have_caught_up(self) -> None:
        drained: SimpleQueue[str] = SimpleQueue()
        with serving() as running, not_reading(running) as (connection_id, raw):
            connections = running.server.connections
            connections.on_drained = drained.put
            posted = 0
            while connections.unsent(connection_id) < 2:
                connections.post(connection_id, b"x" * 500 * KIB)
                posted += 1
                time.sleep(0.01)
            assert drained.empty()

            unread = threading.Thread(target=_read_all, args=(raw,), daemon=True)
            unread.start()
            told = drained.get(timeout=10)

            assert told == connection_id
            assert connections.unsent(connection_id) == 0
            assert drained.empty()

    def test_are_not_those_whose_messages_wait_for_the_server(self) -> None:
        drained: SimpleQueue[str] = SimpleQueue()
        with serving() as running, not_reading(running) as (connection_id, _):
            connections = running.server.connections
            connections.on_drained = drained.put
            for _ in range(1000):
                connections.post(connection_id, b"x")
                assert connections.unsent(connection_id) == 0

            assert drained.empty()

    def test_are_never_behind_once_they_are_gone(self, running: Running) -> None:
        assert running.server.connections.unsent("L0SM9cOFvHcCIhw=") == 0
        with pytest.raises(Gone):
            running.server.connections.post("L0SM9cOFvHcCIhw=", b"x")


def _send_many(client: ClientConnection, size: int, number: int) -> None:
    for _ in range(number):
        client.send("x" * size)


def _read_all(raw: socket.socket) -> None:
    try:
        while raw.recv(1 << 20):
            pass
    except OSError:
        return
