"""GeoFlow's uploads and downloads by the local server, as a process: large ones, in pieces."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from tests.clients.local_server import LocalServer

PIECE = bytes(range(256)) * 1024
LARGE = 160
"""Pieces of a large file: 40 MB, twice what a request may have that is not streamed."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    running = LocalServer(tmp_path_factory.mktemp("server"), {})
    running.start()
    yield running
    running.close()


def resident_bytes(server: LocalServer) -> int:
    assert server._process is not None
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def form(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    yield from pieces
    yield b"\r\n--cut--\r\n"


def test_a_large_file_goes_in_and_out_in_little_memory(server: LocalServer) -> None:
    headers = {"Authorization": f"Bearer {server.token('alice')}"}
    as_form = headers | {"Content-Type": "multipart/form-data; boundary=cut"}
    site = f"http://127.0.0.1:{server.site_port}/api/files"
    httpx.post(f"{site}/upload", content=form(iter([PIECE])), headers=as_form)
    before = resident_bytes(server)

    sent = httpx.post(
        f"{site}/upload",
        content=form(itertools.repeat(PIECE, LARGE)),
        headers=as_form,
        timeout=60,
    )
    assert sent.status_code == 201, sent.text
    path = f"/api/files/{sent.json()['data']['fileId']}/content"
    digest = sha256()
    with httpx.stream("GET", server.url + path, headers=headers) as response:
        for chunk in response.iter_raw():
            digest.update(chunk)
    part = httpx.get(server.url + path, headers=headers | {"Range": "bytes=254-257"})
    refused = httpx.get(server.url + path)

    assert digest.digest() == sha256(PIECE * LARGE).digest()
    assert response.headers["content-length"] == str(LARGE * len(PIECE))
    assert resident_bytes(server) - before < 16 << 20
    assert (part.status_code, part.content) == (206, b"\xfe\xff\x00\x01")
    assert (refused.status_code, refused.json()["success"]) == (401, False)


def files_of(server: LocalServer) -> list[Path]:
    return [path for path in server.data.rglob("files/**/*") if path.is_file()]


def test_a_file_that_breaks_off_leaves_nothing(server: LocalServer) -> None:
    headers = {"Authorization": f"Bearer {server.token('alice')}"}
    as_form = headers | {"Content-Type": "multipart/form-data; boundary=cut"}
    raw = headers | {"Content-Type": "application/octet-stream"}
    url = f"{server.url}/api/files/upload?name=a"
    before, seen = files_of(server), []

    def breaking() -> Iterator[bytes]:
        yield PIECE
        wait_until(lambda: len(files_of(server)) > len(before))
        seen.append(len(files_of(server)))
        raise ConnectionError

    for content, sent in ((breaking(), raw), (form(breaking()), as_form)):
        with pytest.raises(ConnectionError):
            httpx.post(url, content=content, headers=sent)
        wait_until(lambda: files_of(server) == before)

    assert seen == [len(before) + 1] * 2


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
