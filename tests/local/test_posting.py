"""Posting to sockets: order, threads, sizes, and clients that do not read."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from local.connections import Gone, TooLarge
from local.limits import KIB, MIB
from tests.local.conftest import Running, closed, only_id, serving


class TestPosting:
    def test_keeps_the_order_of_one_poster(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.ping().wait(10)
            connection_id = only_id(running)
            for number in range(2000):
                running.server.connections.post(connection_id, str(number).encode())
            received = [client.recv(timeout=10) for _ in range(2000)]

        assert received == [str(number) for number in range(2000)]

    def test_keeps_the_order_of_what_is_compressed_and_what_is_not(
        self, running: Running
    ) -> None:
        sent = [str(number) * (size * KIB) for number, size in enumerate((1, 99, 1, 99, 1))]
        with connect(running.sync_url) as client:
            client.ping().wait(10)
            for text in sent:
                running.server.connections.post(only_id(running), text.encode())
            received = [client.recv(timeout=10) for _ in sent]

        assert received == sent

    def test_from_many_threads_loses_and_mixes_nothing(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.ping().wait(10)
            connection_id = only_id(running)

            def post(name: int) -> None:
                for number in range(200):
                    running.server.connections.post(
                        connection_id, f"{name} {number}".encode()
                    )

            threads = [threading.Thread(target=post, args=(name,)) for name in range(8)]
            for thread in threads:
                thread.start()
            received = [str(client.recv(timeout=10)).split() for _ in range(1600)]
            for thread in threads:
                thread.join()

        for name in range(8):
            assert [int(n) for who, n in received if who == str(name)] == [*range(200)]

    def test_to_nobody_is_gone(self, running: Running) -> None:
        with pytest.raises(Gone):
            running.server.connections.post("L0SM9cOFvHcCIhw=", b"hello")

    def test_to_a_client_that_left_is_gone(self) -> None:
        with serving() as running:
            with connect(running.sync_url) as client:
                client.ping().wait(10)
                connection_id = only_id(running)
            running.disconnections.wait()

            with pytest.raises(Gone):
                running.server.connections.post(connection_id, b"hello")

    def test_after_a_close_is_gone_and_what_was_before_arrives(
        self, running: Running
    ) -> None:
        with connect(running.sync_url) as client:
            client.ping().wait(10)
            connection_id = only_id(running)
            running.server.connections.post(connection_id, b"last")
            running.server.connections.close(connection_id, 1013, "InboxFull")
            with pytest.raises(Gone):
                running.server.connections.post(connection_id, b"too late")

            assert client.recv(timeout=10) == "last"
            assert closed(client) == (1013, "InboxFull")

    def test_over_128_kib_is_too_large_on_aws_alone(self, running: Running) -> None:
        most = running.server.settings.limits.post_bytes
        with connect(running.sync_url) as client:
            client.ping().wait(10)
            data = b"x" * (128 * KIB + 1)
            if most is None:
                running.server.connections.post(only_id(running), data)
                assert client.recv(timeout=10) == data.decode()
            else:
                with pytest.raises(TooLarge):
                    running.server.connections.post(only_id(running), data)

    def test_of_a_large_message_comes_in_frames_as_on_aws(self, as_aws: Running) -> None:
        with connect(as_aws.sync_url, max_size=(MIB, 32 * KIB)) as client:
            client.ping().wait(10)
            as_aws.server.connections.post(only_id(as_aws), b"x" * (100 * KIB))

            assert client.recv(timeout=10) == "x" * (100 * KIB)

    def test_of_a_large_message_is_compressed_locally(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.ping().wait(10)
            running.server.connections.post(only_id(running), b"x" * (200 * KIB))

            assert client.recv(timeout=10) == "x" * (200 * KIB)


@contextlib.contextmanager
def not_reading(running: Running) -> Iterator[str]:
    """Connect, and read nothing; gives the connection's id."""
    key = b"GET /api/sync HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    key += b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.server.ports.main), 10) as raw:
        raw.sendall(key)
        assert raw.recv(1000).startswith(b"HTTP/1.1 101")
        yield only_id(running)


class TestSlowClient:
    def test_that_leaves_too_much_unread_is_cut_off(self) -> None:
        with serving() as running, not_reading(running) as connection_id:
            with contextlib.suppress(Gone):
                for _ in range(200):
                    running.server.connections.post(connection_id, b"x" * MIB)
                    time.sleep(0.005)
            (event,) = running.disconnections.wait()

        assert event["requestContext"]["disconnectStatusCode"] == 1006

    def test_that_does_not_read_for_long_is_cut_off(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("local.websocket.DRAIN_S", 0.3)
        with serving() as running, not_reading(running) as connection_id:
            for _ in range(10):
                running.server.connections.post(connection_id, b"x" * MIB)
            (event,) = running.disconnections.wait()

        assert event["requestContext"]["disconnectStatusCode"] == 1006

    def test_does_not_hold_up_the_others(self) -> None:
        with serving() as running, not_reading(running) as connection_id:
            for _ in range(10):
                running.server.connections.post(connection_id, b"x" * MIB)
            with connect(running.sync_url) as quick:
                quick.send("hello")

                assert quick.recv(timeout=2) == "hello"
