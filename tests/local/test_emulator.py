"""The emulator: locked, out of the way of other addresses, and gone afterwards."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from local.emulator import ENDPOINT_VARIABLE, start_emulator

TABLE = {
    "TableName": "t",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
}


def dynamodb() -> Any:
    return botocore.session.get_session().create_client("dynamodb")


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)


@pytest.fixture
def _hasty_threads() -> Iterator[None]:
    """Switch threads so often that unlocked work is torn for certain."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_hasty_threads")
def test_no_update_is_lost_when_many_meet() -> None:
    with start_emulator():
        client = dynamodb()
        client.create_table(**TABLE)

        def count(_: int) -> None:
            client.update_item(
                TableName="t",
                Key={"k": {"S": "a"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

        with ThreadPoolExecutor(16) as threads:
            list(threads.map(count, range(200)))

        item = client.get_item(TableName="t", Key={"k": {"S": "a"}})["Item"]
        assert item["n"] == {"N": "200"}


def test_one_inside_another_keeps_the_data_of_the_outer() -> None:
    with start_emulator():
        client = dynamodb()
        client.create_table(**TABLE)

        with start_emulator():
            assert client.list_tables()["TableNames"] == ["t"]

        assert client.list_tables()["TableNames"] == ["t"]


def test_each_start_is_empty() -> None:
    for _ in range(2):
        with start_emulator():
            client = dynamodb()
            assert client.list_tables()["TableNames"] == []
            client.create_table(**TABLE)


def test_calls_to_other_addresses_go_through() -> None:
    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(418)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    thread = Thread(target=server.handle_request)
    thread.start()
    with start_emulator():
        client: Any = botocore.session.get_session().create_client(
            "apigatewaymanagementapi",
            endpoint_url=f"http://127.0.0.1:{server.server_port}/s",
        )

        with pytest.raises(ClientError) as refused:
            client.post_to_connection(ConnectionId="c", Data=b"x")

    thread.join()
    server.server_close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 418


def test_a_configured_endpoint_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:1")

    with start_emulator() as emulator:
        assert emulator.endpoint == "http://127.0.0.1:1"


def test_the_environment_is_as_before_afterwards() -> None:
    before = dict(os.environ)

    with start_emulator() as emulator:
        assert emulator.region

    assert dict(os.environ) == before
