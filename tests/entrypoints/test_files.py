"""File storage over HTTP: a row for each line of docs/protocol.md 3, as AWS and locally."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pytest
import requests

import app
from chalicelib import bootstrap
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.s3 import S3Blobs
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.deliveries import MAX_WHOLE_BYTES
from chalicelib.engine.functions.files import FINISH_VALID_MS
from chalicelib.engine.functions.storage import DOWNLOAD_VALID_S, TOKEN_VALID_MS
from chalicelib.engine.functions.tokens import sign
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from local.events import proxy_response, rest_event
from local.files import file_routes
from local.http import HttpRequest
from local.routes import RouteTable
from tests.entrypoints.deployment import CLOUD_URL, Place

TEXT: Final = b"The quick brown fox jumps over the lazy dog."
DIGEST: Final = base64.b64encode(sha256(TEXT).digest()).decode()
BUCKET: Final = "geoflow-entrypoint-files"
STAGE_PATH: Final = urlsplit(CLOUD_URL).path
NOTHING: Final = MappingProxyType[str, str]({})
BINARY: Final = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[[HttpRequest], Reply]


def by_aws(request: HttpRequest) -> Reply:
    """Through Chalice, with API Gateway's event."""
    match = RouteTable(app.app.routes).match(request.path)
    assert match is not None
    assert request.method in app.app.routes[match.resource]
    types = app.app.api.binary_types
    event = rest_event(request, match, stage="api", binary_types=types)
    response = proxy_response(app.app(event, None))
    return Reply(response.status, lowered(dict(response.headers)), response.body)


