"""The server as a process: signals, exit status, many sockets."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from websockets.sync.client import connect

from tests.local.conftest import FREE_PORTS, closed, serving

PROGRAM = """
import threading, types
from local.server import Handlers, LocalServer, Settings

class Api:
    routes = {"/hang": {"GET": None}}
    api = types.SimpleNamespace(binary_types=[])
    def __call__(self, event, context):
        threading.Event().wait(60)

server = LocalServer(Settings(port=0, site_port=0))
print(server.ports.main, flush=True)
server.run(Handlers(http=Api(), websocket_message=lambda event, context: None))
print("stopped", flush=True)
"""


@dataclass
class Process:
    popen: subprocess.Popen[str]
    port: int

    def end(self) -> tuple[int, str, float]:
        """Wait for the end; return exit status, the last output, and the seconds it took."""
        began = time.monotonic()
        output, _ = self.popen.communicate(timeout=20)
        return self.popen.returncode, output.strip(), time.monotonic() - began


@pytest.fixture
def process() -> Iterator[Process]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as popen:
        assert popen.stdout is not None
        process = Process(popen, int(popen.stdout.readline()))
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{process.port}/nowhere")
                break
        yield process
        popen.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
class TestSignal:
    def test_ends_the_process_well(self, process: Process, number: signal.Signals) -> None:
        with connect(f"ws://127.0.0.1:{process.port}/api/sync") as client:
            process.popen.send_signal(number)

            assert closed(client)[0] == 1001
        status, output, took = process.end()
        assert (status, output) == (0, "stopped")
        assert took < 3

    def test_ends_it_within_three_seconds_whatever_hangs(
        self, process: Process, number: signal.Signals
    ) -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"http://127.0.0.1:{process.port}/hang", timeout=0.3)
        began = time.monotonic()

        process.popen.send_signal(number)
        status, _, _ = process.end()

        assert status == 0
        assert time.monotonic() - began < 3


def test_five_hundred_sockets_get_one_broadcast_each() -> None:
    with serving(FREE_PORTS) as running, contextlib.ExitStack() as clients:
        opened = [clients.enter_context(connect(running.sync_url)) for _ in range(500)]
        for client in opened:
            client.ping().wait(10)

        for open_socket in running.server.connections.sockets():
            running.server.connections.post(open_socket.connection_id, b"news")

        assert {client.recv(timeout=10) for client in opened} == {"news"}
        assert len(running.server.connections) == 500


def test_a_client_that_leaves_before_its_answer_is_nobodys_problem(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serving(FREE_PORTS) as running:
        for _ in range(20):
            with contextlib.suppress(httpx.ReadTimeout):
                httpx.get(
                    f"{running.url}/long/100000", timeout=httpx.Timeout(5, read=0.0005)
                )
        answer = httpx.get(f"{running.url}/long/10")

    assert answer.text == "x" * 10
    assert caplog.records == []
