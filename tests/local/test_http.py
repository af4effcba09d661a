"""REST requests through the gateway: the event that a handler gets, the response it gives."""

import socket
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from local.events import Event
from local.http import HttpRequest
from local.limits import AWS, LOCAL, MIB, Limits
from tests.local.conftest import FREE_PORTS, Running, serving


class BareApi:
    """A REST API that is one function."""

    def __init__(self, answer: Callable[[Event, object], Any], *paths: str) -> None:
        self._answer = answer
        self.routes = {path: {"GET": None} for path in paths}
        self.api = types.SimpleNamespace(binary_types=[])

    def __call__(self, event: Event, context: object) -> Any:
        return self._answer(event, context)


class TestTheEvent:
    def test_names_the_resource_the_method_and_the_stage(self, running: Running) -> None:
        event = httpx.get(f"{running.url}/api/query").json()

        context = event["requestContext"]
        assert (event["resource"], event["path"]) == ("/api/query", "/api/query")
        assert (context["resourcePath"], context["httpMethod"]) == ("/api/query", "GET")
        assert (context["stage"], context["path"]) == ("api", "/api/api/query")
        assert context["identity"]["sourceIp"] == "127.0.0.1"
        assert event["body"] is None

    def test_decodes_the_query_and_keeps_every_value(self, running: Running) -> None:
        event = httpx.get(f"{running.url}/api/query?a=1&a=2%2F3&b=&c=x+y").json()

        assert event["queryStringParameters"] == {"a": "2/3", "b": "", "c": "x y"}
        assert event["multiValueQueryStringParameters"] == {
            "a": ["1", "2/3"],
            "b": [""],
            "c": ["x y"],
        }

    def test_has_no_query_where_there_is_none(self, running: Running) -> None:
        event = httpx.get(f"{running.url}/api/query").json()

        assert event["queryStringParameters"] is None
        assert event["multiValueQueryStringParameters"] is None
        assert event["pathParameters"] is None

    def test_keeps_every_value_of_a_header(self, running: Running) -> None:
        event = httpx.get(
            f"{running.url}/api/query", headers=[("X-Many", "1"), ("X-Many", "2")]
        ).json()

        assert event["headers"]["x-many"] == "2"
        assert event["multiValueHeaders"]["x-many"] == ["1", "2"]

    def test_names_the_hops_before_the_gateway(self, running: Running) -> None:
        event = httpx.get(
            f"{running.url}/api/query", headers={"X-Forwarded-For": "10.0.0.9"}
        ).json()

        assert event["headers"]["x-forwarded-for"] == "10.0.0.9, 127.0.0.1"
        assert event["headers"]["x-forwarded-proto"] == "http"

    def test_carries_text_as_text(self, running: Running) -> None:
        event = httpx.post(f"{running.url}/api/query", json={"path": "é"}).json()

        assert event["body"] == '{"path":"é"}'
        assert event["isBase64Encoded"] is False

    def test_carries_binary_types_as_base64(self, running: Running) -> None:
        event = httpx.put(
            f"{running.url}/http/up",
            content=b"\x00\xff",
            headers={"Content-Type": "application/octet-stream", "Accept": "*/*"},
        ).json()

        assert (event["body"], event["isBase64Encoded"]) == ("AP8=", True)

    def test_keeps_a_path_percent_encoded(self, running: Running) -> None:
        event = httpx.get(f"{running.url}/http/a%2Fb/c%20d").json()

        assert event["resource"] == "/http/{proxy+}"
        assert event["path"] == "/http/a%2Fb/c%20d"
        assert event["pathParameters"] == {"proxy": "a%2Fb/c%20d"}

    def test_of_the_site_port_is_under_http(self, running: Running) -> None:
        event = httpx.post(f"{running.site_url}/hooks/stripe?x=1", content=b"hi").json()

        assert event["path"] == "/http/hooks/stripe"
        assert event["pathParameters"] == {"proxy": "hooks/stripe"}
        assert event["queryStringParameters"] == {"x": "1"}

    def test_of_a_doubled_slash_is_that_of_one(self, running: Running) -> None:
        event = httpx.get(f"{running.url}//api/query").json()

        assert event["path"] == "/api/query"