def by_stream(request: HttpRequest) -> Reply:
    """Through the local server's route, piece by piece."""
    pieces = iter([request.body[:7], request.body[7:]])
    response = file_routes().route(request, pieces)
    body = b"".join(response.pieces)
    return Reply(response.status, lowered(response.headers), body)


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture(params=[by_aws, by_stream], ids=["aws", "local"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def place(every_log: Persistence) -> Iterator[Place]:
    yield Place(apps=("tests.apps.files",), persistence=every_log)
    bootstrap._in_use.clear()


def request(
    method: str, url: str, body: bytes = b"", headers: Mapping[str, str] = NOTHING
) -> HttpRequest:
    parts = urlsplit(url)
    return HttpRequest(
        method=method,
        path=parts.path.removeprefix(STAGE_PATH),
        query=parts.query,
        headers=tuple(lowered(headers).items()),
        body=body,
        source_ip="203.0.113.1",
        port=443,
    )


def run(kind: str, path: str, **args: Any) -> Any:
    call = Call(f"files:{path}", json.dumps(args).encode())
    outcome = bootstrap.current().backend.call(call, kind)  # type: ignore[arg-type]
    assert outcome.failure is None, outcome.failure
    return json.loads(outcome.value or b"null")


def upload_url() -> str:
    url: str = run("mutation", "uploadUrl")
    return url


def post(ask: Ask, body: bytes = TEXT, headers: Mapping[str, str] = NOTHING) -> Reply:
    return ask(request("POST", upload_url(), body, headers))


def uploaded(ask: Ask, body: bytes = TEXT, kind: str | None = "text/plain") -> str:
    reply = post(ask, body, {"Content-Type": kind} if kind else {})
    assert reply.status == 200, reply
    return str(reply.json["storageId"])


def get(ask: Ask, file: str, headers: Mapping[str, str] = NOTHING) -> Reply:
    return ask(request("GET", run("query", "url", file=file), headers=headers))


class TestUploadUrls:
    @pytest.mark.parametrize(
        ("kind", "path"),
        [("mutation", "uploadUrl"), ("action", "uploadUrlFromAction")],
    )
    def test_are_below_the_address_of_the_deployment(
        self, place: Place, kind: str, path: str
    ) -> None:
        url = run(kind, path)

        assert re.fullmatch(rf"{CLOUD_URL}/api/storage/upload\?token=[\w-]+", url)

    def test_differ(self, place: Place) -> None:
        assert upload_url() != upload_url()


class TestUpload:
    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (TEXT, "text/plain"),
            (BINARY, "image/png"),
            (b"\xff\xfe{", "application/json"),
            (BINARY, "application/x-own; charset=none"),
            (b"", "text/css"),
            (BINARY, None),
        ],
    )
    def test_stores_any_body_of_any_type(
        self, place: Place, ask: Ask, body: bytes, kind: str | None
    ) -> None:
        reply = post(ask, body, {"Content-Type": kind} if kind else {})

        file = reply.json["storageId"]
        served = get(ask, file)
        assert (reply.status, reply.json) == (200, {"storageId": file})
        assert (served.status, served.body) == (200, body)
        assert run("query", "metadata", file=file).get("contentType") == kind

    @pytest.mark.parametrize(
        "digest",
        [f"sha-256={DIGEST}", f"SHA-256={DIGEST}", f"md5=abc, sha-256={DIGEST}", "md5=abc"],
    )
    def test_takes_a_digest_that_fits(self, place: Place, ask: Ask, digest: str) -> None:
        reply = post(ask, TEXT, {"Digest": digest})

        assert reply.status == 200

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            (
                {"Digest": f"sha-256={base64.b64encode(bytes(32)).decode()}"},
                "Sha256Mismatch",
            ),
            ({"Digest": "sha-256=nonsense"}, "InvalidDigest"),
            ({"Digest": f"sha-256={DIGEST[:20]}"}, "InvalidDigest"),
            ({"Content-Length": str(len(TEXT) + 1)}, "ContentLengthMismatch"),
            ({"Content-Length": str(len(TEXT) - 1)}, "ContentLengthMismatch"),
            ({"Content-Length": "9" * 5000}, "ContentLengthMismatch"),
            ({"Content-Type": "text/\x01plain"}, "InvalidContentType"),
        ],
    )
    def test_refuses_what_was_not_announced_and_keeps_nothing(
        self, place: Place, ask: Ask, headers: dict[str, str], code: str
    ) -> None:
        reply = post(ask, TEXT, headers)

        assert (reply.status, reply.json["code"]) == (400, code)
        assert run("query", "listed") == []
        assert held(place) == {}

    @pytest.mark.parametrize("token", ["", "x", "a" * 90, "!!!", "ä"])
    def test_refuses_a_token_that_is_none(self, place: Place, ask: Ask, token: str) -> None:
        reply = ask(request("POST", f"/api/storage/upload?token={token}", TEXT))

        assert (reply.status, reply.json["code"]) == (401, "InvalidUploadToken")
        assert reply.headers["content-type"] == "application/json"
        assert held(place) == {}

    def test_refuses_a_token_of_another_deployment_or_purpose(
        self, place: Place, ask: Ask
    ) -> None:
        secret = place.deployment.backend.behaviour.files.secret
        forged = sign(b"another secret", "upload", b"", 1e15)
        misused = sign(secret, "finish", b"", 1e15)

        replies = [
            ask(request("POST", f"/api/storage/upload?token={token}", TEXT))
            for token in (forged, misused)
        ]

        assert [reply.json["code"] for reply in replies] == ["InvalidUploadToken"] * 2

    def test_refuses_a_token_that_was_tampered_with(self, place: Place, ask: Ask) -> None:
        url = upload_url()
        changed = url[:-3] + ("A" if url[-3] != "A" else "B") + url[-2:]

        reply = ask(request("POST", changed, TEXT))

        assert (reply.status, reply.json["code"]) == (401, "InvalidUploadToken")

    def test_refuses_a_token_after_an_hour(
        self, place: Place, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = upload_url()
        wait(place, monkeypatch, TOKEN_VALID_MS - 60_000)
        assert ask(request("POST", url, TEXT)).status == 200

        wait(place, monkeypatch, TOKEN_VALID_MS + 1)
        reply = ask(request("POST", url, TEXT))

        assert (reply.status, reply.json["code"]) == (401, "UploadTokenExpired")

    def test_is_answered_to_pages_of_any_origin(self, place: Place, ask: Ask) -> None:
        origin = {"Origin": "https://page.example"}
        wanted = {**origin, "Access-Control-Request-Headers": "content-type,digest"}

        preflight = ask(request("OPTIONS", upload_url(), headers=wanted))
        reply = post(ask, TEXT, origin)
        refused = ask(request("POST", "/api/storage/upload", headers=origin))

        assert preflight.status == 204
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "content-type,digest"
        for answered in (preflight, reply, refused):
            allowed = answered.headers["access-control-allow-origin"]
            assert allowed == "https://page.example"


class TestDownload:
    def test_answers_the_documented_headers(self, place: Place, ask: Ask) -> None:
        served = get(ask, uploaded(ask))

        assert (served.status, served.body) == (200, TEXT)
        assert served.headers == {
            "content-type": "text/plain",
            "content-length": str(len(TEXT)),
            "cache-control": "private, max-age=2592000",
            "accept-ranges": "bytes",
            "digest": f"sha-256={DIGEST}",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
        }

    @pytest.mark.parametrize(
        ("kind", "is_bound"),
        [
            *(("text/html", True), ("image/svg+xml", True), (None, True)),
            *(("Application/PDF; x=text/html", True), ("application/pdf", False)),
        ],
    )
    def test_lets_no_script_of_a_file_run_here(
        self, place: Place, ask: Ask, kind: str | None, is_bound: bool
    ) -> None:
        served = get(ask, uploaded(ask, b"<script>steal()</script>", kind))

        policy = served.headers.get("content-security-policy", "")
        assert served.headers["x-content-type-options"] == "nosniff"
        assert ("sandbox" in policy.split("; ")) is is_bound

    def test_of_a_head_leaves_the_bytes_out(self, place: Place, ask: Ask) -> None:
        url = run("query", "url", file=uploaded(ask))

        served = ask(request("HEAD", url))

        assert (served.status, served.body) == (200, b"")
        assert served.headers["content-length"] == str(len(TEXT))
        assert served.headers["digest"] == f"sha-256={DIGEST}"

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=4-8", 4, 8),
            ("bytes=4-", 4, 43),
            ("bytes=-4", 40, 43),
            ("bytes=0-", 0, 43),
            ("bytes=40-4000000000000000000000", 40, 43),
            ("bytes=-1000", 0, 43),
            ("Bytes = 4 - 8 ", 4, 8),
        ],
    )
    def test_answers_one_range(
        self, place: Place, ask: Ask, asked: str, first: int, last: int
    ) -> None:
        served = get(ask, uploaded(ask), {"Range": asked})

        assert (served.status, served.body) == (206, TEXT[first : last + 1])
        assert served.headers["content-range"] == f"bytes {first}-{last}/44"
        assert served.headers["content-length"] == str(last + 1 - first)
        assert served.headers["accept-ranges"] == "bytes"
        assert "digest" not in served.headers

    @pytest.mark.parametrize(
        "asked",
        ["bytes=44-", "bytes=44-50", "bytes=-0", "bytes=0-1,4-5", "bytes=0-1, -1"],
    )
    def test_refuses_ranges_that_cannot_be_or_are_several(
        self, place: Place, ask: Ask, asked: str
    ) -> None:
        served = get(ask, uploaded(ask), {"Range": asked})

        assert (served.status, served.json["code"]) == (416, "RangeNotSatisfiable")
        assert served.headers["content-range"] == "bytes */44"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Range": "lines=1-2"},
            {"Range": "bytes=x-2"},
            {"Range": "bytes=-"},
            {"Range": "bytes=5-4"},
            {"Range": "bytes=0-1", "If-Range": '"an old one"'},
        ],
    )
    def test_ignores_a_range_that_is_none(
        self, place: Place, ask: Ask, headers: dict[str, str]
    ) -> None:
        served = get(ask, uploaded(ask), headers)

        assert (served.status, served.body) == (200, TEXT)

    def test_has_no_range_of_an_empty_file(self, place: Place, ask: Ask) -> None:
        file = uploaded(ask, b"")

        assert get(ask, file, {"Range": "bytes=0-"}).status == 416
        assert get(ask, file).headers["content-length"] == "0"

    def test_refuses_a_path_that_is_no_uuid(self, place: Place, ask: Ask) -> None:
        file = uploaded(ask)

        for name in (file, "not-a-uuid", "%2e%2e", str(uuid4())[:-1]):
            served = ask(request("GET", f"/api/storage/{name}"))
            assert (served.status, served.json["code"]) == (400, "InvalidStoragePath")

    def test_knows_no_file_of_another_uuid(self, place: Place, ask: Ask) -> None:
        served = ask(request("GET", f"/api/storage/{uuid4()}"))

        assert (served.status, served.json["code"]) == (404, "FileNotFound")

    def test_needs_no_sign_in_and_is_open_to_pages(self, place: Place, ask: Ask) -> None:
        headers = {"Origin": "https://page.example", "Authorization": "Bearer x.y.z"}

        served = get(ask, uploaded(ask), headers)

        assert (served.status, served.body) == (200, TEXT)
        assert served.headers["access-control-allow-origin"] == "https://page.example"

    def test_ends_with_the_delete(self, place: Place, ask: Ask) -> None:
        file = uploaded(ask)
        url = run("query", "url", file=file)

        run("mutation", "remove", file=file)

        assert ask(request("GET", url)).status == 404
        assert run("query", "url", file=file) is None


