"""HTTP functions as clients reach them: a test a row of the protocol's section 8.

Each is asked at the site's port, under ``/http`` at the main port, and as AWS has it: one
origin, whose events go to the Chalice app.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Protocol
from urllib.parse import parse_qs

import pytest

import app
from chalicelib import bootstrap
from chalicelib.engine.limits import MAX_HTTP_ACTION_BODY_BYTES
from local.files import app_routes
from local.limits import AWS
from local.server import Handlers, LocalServer, Settings
from tests.conftest import LogOf
from tests.entrypoints.deployment import CLOUD_URL, OTHER_KEY, Place, rest_event, token
from tests.trial import TRACES

SIX = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EVERY_BYTE = bytes(range(256))


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str]

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)


class Origin(Protocol):
    """Where an app's HTTP functions are."""

    host: str

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request and return what is answered."""
        ...


class Port:
    """A port of the local server."""

    def __init__(self, port: int, prefix: str = "") -> None:
        self.port, self._prefix = port, prefix
        self.host = f"127.0.0.1:{port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method, self._prefix + path, body or None, dict(headers or {})
            )
            answered = connection.getresponse()
            read = answered.read()
        finally:
            connection.close()
        found = {name.lower(): text for name, text in answered.getheaders()}
        cookies = answered.headers.get_all("set-cookie") or []
        return Reply(answered.status, found, read, cookies)


class OneOrigin:
    """The REST API of a deployment on AWS, as its events show it."""

    host = "api.example"

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        bare, _, query = path.partition("?")
        sent = {"Host": self.host, **(headers or {})}
        event = rest_event(method, self._prefix + bare, body or None, sent, None)
        event["headers"] = sent
        event["multiValueHeaders"] = {name: [text] for name, text in sent.items()}
        if query:
            many = parse_qs(query, keep_blank_values=True)
            event["multiValueQueryStringParameters"] = many
            event["queryStringParameters"] = {name: v[-1] for name, v in many.items()}
        answered = app.app(event, None)
        text: str = answered["body"]
        is_base64 = answered.get("isBase64Encoded", False)
        return Reply(
            answered["statusCode"],
            {name.lower(): value for name, value in answered["headers"].items()},
            base64.b64decode(text) if is_base64 else text.encode(),
            answered["multiValueHeaders"].get("Set-Cookie", []),
        )


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    running = LocalServer(Settings(port=0, site_port=0), streamed=[app_routes()])
    running.start(Handlers(http=app.app, websocket_message=app.websocket_message))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def place() -> Iterator[Place]:
    """The site, deployed; an origin may deploy it anew, over a log of another adapter."""
    yield Place(apps=("tests.apps.site",))
    bootstrap._in_use.clear()


ORIGINS = (
    "site port",
    "main port",
    "aws under /http",
    "aws",
    "aws, over sqlite",
    "aws, over dynamodb",
)


@pytest.fixture(params=ORIGINS)
def origin(request: pytest.FixtureRequest, server: LocalServer, log_of: LogOf) -> Origin:
    place, _, adapter = request.param.partition(", over ")
    if adapter:
        Place(apps=("tests.apps.site",), persistence=log_of(adapter))
    origins: dict[str, Origin] = {
        "site port": Port(server.ports.site),
        "main port": Port(server.ports.main, "/http"),
        "aws": OneOrigin(),
        "aws under /http": OneOrigin("/http"),
    }
    found: Origin = origins[place]
    return found


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


class TestRouting:
    @pytest.mark.parametrize("method", SIX)
    def test_an_exact_path_answers_by_its_method(self, origin: Origin, method: str) -> None:
        reply = origin.ask("/exact", method)

        assert (reply.status, reply.json["by"]) == (200, "exact")
        assert (reply.json["method"], reply.json["path"]) == (method, "/exact")

    @pytest.mark.parametrize(
        ("path", "by"),
        [
            ("/exact", "exact"),
            ("/exact/", "prefix"),
            ("/exact/a/b", "prefix"),
            ("/exact/longer", "prefix"),
            ("/exact/longer/a", "longer prefix"),
        ],
    )
    def test_exact_paths_come_first_then_the_longest_prefix(
        self, origin: Origin, path: str, by: str
    ) -> None:
        reply = origin.ask(path)

        assert (reply.json["by"], reply.json["path"]) == (by, path)

    def test_head_is_get_without_its_body(self, origin: Origin) -> None:
        read, asked = origin.ask("/exact"), origin.ask("/exact", "HEAD")

        assert (asked.status, asked.body) == (200, b"")
        assert asked.headers["content-type"] == read.headers["content-type"]
        # It says HEAD where GET says GET.
        assert int(asked.headers["content-length"]) == len(read.body) + 1

    @pytest.mark.parametrize(
        ("method", "path"), [("GET", "/nothing"), ("POST", "/exact/a"), ("DELETE", "/who")]
    )
    def test_what_nothing_answers_is_404_and_says_so(
        self, origin: Origin, method: str, path: str
    ) -> None:
        reply = origin.ask(path, method)

        assert reply.status == 404
        assert reply.body == f"No HttpAction routed for {path}".encode()
        assert reply.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/", ""])
def test_the_root_of_the_site_is_the_apps(server: LocalServer, path: str) -> None:
    for port in (Port(server.ports.site), Port(server.ports.main, "/http")):
        assert port.ask(path or "/").json["by"] == "root"


def test_a_path_that_only_begins_like_the_prefix_keeps_it() -> None:
    reply = OneOrigin().ask("/httpexact")

    assert reply.body == b"No HttpAction routed for /httpexact"


class TestBodies:
    @pytest.mark.parametrize(
        "kind",
        [
            "application/octet-stream",
            "application/vnd.apache.parquet",
            "image/tiff",
            "application/json",
            "text/plain; charset=iso-8859-1",
            "multipart/form-data; boundary=x",
            "nonsense",
        ],
    )
    @pytest.mark.parametrize("body", [EVERY_BYTE, "é€😀".encode(), b""])
    def test_of_any_type_come_in_and_go_out_as_they_are(
        self, origin: Origin, kind: str, body: bytes
    ) -> None:
        reply = origin.ask("/mirror", "POST", body, {"Content-Type": kind})

        assert (reply.status, reply.headers["content-type"]) == (200, kind)
        assert reply.body == body

    def test_need_no_type(self, origin: Origin) -> None:
        reply = origin.ask("/mirror", "POST", EVERY_BYTE, {"Content-Length": "256"})

        assert (reply.status, reply.body) == (200, EVERY_BYTE)

    def test_go_to_clients_that_name_no_type_or_another_one(self, origin: Origin) -> None:
        for accept in ({}, {"Accept": "text/html"}):
            reply = origin.ask("/mirror", "POST", EVERY_BYTE, accept)

            assert reply.body == EVERY_BYTE

    @pytest.mark.parametrize("port", ["site", "main"])
    def test_may_have_20_mib(self, server: LocalServer, port: str) -> None:
        here = (
            Port(server.ports.site) if port == "site" else Port(server.ports.main, "/http")
        )
        most = bytes(MAX_HTTP_ACTION_BODY_BYTES)

        fits = here.ask("/measure", "POST", most)
        too_long = here.ask("/measure", "POST", most + b"!", {"Expect": "100-continue"})

        assert (fits.status, fits.json) == (200, len(most))
        assert too_long.status == 413


@pytest.fixture(scope="module")
def site_with_limits() -> Iterator[Port]:
    running = LocalServer(Settings(port=0, site_port=0, limits=AWS))
    running.start(Handlers(http=app.app, websocket_message=app.websocket_message))
    yield Port(running.ports.site)
    running.stop()


class TestBodiesOnAws:
    """An event and an answer of Lambda have 6 MiB, of which base64 takes a quarter."""

    def test_of_requests_may_have_4_5_mib(self, site_with_limits: Port) -> None:
        most = 4_718_592

        assert site_with_limits.ask("/measure", "POST", bytes(most)).json == most
        assert site_with_limits.ask("/measure", "POST", bytes(most + 1)).status == 413

    @pytest.mark.parametrize(("kind", "most"), [("text", 6_291_456), ("image", 4_718_592)])
    def test_of_answers_may_have_as_much_and_text_more(
        self, site_with_limits: Port, kind: str, most: int
    ) -> None:
        assert len(site_with_limits.ask(f"/long/{kind}/{most}").body) == most
        assert site_with_limits.ask(f"/long/{kind}/{most + 1}").status == 502


class TestUrl:
    @pytest.mark.parametrize(
        ("headers", "begins"),
        [
            ({}, "http://{host}"),
            ({"X-Forwarded-Proto": "https"}, "https://{host}"),
            ({"X-Forwarded-Proto": "https, http"}, "https://{host}"),
            ({"Forwarded": "for=192.0.2.1;proto=https"}, "https://{host}"),
            ({"Forwarded": 'proto=https;host="a.example:8443"'}, "https://a.example:8443"),
            ({"Forwarded": "Host=a.example, host=b.example"}, "http://a.example"),
            ({"X-Forwarded-Host": "a.example, b.example"}, "http://a.example"),
            ({"Host": "b.example"}, "http://b.example"),
        ],
    )
    def test_is_the_address_that_the_client_wrote(
        self, origin: Origin, headers: dict[str, str], begins: str
    ) -> None:
        reply = origin.ask("/exact/a%20b?x=1&x=%C3%A9+", headers=headers)

        expected = begins.format(host=origin.host) + "/exact/a%20b?x=1&x=%C3%A9+"
        assert reply.json["url"] == expected
        assert reply.json["query"] == {"x": "é "}

    def test_has_no_query_where_there_is_none(self, origin: Origin) -> None:
        assert origin.ask("/exact").json["url"] == f"http://{origin.host}/exact"


class TestHeaders:
    def test_of_one_name_are_joined(self, origin: Origin) -> None:
        assert origin.ask("/exact", headers={"X-Mark": "a, b"}).json["mark"] == "a, b"

    def test_are_those_of_the_client(self, origin: Origin) -> None:
        reply = origin.ask("/exact", headers={"Accept": "image/*"})

        assert reply.json["accept"] == "image/*"

    def test_may_name_a_client_that_the_function_api_would_not_know(
        self, origin: Origin
    ) -> None:
        assert origin.ask("/exact", headers={"Convex-Client": "me"}).status == 200

    def test_may_come_several_times(self, origin: Origin) -> None:
        assert origin.ask("/cookies").cookies == ["a=1", "b=2; Path=/"]

    def test_let_no_other_site_read_the_answer(self, origin: Origin) -> None:
        reply = origin.ask("/exact", headers={"Origin": "https://a.example"})

        assert not any(name.startswith("access-control") for name in reply.headers)


class TestAuthorization:
    @pytest.mark.parametrize("path", ["/who", "/who/by-query"])
    def test_sets_the_identity_if_it_is_a_valid_token(
        self, origin: Origin, path: str
    ) -> None:
        assert origin.ask(path, headers=bearer(token("ann"))).json == "ann"

    @pytest.mark.parametrize("path", ["/who", "/who/by-query"])
    def test_is_not_needed(self, origin: Origin, path: str) -> None:
        assert origin.ask(path).json is None

    @pytest.mark.parametrize(
        "header",
        [
            bearer("x.y.z"),
            bearer(token(lasts_s=-60)),
            bearer(token(key=OTHER_KEY)),
            {"Authorization": "Basic YTpi"},
            {"Authorization": "Convex prod|wrong"},
        ],
    )
    def test_that_is_not_valid_is_an_error_only_when_it_is_used(
        self, origin: Origin, header: dict[str, str]
    ) -> None:
        assert origin.ask("/exact", headers=header).status == 200
        assert origin.ask("/who").json is None

        for path in ("/who", "/who/by-query"):
            reply = origin.ask(path, headers=header)

            assert reply.status == 500
            assert reply.json["data"]["code"] == "AUTHENTICATION_ERROR"


def test_functions_know_where_their_deployment_is(origin: Origin) -> None:
    told = origin.ask("/addresses").json

    assert told == [[CLOUD_URL, f"{CLOUD_URL}/http"]] * 3


class TestErrors:
    def test_that_nobody_caught_are_500_with_code_and_trace(self, origin: Origin) -> None:
        reply = origin.ask("/crash")

        assert (reply.status, reply.headers["content-type"]) == (500, "application/json")
        trace = "Uncaught ZeroDivisionError: password=hunter2"
        assert reply.json["trace"] == trace
        assert reply.json["code"].startswith("[Request ID: ")
        assert reply.json["code"].endswith(f"] Server Error: {trace}")
        assert "data" not in reply.json

    def test_of_the_application_bring_their_data(self, origin: Origin) -> None:
        reply = origin.ask("/refuse")

        assert reply.status == 500
        assert reply.json["data"] == {
            "code": "CONFLICT",
            "message": "not today",
            "details": {"stands": 3},
        }

    def test_are_kept_from_clients_where_they_are_redacted(self, origin: Origin) -> None:
        Place(redacted=True, apps=("tests.apps.site",))

        reply = origin.ask("/crash")

        assert reply.status == 500
        assert not any(trace in reply.body.decode() for trace in (*TRACES, "ZeroDivision"))

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("/split", "header 'X-Mark' is not one printable line"),
            ("/cookies/split", "header 'Set-Cookie' is not one printable line"),
            ("/cookies/twice", "header 'x-mark' is in headers and in repeated"),
            ("/odd", "answered 42"),
        ],
    )
    def test_in_the_answer_itself_are_bugs_of_the_function(
        self, origin: Origin, path: str, why: str
    ) -> None:
        reply = origin.ask(path)

        assert reply.status == 500
        assert why in reply.json["trace"]


def test_what_a_function_logs_goes_to_the_servers_log(
    origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="geoflow"):
        reply = origin.ask("/say")

    assert (reply.status, reply.body) == (204, b"")
    said = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert ("INFO", "GET /say: 'hello' 1") in said
    assert ("WARNING", "GET /say: 'careful'") in said


class TestStreamed:
    def test_bodies_come_and_go_in_pieces_where_the_server_streams(
        self, origin: Origin
    ) -> None:
        reply = origin.ask("/stream", "POST", EVERY_BYTE)

        assert (reply.status, reply.body) == (200, EVERY_BYTE)
        assert reply.headers["x-streamed"] == str(isinstance(origin, Port))

    def test_bodies_may_be_larger_than_others(self, server: LocalServer) -> None:
        body = bytes(MAX_HTTP_ACTION_BODY_BYTES + 1)

        reply = Port(server.ports.site).ask("/stream", "POST", body)

        assert (reply.status, reply.body == body) == (200, True)

    def test_head_has_the_length_that_the_function_tells(self, origin: Origin) -> None:
        got, headed = origin.ask("/stream"), origin.ask("/stream", "HEAD")

        assert (got.status, got.body) == (200, b"abcd")
        assert (headed.status, headed.body) == (200, b"")
        assert headed.headers["content-length"] == "4"

    def test_other_routes_get_their_bodies_whole(self, server: LocalServer) -> None:
        reply = Port(server.ports.site).ask("/mirror", "POST", EVERY_BYTE)

        assert reply.body == EVERY_BYTE
