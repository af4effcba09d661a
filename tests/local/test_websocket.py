"""Sockets through the gateway: what a handler gets, what a client gets, and the limits."""

import base64
import contextlib
import json
import socket
import threading
import time
from dataclasses import replace
from typing import Literal

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from local.events import Event
from local.limits import AWS, KIB, LOCAL, MIB
from tests.local.conftest import FREE_PORTS, Running, closed, only_id, serving


def ignore(running: Running, event: object) -> None:
    """Handle a message without a word."""


class TestConnecting:
    @pytest.mark.parametrize(
        "path",
        [
            "/api/sync",
            "/api/1.48.0/sync",
            "/api/1.28.0-alpha.3/sync",
            "//api/0.8.1/sync",
            "/stage/api/1.48.0/sync",
            "/api/sync?x=1",
        ],
    )
    def test_works_on_every_path_that_clients_use(
        self, running: Running, path: str
    ) -> None:
        with connect(f"ws://127.0.0.1:{running.server.ports.main}{path}") as client:
            client.send("hello")

            assert client.recv(timeout=10) == "hello"

    @pytest.mark.parametrize("path", ["/", "/api/query", "/api/latest/sync", "/apis/sync"])
    def test_is_refused_elsewhere(self, running: Running, path: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{running.server.ports.main}{path}").__enter__()

        assert refused.value.response.status_code == 403

    def test_is_refused_on_the_other_ports(self, running: Running) -> None:
        ports = running.server.ports
        for port in (ports.site, ports.management):
            with pytest.raises(InvalidStatus):
                connect(f"ws://127.0.0.1:{port}/api/sync").__enter__()

    def test_agrees_on_compression(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            assert client.response is not None
            accepted = client.response.headers["Sec-WebSocket-Extensions"]
            client.send("compressed " * 100)

            assert accepted.startswith("permessage-deflate")
            assert client.recv(timeout=10) == "compressed " * 100

    def test_works_without_compression(self, running: Running) -> None:
        with connect(running.sync_url, compression=None) as client:
            client.send("plain")

            assert client.recv(timeout=10) == "plain"


class TestMessageEvent:
    def test_is_that_of_api_gateway(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.send('{"type":"Connect","a":"é"}')
            client.recv(timeout=10)
            event = running.messages.wait()[0]["event"]
            info = running.server.connections.info(only_id(running))

        context = event["requestContext"]
        assert (event["body"], event["isBase64Encoded"]) == (
            '{"type":"Connect","a":"é"}',
            False,
        )
        assert (context["routeKey"], context["eventType"]) == ("$default", "MESSAGE")
        assert (context["messageDirection"], context["stage"]) == ("IN", "api")
        assert context["connectionId"] == info.connection_id
        assert context["connectedAt"] == info.connected_ms <= context["requestTimeEpoch"]
        assert context["identity"]["sourceIp"] == "127.0.0.1"
        assert context["identity"]["userAgent"] == info.user_agent
        assert {"messageId", "requestId", "extendedRequestId", "requestTime"} <= set(
            context
        )
        assert {"domainName", "apiId"} <= set(context)

    def test_names_connections_as_api_gateway_does(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.send("x")
            event = running.messages.wait()[0]["event"]

        connection_id = event["requestContext"]["connectionId"]
        assert len(connection_id) == 16
        assert len(base64.urlsafe_b64decode(connection_id)) == 11

    def test_comes_with_a_context_whose_clock_runs(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.send("x")
            context = running.messages.wait()[0]["context"]
            first = context.get_remaining_time_in_millis()
            time.sleep(0.02)
            second = context.get_remaining_time_in_millis()

        assert context.function_name == "websocket_message"
        assert second < first <= LOCAL.integration_s * 1000

    def test_is_logged_with_the_type_of_the_message(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.send('{"type": "ModifyQuerySet", "baseVersion": 0}')
            client.recv(timeout=10)

        record = next(
            call for call in running.calls if call.function == "websocket_message"
        )
        assert (record.what, record.status) == ("ModifyQuerySet", 200)
        assert record.ms >= 0

    def test_of_a_fragmented_message_is_one(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.send(["frag", "men", "ted é"])

            assert client.recv(timeout=10) == "fragmented é"


class TestHandlers:
    def test_run_several_at_a_time_for_one_connection(self) -> None:
        both = threading.Barrier(2, timeout=10)

        def meet(running: Running, event: Event) -> None:
            both.wait()
            running.server.connections.post(
                event["requestContext"]["connectionId"], event["body"].encode()
            )

        with serving(message=meet) as running, connect(running.sync_url) as client:
            client.send("a")
            client.send("b")
            answers = {client.recv(timeout=10), client.recv(timeout=10)}

        assert answers == {"a", "b"}

    def test_begin_in_the_order_of_the_messages(self) -> None:
        alone = replace(FREE_PORTS, concurrency=1)
        with serving(alone, message=ignore) as running, connect(running.sync_url) as client:
            for number in range(200):
                client.send(str(number))
            seen = running.messages.wait(200)

        assert [one["event"]["body"] for one in seen] == [str(n) for n in range(200)]

    @pytest.mark.parametrize("message", ["raise", "status 500"])
    def test_that_fail_make_the_client_an_error_frame(
        self, running: Running, message: str
    ) -> None:
        with connect(running.sync_url) as client:
            client.send(message)
            frame = json.loads(client.recv(timeout=10))
            connection_id = only_id(running)

        assert frame["message"] == "Internal server error"
        assert frame["connectionId"] == connection_id
        assert set(frame) == {"message", "connectionId", "requestId"}

    def test_that_take_too_long_make_the_client_an_error_frame(self) -> None:
        stop = threading.Event()
        impatient = replace(FREE_PORTS, limits=replace(AWS, integration_s=0.1))
        with (
            serving(impatient, message=lambda *_: stop.wait(10)) as running,
            connect(running.sync_url) as client,
        ):
            client.send("x")
            frame = json.loads(client.recv(timeout=10))
            stop.set()

        assert frame["message"] == "Endpoint request timed out"

    def test_that_are_slow_hold_back_the_client_that_floods_them(self) -> None:
        stop = threading.Event()
        total = 3000
        crowd = replace(FREE_PORTS, concurrency=2)
        with (
            serving(crowd, message=lambda *_: stop.wait(10)) as running,
            connect(running.sync_url) as client,
        ):
            for _ in range(total):
                client.send("x")
            time.sleep(0.2)
            stop.set()
            seen = running.messages.wait(total)

        assert len(seen) == total


class TestDisconnectEvent:
    def test_carries_the_code_and_reason_of_the_client(self) -> None:
        with serving() as running:
            with connect(running.sync_url) as client:
                client.send("x")
                client.recv(timeout=10)
                connection_id = only_id(running)
                client.close(4040, "enough")
            (event,) = running.disconnections.wait()

        context = event["requestContext"]
        assert (context["routeKey"], context["eventType"]) == ("$disconnect", "DISCONNECT")
        assert context["connectionId"] == connection_id
        assert context["disconnectStatusCode"] == 4040
        assert context["disconnectReason"] == "enough"

    def test_comes_after_a_cut_connection_too(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            client.socket.shutdown(socket.SHUT_RDWR)
            (event,) = running.disconnections.wait()

        assert event["requestContext"]["disconnectStatusCode"] == 1006

    def test_comes_once_for_a_socket_that_the_server_closed(self) -> None:
        with serving() as running:
            with connect(running.sync_url):
                running.server.connections.close(only_id(running), 1013, "full")
                running.disconnections.wait()
            time.sleep(0.05)

        assert len(running.disconnections.events) == 1


class TestLimits:
    def test_a_frame_over_32_kib_closes_with_1009(self, as_aws: Running) -> None:
        with connect(as_aws.sync_url) as client:
            client.send("x" * (32 * KIB))
            assert len(client.recv(timeout=10)) == 32 * KIB
            client.send("x" * (32 * KIB + 1))

            assert closed(client)[0] == 1009

    def test_a_frame_counts_as_large_as_it_is_unpacked(self, as_aws: Running) -> None:
        with connect(as_aws.sync_url, compression=None) as plain:
            plain.send("x" * (32 * KIB + 1))
            assert closed(plain)[0] == 1009
        with connect(as_aws.sync_url, compression="deflate") as packed:
            packed.send("x" * (32 * KIB + 1))
            assert closed(packed)[0] == 1009

    @pytest.mark.parametrize("compression", [None, "deflate"])
    def test_a_message_over_128_kib_closes_with_1009(
        self, as_aws: Running, compression: Literal["deflate"] | None
    ) -> None:
        piece = "x" * (32 * KIB)
        with connect(as_aws.sync_url, compression=compression) as client:
            client.send([piece, piece, piece, piece[:-100]])
            assert client.recv(timeout=10) == (piece * 4)[:-100]
            with contextlib.suppress(ConnectionClosed):
                client.send([piece, piece, piece, piece, "x"])

            assert closed(client)[0] == 1009

    def test_the_close_frame_reaches_a_client_that_is_still_sending(
        self, as_aws: Running
    ) -> None:
        with connect(as_aws.sync_url, compression=None) as client:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(100):
                    client.send("x" * MIB)

            assert closed(client)[0] == 1009

    def test_are_wide_locally(self) -> None:
        with serving() as running, connect(running.sync_url, max_size=None) as client:
            client.send("x" * (5 * MIB))

            assert client.recv(timeout=10) == "x" * (5 * MIB)

    def test_an_idle_socket_is_closed(self) -> None:
        sleepy = replace(FREE_PORTS, limits=replace(AWS, idle_s=0.5))
        with serving(sleepy) as running, connect(running.sync_url) as client:
            assert closed(client)[0] == 1001

    def test_an_old_socket_is_closed(self) -> None:
        brief = replace(FREE_PORTS, limits=replace(AWS, lifetime_s=0.5))
        with serving(brief) as running, connect(running.sync_url) as client:
            assert closed(client)[0] == 1001


class TestBadFrames:
    def test_binary_closes_with_1003(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.send(b"bytes")

            assert closed(client)[0] == 1003

    def test_text_that_is_not_utf8_closes_with_1007(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.send(b"\xff\xfe", text=True)

            assert closed(client)[0] == 1007

    def test_an_unmasked_frame_closes_with_1002(self, running: Running) -> None:
        with connect(running.sync_url) as client:
            client.socket.sendall(b"\x81\x02hi")

            assert closed(client)[0] == 1002

    def test_messages_before_a_bad_frame_are_handled(self) -> None:
        with serving() as running, connect(running.sync_url) as client:
            with client.protocol_mutex:
                client.protocol.send_text(b"first")
                client.protocol.send_binary(b"second")
                client.send_data()
            event = running.messages.wait()[0]["event"]

        assert event["body"] == "first"


class TestStopping:
    def test_closes_the_sockets_with_1001_and_tells_the_handler(self) -> None:
        with contextlib.ExitStack() as clients:
            with serving() as running:
                client = clients.enter_context(connect(running.sync_url))
                client.ping().wait(10)
            began = time.monotonic()

            assert closed(client)[0] == 1001
            assert time.monotonic() - began < 1
        assert len(running.disconnections.events) == 1

    def test_takes_less_than_three_seconds_with_a_handler_that_hangs(self) -> None:
        hang = threading.Event()
        with contextlib.ExitStack() as clients:
            with serving(message=lambda *_: hang.wait(20)) as running:
                clients.enter_context(connect(running.sync_url)).send("x")
                running.messages.wait()
                began = time.monotonic()
            took = time.monotonic() - began
            hang.set()

        assert took < 3

    def test_frees_the_ports(self) -> None:
        with serving() as running:
            ports = running.server.ports

        again = replace(FREE_PORTS, port=ports.main, site_port=ports.site)
        with serving(again) as second, connect(second.sync_url) as client:
            client.send("hello")
            assert client.recv(timeout=10) == "hello"
