"""The contract of the gateway, over every adapter, with real sockets on the other end."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from websockets.sync.client import ClientConnection, connect

from chalicelib.adapters.apigateway import ApiGateway
from chalicelib.engine.errors import ConnectionGone, MessageTooLarge
from chalicelib.engine.ports import Gateway
from local.emulator import start_emulator
from local.limits import AWS
from local.ports import OwnSockets
from tests.local.conftest import FREE_PORTS, Running, closed, only_id, serving

LARGEST = 128 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(replace(FREE_PORTS, limits=AWS)) as running:
        yield running


@pytest.fixture(params=["own sockets", "api gateway"])
def gateway(request: pytest.FixtureRequest, server: Running) -> Iterator[Gateway]:
    if request.param == "own sockets":
        yield OwnSockets(server.server.connections)
        return
    with start_emulator():  # for its credentials; calls to other addresses go through
        yield ApiGateway(server.server.management_url, region="us-east-1")


@pytest.fixture
def client(server: Running) -> Iterator[ClientConnection]:
    with connect(server.sync_url, max_size=None) as client:
        client.ping().wait(10)
        yield client
    for open_socket in server.server.connections.sockets():
        server.server.connections.remove(open_socket.connection_id)


@pytest.fixture
def connection(server: Running, client: ClientConnection) -> str:
    return only_id(server)


class TestPost:
    def test_sends_messages_as_text_and_in_order(
        self, gateway: Gateway, client: ClientConnection, connection: str
    ) -> None:
        messages = [f'{{"n": {n}, "text": "ä \u2028"}}' for n in range(50)]

        for message in messages:
            gateway.post(connection, message.encode())

        assert [client.recv(timeout=10) for _ in messages] == messages

    def test_takes_the_largest_message_and_no_larger_one(
        self, gateway: Gateway, client: ClientConnection, connection: str
    ) -> None:
        with pytest.raises(MessageTooLarge):
            gateway.post(connection, b"x" * (LARGEST + 1))
        gateway.post(connection, b"x" * LARGEST)

        assert client.recv(timeout=10) == "x" * LARGEST

    @pytest.mark.parametrize("nobody", ["L0SM9cOFvHcCIhw=", "a/b?c"])
    def test_to_a_closed_socket_says_that_it_is_gone(
        self, gateway: Gateway, nobody: str
    ) -> None:
        with pytest.raises(ConnectionGone):
            gateway.post(nobody, b"{}")


class TestClose:
    def test_closes_the_socket_after_what_was_posted(
        self, gateway: Gateway, client: ClientConnection, connection: str
    ) -> None:
        gateway.post(connection, b"last words")

        gateway.close(connection, 1013, "TryAgain")

        assert client.recv(timeout=10) == "last words"
        closed(client)
        with pytest.raises(ConnectionGone):
            gateway.post(connection, b"{}")

    def test_of_a_closed_socket_is_no_error(self, gateway: Gateway) -> None:
        gateway.close("L0SM9cOFvHcCIhw=", 1000, "")
