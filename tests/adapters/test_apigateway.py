"""What the gateway adapter does when API Gateway refuses, fails or falls silent."""

import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typing_extensions import override

from chalicelib.adapters import apigateway
from chalicelib.adapters.apigateway import ApiGateway
from chalicelib.engine.errors import ConnectionGone, PostUnanswered
from local.emulator import start_emulator

HANG_UP = 0
"""A status that stands for closing the connection without an answer."""

CODES = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


class Script(ThreadingHTTPServer):
    """Answers with the statuses it is told, then with 200, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.statuses: deque[int] = deque()
        self.requests: list[tuple[str, str, bytes]] = []
        self.connections: list[int] = []

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # a client that did not wait for its answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/prod"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Script

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, body))
        self.server.connections.append(self.client_address[1])
        status = self.server.statuses.popleft() if self.server.statuses else 200
        if status == HANG_UP:
            self.close_connection = True
            return
        self.send_response(status)
        if status in CODES:
            self.send_header("x-amzn-ErrorType", CODES[status])
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_DELETE = do_POST  # noqa: N815 - the name that http.server looks for

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.ms = 1_000_000.0

    def now_ms(self) -> float:
        return self.ms

    def wait_ms(self, duration_ms: float) -> None:
        self.ms += duration_ms


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(script: Script, clock: Clock) -> Iterator[ApiGateway]:
    with start_emulator():
        yield ApiGateway(script.url, region="us-east-1", clock=clock)


class TestPost:
    def test_goes_to_the_connection(self, gateway: ApiGateway, script: Script) -> None:
        gateway.post("L0SM9cOFvHcCIhw=", b"hello")

        assert script.requests == [
            ("POST", "/prod/@connections/L0SM9cOFvHcCIhw%3D", b"hello")
        ]

    def test_is_repeated_while_it_is_refused_for_load(
        self, gateway: ApiGateway, script: Script, clock: Clock
    ) -> None:
        script.statuses.extend([429, 429, 429])
        before = clock.ms

        gateway.post("c", b"hello")

        assert [body for _, _, body in script.requests] == [b"hello"] * 4
        assert 85 <= clock.ms - before <= 265

    def test_gives_up_after_a_while(
        self, gateway: ApiGateway, script: Script, clock: Clock
    ) -> None:
        script.statuses.extend([429] * 100)
        before = clock.ms

        with pytest.raises(PostUnanswered):
            gateway.post("c", b"hello")

        assert 5_000 <= clock.ms - before <= 7_000

    def test_that_may_wait_is_refused_soon(
        self, gateway: ApiGateway, script: Script, clock: Clock
    ) -> None:
        script.statuses.extend([429] * 20)
        before = clock.ms

        taken = gateway.offer("c", b"hello")

        assert not taken
        assert 500 <= clock.ms - before <= 1_200

    def test_that_may_wait_is_sent_if_there_is_room_again(
        self, gateway: ApiGateway, script: Script
    ) -> None:
        script.statuses.extend([429, 429])

        assert gateway.offer("c", b"hello")
        assert len(script.requests) == 3

    @pytest.mark.parametrize("status", [HANG_UP, 500, 502, 503, 504])
    def test_is_never_repeated_if_it_may_have_been_sent(
        self, gateway: ApiGateway, script: Script, status: int
    ) -> None:
        script.statuses.append(status)

        with pytest.raises(PostUnanswered):
            gateway.post("c", b"hello")

        assert len(script.requests) == 1

    def test_is_never_repeated_if_no_answer_comes(
        self, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(apigateway, "READ_S", 0.2)
        release = threading.Event()
        monkeypatch.setattr(Answer, "send_response", lambda *_: release.wait(5))
        with start_emulator():
            gateway = ApiGateway(script.url, region="us-east-1")

            with pytest.raises(PostUnanswered):
                gateway.post("c", b"hello")

        release.set()
        assert len(script.requests) == 1

    def test_is_repeated_if_nobody_could_be_reached(self, clock: Clock) -> None:
        unused = Script()
        unused.server_close()
        before = clock.ms
        with start_emulator():
            gateway = ApiGateway(unused.url, region="us-east-1", clock=clock)

            with pytest.raises(PostUnanswered):
                gateway.post("c", b"hello")

        assert clock.ms - before >= 5_000

    def test_to_a_closed_socket_says_that_it_is_gone(
        self, gateway: ApiGateway, script: Script
    ) -> None:
        script.statuses.append(410)

        with pytest.raises(ConnectionGone):
            gateway.post("c", b"hello")

    def test_that_is_not_allowed_is_no_fault_of_the_session(
        self, gateway: ApiGateway, script: Script
    ) -> None:
        script.statuses.append(403)

        with pytest.raises(ClientError):
            gateway.post("c", b"hello")


class TestConnections:
    def test_are_kept_between_posts(self, gateway: ApiGateway, script: Script) -> None:
        for _ in range(3):
            gateway.post("c", b"hello")

        assert len(set(script.connections)) == 1

    def test_are_let_go_when_they_were_idle(
        self, gateway: ApiGateway, script: Script, clock: Clock
    ) -> None:
        gateway.post("c", b"hello")
        clock.wait_ms(apigateway.IDLE_MS + 1)

        gateway.post("c", b"hello")

        assert len(set(script.connections)) == 2


class TestClose:
    def test_deletes_the_connection(self, gateway: ApiGateway, script: Script) -> None:
        gateway.close("c", 1013, "TryAgain")

        assert script.requests == [("DELETE", "/prod/@connections/c", b"")]

    def test_that_may_have_failed_says_so(
        self, gateway: ApiGateway, script: Script
    ) -> None:
        script.statuses.append(500)

        with pytest.raises(PostUnanswered):
            gateway.close("c", 1000, "")
