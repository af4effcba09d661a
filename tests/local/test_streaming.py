"""Streamed routes: bodies flow piece by piece, and a client that leaves is noticed."""

import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from local import streaming
from local.http import HttpRequest
from local.streaming import ClientGone, StreamedMount, StreamedResponse
from tests.local.conftest import FREE_PORTS, Recorder, Running, serving

PIECE = bytes(range(256)) * 256
Route = Callable[[HttpRequest, Iterator[bytes]], StreamedResponse]


@contextmanager
def mounted(route: Route) -> Iterator[Running]:
    with serving(
        FREE_PORTS,
        streamed=[
            StreamedMount(
                takes=lambda request: request.path.startswith("/big/"), route=route
            )
        ],
    ) as running:
        yield running


def answer(*pieces: bytes, status: int = 200) -> StreamedResponse:
    length = str(sum(map(len, pieces)))
    return StreamedResponse(
        status=status, headers={"X-Own": "1", "Content-Length": length}, pieces=pieces
    )


class TestRequests:
    def test_come_in_pieces_beyond_every_limit_of_the_gateway(self) -> None:
        sizes: list[int] = []

        def count(_: HttpRequest, body: Iterator[bytes]) -> StreamedResponse:
            sizes.extend(map(len, body))
            return answer(str(sum(sizes)).encode())

        with mounted(count) as running:
            pieces = itertools.repeat(PIECE, 400)
            response = httpx.post(f"{running.url}/big/up", content=pieces)

        assert response.text == str(400 * len(PIECE))
        # However late the route comes: uvicorn stops reading beyond 64 KiB, and uvloop reads no
        # more than 256,000 bytes at once.
        assert max(sizes) <= 64 * 1024 + 256_000

    def test_may_have_no_body(self) -> None:
        with mounted(lambda _, body: answer(b"".join(body) + b"!")) as running:
            assert httpx.get(f"{running.url}/big/").content == b"!"

    def test_may_be_answered_unread(self) -> None:
        refusing = mounted(lambda _, __: answer(b"no", status=401))
        with refusing as running, httpx.Client() as client:
            refused = client.post(f"{running.url}/big/up", content=PIECE * 100)
            next_one = client.post(f"{running.url}/big/up", content=b"")

        assert (refused.status_code, refused.text) == (401, "no")
        assert next_one.status_code == 401

    def test_that_break_off_are_told_to_the_route(self) -> None:
        told = Recorder()

        def read(_: HttpRequest, body: Iterator[bytes]) -> StreamedResponse:
            try:
                for piece in body:
                    told.add({"read": len(piece)})
            except ClientGone:
                told.add({"gone": True})
                raise
            return answer()

        with mounted(read) as running:
            with socket.create_connection(
                ("127.0.0.1", running.server.ports.main)
            ) as client:
                head = b"POST /big/up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"
                client.sendall(head + b"half")
                told.wait(1)
            assert told.wait(2)[-1] == {"gone": True}

    def test_that_stand_still_are_broken_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streaming, "STALL_S", 0.2)
        gone = threading.Event()

        def read(_: HttpRequest, body: Iterator[bytes]) -> StreamedResponse:
            with pytest.raises(ClientGone):
                list(body)
            gone.set()
            raise ClientGone

        with (
            mounted(read) as running,
            socket.create_connection(("127.0.0.1", running.server.ports.main)) as client,
        ):
            client.sendall(
                b"POST /big/up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"
            )
            assert gone.wait(5)

    def test_of_other_paths_and_ports_are_not_of_the_route(self) -> None:
        with mounted(lambda _, __: answer(b"streamed")) as running:
            assert httpx.get(f"{running.url}//big/x").text == "streamed"
            assert httpx.get(f"{running.site_url}/big/x").text != "streamed"
            assert httpx.get(f"{running.url}/bigger").status_code == 403


class TestResponses:
    def test_have_the_status_and_headers_of_the_route(self) -> None:
        with mounted(lambda _, __: answer(b"ab", b"", b"c", status=206)) as running:
            response = httpx.get(f"{running.url}/big/down")

        assert (response.status_code, response.content) == (206, b"abc")
        assert response.headers["x-own"] == "1"
        assert response.headers["content-length"] == "3"
        assert "transfer-encoding" not in response.headers

    def test_of_a_head_have_no_body(self) -> None:
        with mounted(lambda _, __: answer(b"abc")) as running:
            response = httpx.head(f"{running.url}/big/down")

        assert (response.headers["content-length"], response.content) == ("3", b"")

    def test_go_no_faster_than_the_client_reads(self) -> None:
        sent: list[int] = []
        done = threading.Event()

        def pieces() -> Iterator[bytes]:
            for number in range(2000):
                sent.append(number)
                yield PIECE
            done.set()

        def large(_: HttpRequest, __: Iterator[bytes]) -> StreamedResponse:
            length = {"Content-Length": str(2000 * len(PIECE))}
            return StreamedResponse(status=200, headers=length, pieces=pieces())

        with mounted(large) as running:
            with httpx.stream("GET", f"{running.url}/big/down") as response:
                chunks = response.iter_raw()
                next(chunks)
                assert not done.wait(0.3)
                before = len(sent)
                rest = sum(map(len, chunks))
            assert done.wait(5)

        # What the kernel holds of it, some megabytes, and no more.
        assert before < 500
        assert rest > 1500 * len(PIECE)

    def test_end_when_the_client_leaves(self) -> None:
        ended = threading.Event()

        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield PIECE
            finally:
                ended.set()

        def endless(_: HttpRequest, __: Iterator[bytes]) -> StreamedResponse:
            return StreamedResponse(
                status=200, headers={"Content-Length": str(1 << 50)}, pieces=pieces()
            )

        with mounted(endless) as running:
            with httpx.stream("GET", f"{running.url}/big/down") as response:
                next(response.iter_raw())
            assert ended.wait(5)

    def test_that_break_off_cut_the_connection(self) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"some"
            raise RuntimeError("the disk is gone")

        def broken(_: HttpRequest, __: Iterator[bytes]) -> StreamedResponse:
            return StreamedResponse(
                status=200, headers={"Content-Length": "1000"}, pieces=pieces()
            )

        with mounted(broken) as running, pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{running.url}/big/down")

    def test_of_a_route_that_fails_are_the_gateways(self) -> None:
        def fail(_: HttpRequest, __: Iterator[bytes]) -> StreamedResponse:
            raise RuntimeError("a bug")

        with mounted(fail) as running:
            response = httpx.get(f"{running.url}/big/down")

        assert response.status_code == 502
        assert "a bug" not in response.text
