"""Files of the local server, as a process: large ones, restarts, kills."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.clients.local_server import LocalServer

PIECE = bytes(range(256)) * 1024
LARGE = 200
"""Pieces of a large file: 50 MB."""


@pytest.fixture(scope="module", params=["sqlite", "dynamodb", "memory"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    settings = {"GEOFLOW_STORE": request.param, "GEOFLOW_APPS": "tests.apps.files"}
    running = LocalServer(tmp_path_factory.mktemp(request.param), settings)
    running.start()
    yield running
    running.close()


def call(server: LocalServer, kind: str, path: str, **args: Any) -> Any:
    body = {"path": f"files:{path}", "args": args, "format": "json"}
    answer = httpx.post(f"{server.url}/api/{kind}", json=body).json()
    assert answer["status"] == "success", answer
    return answer["value"]


def upload(server: LocalServer, content: bytes | Iterator[bytes]) -> str:
    url = call(server, "mutation", "uploadUrl")
    answer = httpx.post(url, content=content, headers={"Content-Type": "a/b"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["storageId"])


def resident_bytes(server: LocalServer) -> int:
    assert server._process is not None
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def files_of(server: LocalServer) -> list[Path]:
    return [
        path
        for directory in server.data.glob("files*")
        for path in directory.rglob("*")
        if path.is_file()
    ]


def test_a_large_file_goes_in_and_out_in_little_memory(server: LocalServer) -> None:
    upload(server, PIECE)
    before = resident_bytes(server)

    file = upload(server, itertools.repeat(PIECE, LARGE))
    digest = sha256()
    with httpx.stream("GET", call(server, "query", "url", file=file)) as response:
        for chunk in response.iter_raw():
            digest.update(chunk)

    assert digest.digest() == sha256(PIECE * LARGE).digest()
    assert response.headers["content-length"] == str(LARGE * len(PIECE))
    assert resident_bytes(server) - before < 16 << 20


class TestFilesOfSqlite:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[LocalServer]:
        running = LocalServer(tmp_path, {"GEOFLOW_APPS": "tests.apps.files"})
        running.start()
        yield running
        running.close()

    def test_survive_a_kill(self, server: LocalServer) -> None:
        file = upload(server, b"before the kill")
        url = call(server, "query", "url", file=file)

        server.kill_and_start()

        assert call(server, "query", "url", file=file) == url
        assert httpx.get(url).content == b"before the kill"

    def test_an_upload_that_is_killed_is_no_file_and_is_not_served(
        self, server: LocalServer
    ) -> None:
        parts = urlsplit(call(server, "mutation", "uploadUrl"))
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: a\r\n"
            f"Content-Length: {2 * len(PIECE)}\r\n\r\n"
        )
        with socket.create_connection((parts.hostname, parts.port)) as client:
            client.sendall(head.encode() + PIECE)
            until(lambda: [f for f in files_of(server) if f.stat().st_size == len(PIECE)])
            server.kill_and_start()

        (left,) = files_of(server)
        assert left.parent.name == "incoming"
        assert call(server, "query", "listed") == []
        answer = httpx.get(f"{server.url}/api/storage/{left.name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "FileNotFound")

    def test_an_upload_that_its_client_breaks_off_leaves_nothing(
        self, server: LocalServer
    ) -> None:
        parts = urlsplit(call(server, "mutation", "uploadUrl"))
        head = (
            f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: a\r\n"
            f"Content-Length: {2 * len(PIECE)}\r\n\r\n"
        )
        with socket.create_connection((parts.hostname, parts.port)) as client:
            client.sendall(head.encode() + PIECE)
            until(lambda: [f for f in files_of(server) if f.stat().st_size == len(PIECE)])

        until(lambda: not files_of(server))
        assert call(server, "query", "listed") == []


def until(holds: Any) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