class TestTheResponse:
    def test_keeps_every_value_of_a_header(self, running: Running) -> None:
        response = httpx.get(f"{running.url}/cookies")

        assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert response.text == "hi"

    def test_is_decoded_from_base64(self, running: Running) -> None:
        response = httpx.get(
            f"{running.url}/bytes", headers={"Accept": "application/octet-stream"}
        )

        assert response.content == bytes(range(256))

    def test_of_an_unknown_path_or_method_is_refused(self, running: Running) -> None:
        responses = [
            httpx.get(f"{running.url}/nowhere"),
            httpx.delete(f"{running.url}/api/query"),
        ]

        assert [response.status_code for response in responses] == [403, 403]
        assert responses[0].json() == {"message": "Missing Authentication Token"}

    def test_answers_a_preflight_for_a_resource_with_cors(self, running: Running) -> None:
        response = httpx.options(f"{running.url}/api/query")

        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://a.example"
        assert response.headers["access-control-allow-methods"] == "GET,POST,OPTIONS"

    def test_of_the_gateway_itself_can_be_read_by_a_page(self, running: Running) -> None:
        response = httpx.get(
            f"{running.url}/nowhere", headers={"Origin": "https://b.example"}
        )

        assert response.headers["access-control-allow-origin"] == "https://b.example"

    def test_is_502_when_the_handler_raises_or_answers_nonsense(self) -> None:
        def broken(event: Event, context: object) -> Any:
            if event["path"] == "/raise":
                raise RuntimeError("broken")
            return None if event["path"] == "/none" else {"statusCode": "?"}

        with serving(http=BareApi(broken, "/raise", "/none", "/odd")) as running:
            responses = [
                httpx.get(running.url + path) for path in ("/raise", "/none", "/odd")
            ]

        assert [response.status_code for response in responses] == [502, 502, 502]
        assert responses[0].json() == {"message": "Internal server error"}

    def test_is_504_when_the_handler_takes_too_long(self) -> None:
        def slow(event: Event, context: object) -> Event:
            time.sleep(2)
            return {"statusCode": 200}

        impatient = replace(FREE_PORTS, limits=replace(LOCAL, integration_s=0.1))
        with serving(impatient, http=BareApi(slow, "/slow")) as running:
            response = httpx.get(f"{running.url}/slow", timeout=10)

        assert response.status_code == 504
        assert [call.status for call in running.calls] == [504]


class TestTheLimits:
    @pytest.mark.parametrize("limits", [AWS, LOCAL], ids=["aws", "local"])
    def test_refuse_a_body_by_its_announced_length(self, limits: Limits) -> None:
        with serving(replace(FREE_PORTS, limits=limits)) as running:
            response = httpx.post(
                f"{running.url}/api/query", content=b" " * (limits.request_bytes + 1)
            )

        assert response.status_code == 413
        assert response.json() == {"message": "Request Too Long"}

    def test_refuse_a_body_that_announces_nothing(self, as_aws: Running) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(11):
                yield b" " * MIB

        response = httpx.post(f"{as_aws.url}/api/query", content=chunks())

        assert response.status_code == 413

    def test_refuse_what_lambda_cannot_take(self, as_aws: Running) -> None:
        response = httpx.post(f"{as_aws.url}/http/big", content=b" " * (7 * MIB))

        assert response.status_code == 413

    def test_refuse_an_answer_that_lambda_cannot_give(self, as_aws: Running) -> None:
        response = httpx.get(f"{as_aws.url}/long/{7 * MIB}")

        assert response.status_code == 502

    def test_let_a_large_body_through_locally(self) -> None:
        with serving() as running:
            response = httpx.get(f"{running.url}/long/{7 * MIB}")

        assert len(response.content) == 7 * MIB


class TestMountedRoutes:
    def test_are_served_by_the_gateway_on_the_main_port_only(self) -> None:
        def health(request: HttpRequest) -> tuple[int, dict[str, str], bytes]:
            return 200, {"content-type": "text/plain"}, request.query.encode()

        with serving(mounts={"/health": health}) as running:
            main = httpx.get(f"{running.url}/health?deep=1")
            site = httpx.get(f"{running.site_url}/health").json()

        assert (main.status_code, main.text) == (200, "deep=1")
        assert site["path"] == "/http/health"

    def test_that_fail_are_answered_502(self) -> None:
        def broken(request: HttpRequest) -> Any:
            raise RuntimeError("broken")

        with serving(mounts={"/ready": broken}) as running:
            response = httpx.get(f"{running.url}/ready")

        assert response.status_code == 502


class TestBadHttp:
    def test_gets_an_answer_and_never_a_hang(self, running: Running) -> None:
        with socket.create_connection(("127.0.0.1", running.server.ports.main), 5) as raw:
            raw.sendall(b"this is not HTTP\r\n\r\n")
            answer = raw.recv(1000)

        assert answer.startswith(b"HTTP/1.1 400")

    def test_of_one_client_does_not_disturb_another(self, running: Running) -> None:
        with socket.create_connection(("127.0.0.1", running.server.ports.main), 5) as raw:
            raw.sendall(b"POST /api/query HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
            response = httpx.get(f"{running.url}/api/query")

        assert response.status_code == 200
