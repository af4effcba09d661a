"""``ctx.storage.respond``: a file as the headers of a request want it."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.engine.functions.deliveries import MAX_WHOLE_BYTES, REDIRECT_VALID_S
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.schema import Id, StoredFile
from tests.apps.files import files
from tests.backend import TestBackend

TEXT = b"0123456789"
DIGEST = base64.b64encode(sha256(TEXT).digest()).decode()
ETAG = f'"{DIGEST}"'


class LinkingBlobs(MemoryBlobs):
    """A store that would serve its blobs itself."""

    @override
    def download_link(
        self,
        key: str,
        *,
        content_type: str | None,
        valid_s: int,
        disposition: str | None = None,
    ) -> str | None:
        return f"https://bucket.example/{content_type}/{valid_s}?{disposition}"


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend("tests.apps.files")


def stored(backend: TestBackend, content: bytes = TEXT) -> Id[StoredFile]:
    return backend.nobody.action(files.store, content, "text/html")


def asked(
    backend: TestBackend,
    file: str,
    method: str = "GET",
    *,
    streams: bool = True,
    **headers: str,
) -> Response:
    request = Request(
        method=method,
        path=f"/given/{file}",
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        stream=() if streams else None,
    )
    return backend.engine.http(request, None)


def body(response: Response) -> bytes:
    return response.body + b"".join(response.stream or ())


def test_a_whole_file_says_what_it_is(backend: TestBackend) -> None:
    response = asked(backend, stored(backend))

    assert (response.status, body(response)) == (200, TEXT)
    assert dict(response.headers) == {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Digest": f"sha-256=:{DIGEST}:",
        "Content-Disposition": 'attachment; filename="Z_rich _7_.txt";'
        " filename*=UTF-8''Z%C3%BCrich%20%227%22.txt",
        "Content-Length": "10",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "text/html",
        "ETag": ETAG,
        "X-Content-Type-Options": "nosniff",
    }


def test_head_is_the_same_without_the_bytes(backend: TestBackend) -> None:
    file = stored(backend)

    got, headed = asked(backend, file), asked(backend, file, "HEAD")

    assert (headed.status, body(headed)) == (200, b"")
    assert headed.headers == got.headers


@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({"range": "bytes=2-4"}, 206, TEXT[2:5]),
        ({"range": "bytes=-3"}, 206, TEXT[-3:]),
        ({"range": "bytes=2-4", "if_range": ETAG}, 206, TEXT[2:5]),
        ({"range": "bytes=2-4", "if_range": '"another"'}, 200, TEXT),
        ({"range": "bytes=2-4", "if_range": f"W/{ETAG}"}, 200, TEXT),
        ({"range": "bytes=10-"}, 416, b""),
        ({"range": "bytes=1-2,4-5"}, 416, b""),
        ({"if_none_match": ETAG}, 304, b""),
        ({"if_none_match": f'"another", W/{ETAG}'}, 304, b""),
        ({"if_none_match": "*"}, 304, b""),
        ({"if_none_match": '"another"'}, 200, TEXT),
        ({"if_match": '"another"'}, 412, b""),
        ({"if_match": f'"another", {ETAG}'}, 200, TEXT),
    ],
)
def test_conditions_and_ranges(
    backend: TestBackend, headers: dict[str, str], status: int, part: bytes
) -> None:
    response = asked(backend, stored(backend), "GET", streams=True, **headers)

    assert (response.status, body(response)) == (status, part)
    if status == 206:
        assert response.headers["Content-Range"].endswith("/10")
        assert response.headers["Content-Length"] == str(len(part))
    if status == 416:
        assert response.headers["Content-Range"] == "bytes */10"


def test_a_large_file_is_a_redirection_where_answers_do_not_stream(
    backend: TestBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = stored(backend), stored(backend, bytes(MAX_WHOLE_BYTES + 1))
    monkeypatch.setattr(backend.blobs, "__class__", LinkingBlobs)

    response = asked(backend, large, streams=False)

    assert response.status == 307
    location = response.headers["Location"]
    assert location.startswith(
        f"https://bucket.example/text/html/{REDIRECT_VALID_S}?attach"
    )
    assert asked(backend, large).status == 200
    assert asked(backend, large, streams=False, range="bytes=0-9").status == 206
    assert asked(backend, small, streams=False).status == 200


def test_a_deleted_file_is_not_there(backend: TestBackend) -> None:
    file = stored(backend)
    backend.nobody.mutation(files.remove, file)

    assert asked(backend, file).status == 404


class TestLink:
    def ticket(self, backend: TestBackend, url: str) -> Any:
        address, _, token = url.partition("?token=")
        assert address == "https://files.example/api/storage/link"
        return backend.engine.files.ticket_of(token)

    def test_names_the_file_and_how_it_is_offered(self, backend: TestBackend) -> None:
        file = stored(backend)

        url = backend.nobody.mutation(files.link, file, name="a.txt", inline=True)

        found = self.ticket(backend, url)
        assert (found.file, found.name, found.inline) == (file, "a.txt", True)
