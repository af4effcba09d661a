"""The ``@connections`` API, through the client that a deployment uses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import httpx
import pytest
from botocore.config import Config
from websockets.sync.client import connect

from local.limits import KIB
from tests.local.conftest import Running, closed, only_id

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


@pytest.fixture(scope="module")
def client(as_aws: Running) -> "Iterator[ApiGatewayManagementApiClient]":
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=as_aws.server.management_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


class TestPostToConnection:
    def test_reaches_the_socket(
        self, as_aws: Running, client: "ApiGatewayManagementApiClient"
    ) -> None:
        with connect(as_aws.sync_url) as socket:
            socket.ping().wait(10)
            client.post_to_connection(ConnectionId=only_id(as_aws), Data=b'{"type":"Ping"}')

            assert socket.recv(timeout=10) == '{"type":"Ping"}'

    def test_to_nobody_is_gone(self, client: "ApiGatewayManagementApiClient") -> None:
        with pytest.raises(client.exceptions.GoneException) as gone:
            client.post_to_connection(ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")

        assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410

    def test_over_128_kib_is_too_large(
        self, as_aws: Running, client: "ApiGatewayManagementApiClient"
    ) -> None:
        with connect(as_aws.sync_url) as socket:
            socket.ping().wait(10)

            with pytest.raises(client.exceptions.PayloadTooLargeException):
                client.post_to_connection(
                    ConnectionId=only_id(as_aws), Data=b"x" * (128 * KIB + 1)
                )


class TestGetConnection:
    def test_tells_who_is_there(
        self, as_aws: Running, client: "ApiGatewayManagementApiClient"
    ) -> None:
        with connect(as_aws.sync_url, user_agent_header="tester/1") as socket:
            socket.ping().wait(10)
            found = client.get_connection(ConnectionId=only_id(as_aws))

        assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tester/1"}
        assert found["ConnectedAt"] <= found["LastActiveAt"]

    def test_of_nobody_is_gone(self, client: "ApiGatewayManagementApiClient") -> None:
        with pytest.raises(client.exceptions.GoneException):
            client.get_connection(ConnectionId="L0SM9cOFvHcCIhw=")


class TestDeleteConnection:
    def test_closes_the_socket(
        self, as_aws: Running, client: "ApiGatewayManagementApiClient"
    ) -> None:
        with connect(as_aws.sync_url) as socket:
            socket.ping().wait(10)
            client.delete_connection(ConnectionId=only_id(as_aws))

            assert closed(socket) == (1000, "Connection Closed Normally")

    def test_of_nobody_is_gone(self, client: "ApiGatewayManagementApiClient") -> None:
        with pytest.raises(client.exceptions.GoneException):
            client.delete_connection(ConnectionId="L0SM9cOFvHcCIhw=")


def test_other_paths_are_refused(as_aws: Running) -> None:
    response = httpx.get(f"{as_aws.server.management_url}/api/query")

    assert response.status_code == 403


def test_the_api_is_not_on_the_public_ports(as_aws: Running) -> None:
    paths = [as_aws.url, as_aws.site_url]
    responses = [httpx.post(f"{url}/api/@connections/x", content=b"x") for url in paths]

    assert responses[0].status_code == 403
    assert responses[1].json()["path"] == "/http/api/@connections/x"