class TestLink:
    def test_serves_the_file_for_five_minutes(
        self, place: Place, ask: Ask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = uploaded(ask)
        url = run("mutation", "link", file=file, name="a.txt")

        served = ask(request("GET", url))
        headed = ask(request("HEAD", url))
        wait(place, monkeypatch, DOWNLOAD_VALID_S * 1000 + 1)
        late = ask(request("GET", url))

        assert (served.status, served.body) == (200, TEXT)
        assert served.headers["content-disposition"].startswith(
            'attachment; filename="a.txt"'
        )
        assert (headed.status, headed.body) == (200, b"")
        assert (late.status, late.json["code"]) == (401, "DownloadLinkRefused")

    def test_ends_with_the_file(self, place: Place, ask: Ask) -> None:
        file = uploaded(ask)
        url = run("mutation", "link", file=file)
        run("mutation", "remove", file=file)

        reply = ask(request("GET", url))

        assert (reply.status, reply.json["code"]) == (404, "FileNotFound")

    def test_is_no_other_token(self, place: Place, ask: Ask) -> None:
        token = upload_url().partition("?")[2]

        replies = [
            ask(request("GET", f"/api/storage/link?{query}"))
            for query in (token, "token=x")
        ]

        assert [reply.status for reply in replies] == [401, 401]

    def test_does_not_let_anybody_upload(self, place: Place, ask: Ask) -> None:
        token = run("mutation", "link", file=uploaded(ask)).partition("?")[2]

        reply = ask(request("POST", f"/api/storage/upload?{token}", TEXT))

        assert reply.status == 401


class TestMethods:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "upload"), ("PUT", "upload"), ("POST", "one"), ("GET", "finish")],
    )
    def test_that_a_url_does_not_take_are_refused(
        self, place: Place, method: str, path: str
    ) -> None:
        reply = by_stream(request(method, f"/api/storage/{path}"))

        assert (reply.status, reply.json["code"]) == (405, "MethodNotAllowed")


class TestLargeFiles:
    """Where neither requests nor answers stream, what is large goes by way of the bucket."""

    @pytest.fixture
    def bucket(self) -> Iterator[Place]:
        with start_emulator() as emulator:
            boto3.client("s3", region_name=emulator.region).create_bucket(Bucket=BUCKET)
            blobs = S3Blobs(BUCKET, region=emulator.region)
            yield Place(apps=("tests.apps.files",), blobs=blobs)
        bootstrap._in_use.clear()

    def begin(self, content: bytes = TEXT, kind: str | None = "text/plain") -> Reply:
        digest = base64.b64encode(sha256(content).digest()).decode()
        body = json.dumps({"sha256": digest, "contentType": kind}).encode()
        return by_aws(request("POST", upload_url().replace("/upload", "/presign"), body))

    def put(self, link: Reply, content: bytes = TEXT) -> requests.Response:
        into = link.json
        return requests.request(
            into["method"], into["url"], data=content, headers=into["headers"], timeout=5
        )

    def finish(self, link: Reply) -> Reply:
        return by_aws(request("POST", link.json["finishUrl"]))

    def test_are_put_by_a_link_and_then_finished(self, bucket: Place) -> None:
        content = BINARY * 1000
        link = self.begin(content, "image/png")

        put = self.put(link, content)
        first, again = self.finish(link), self.finish(link)

        file = first.json["storageId"]
        assert (put.status_code, first.status, again.json) == (200, 200, first.json)
        found = run("query", "metadata", file=file)
        assert (found["size"], found["contentType"]) == (len(content), "image/png")
        assert base64.b64decode(found["sha256"]) == sha256(content).digest()
        assert get(by_aws, file).body == content

    def test_cannot_be_finished_before_they_were_put(self, bucket: Place) -> None:
        link = self.begin()

        early = self.finish(link)
        self.put(link)

        assert (early.status, early.json["code"]) == (409, "UploadIncomplete")
        assert self.finish(link).status == 200

    def test_cannot_be_replaced_by_who_has_the_link(self, bucket: Place) -> None:
        link = self.begin()
        self.put(link)
        file = self.finish(link).json["storageId"]

        again = self.put(link, b"something else")

        assert again.status_code == 412
        assert get(by_aws, file).body == TEXT

    def test_are_not_finished_by_any_token(
        self, bucket: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = self.begin()
        self.put(link)
        token = urlsplit(upload_url()).query

        misused = by_aws(request("POST", f"/api/storage/finish?{token}"))
        wait(bucket, monkeypatch, FINISH_VALID_MS + 1)
        late = self.finish(link)

        assert (misused.status, misused.json["code"]) == (401, "InvalidUploadToken")
        assert (late.status, late.json["code"]) == (401, "UploadTokenExpired")
        assert run("query", "listed") == []

    @pytest.mark.parametrize("body", [b"", b"{}", b'{"sha256": "short"}', b"\xff"])
    def test_need_a_digest(self, bucket: Place, body: bytes) -> None:
        url = upload_url().replace("/upload", "/presign")

        reply = by_aws(request("POST", url, body))

        assert (reply.status, reply.json["code"]) in {
            (400, "BadJsonBody"),
            (400, "InvalidDigest"),
        }

    def test_need_a_token(self, bucket: Place) -> None:
        reply = by_aws(request("POST", "/api/storage/presign?token=x", b"{}"))

        assert (reply.status, reply.json["code"]) == (401, "InvalidUploadToken")

    def test_have_no_links_where_the_store_has_none(self, place: Place) -> None:
        reply = self.begin()

        assert (reply.status, reply.json["code"]) == (400, "NoUploadLinks")

    def test_are_served_by_a_link(self, bucket: Place) -> None:
        content = bytes(MAX_WHOLE_BYTES) + TEXT
        file = uploaded(by_stream, content)

        moved = get(by_aws, file)
        served = requests.get(moved.headers["location"], timeout=5)

        assert (moved.status, moved.body) == (307, b"")
        assert (served.status_code, served.content == content) == (200, True)
        assert served.headers["content-type"] == "text/plain"

    def test_are_served_at_once_by_the_small_range(self, bucket: Place) -> None:
        file = uploaded(by_stream, bytes(MAX_WHOLE_BYTES) + TEXT)

        part = get(by_aws, file, {"Range": f"bytes=-{len(TEXT)}"})
        large = get(by_aws, file, {"Range": "bytes=1-"})
        head = by_aws(request("HEAD", run("query", "url", file=file)))

        assert (part.status, part.body) == (206, TEXT)
        assert large.status == 307
        assert head.headers["content-length"] == str(MAX_WHOLE_BYTES + len(TEXT))

    def test_stream_where_answers_do(self, bucket: Place) -> None:
        content = bytes(MAX_WHOLE_BYTES) + TEXT
        file = uploaded(by_stream, content)

        served = get(by_stream, file)

        assert (served.status, served.body == content) == (200, True)


class TestWithoutAPlaceForFiles:
    def test_uploads_are_refused_with_what_to_do(self, place: Place, ask: Ask) -> None:
        place.deployment.backend.files._held = None

        reply = post(ask)

        assert (reply.status, reply.json["code"]) == (503, "FilesNotConfigured")
        assert "GEOFLOW_FILES_BUCKET" in reply.json["message"]


def held(place: Place) -> dict[str, bytes]:
    blobs = place.deployment.backend.files._held
    assert isinstance(blobs, MemoryBlobs)
    return blobs.held


def wait(place: Place, monkeypatch: pytest.MonkeyPatch, ms: float) -> None:
    """Let time pass for the files, whose clock is the machine's."""
    clock = place.deployment.backend.files._clock
    now_ms = type(clock).now_ms(clock)
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + ms)
