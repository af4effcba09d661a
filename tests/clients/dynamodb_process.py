"""DynamoDB in a process of its own, so that a server can die and its data lives on.

moto behind HTTP, with one lock round all its work (of two conditional puts that meet, both
may win without it), and with the binary values of stream records encoded once, as AWS does.
Without moto's own server, which would bring Flask. Run: ``python -m
tests.clients.dynamodb_process <port>``.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber
from typing_extensions import override

from tests.clients.free_port import free_port
from tests.clients.orphans import DYING_WITH_US

START_SECONDS = 30


@contextmanager
def dynamodb_process() -> Iterator[str]:
    """Run one inside the block, empty at the start, and yield its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    command = [*DYING_WITH_US, sys.executable, "-m", __name__, str(port)]
    process = subprocess.Popen(command)
    try:
        _wait_for(process, address)
        yield address
    finally:
        process.kill()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no DynamoDB at {address}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections, as the SDKs expect
    lock = threading.RLock()

    def do_GET(self) -> None:
        self._answer(200, {}, "healthy")

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # its sender was killed halfway
            return
        with self.lock:
            self._answer(*dispatch(dict(self.headers), body))

    def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
        encoded = body.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(encoded))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing: a test reads what its server says."""


class _Server(ThreadingHTTPServer):
    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that were killed: tests do that."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def dispatch(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], str]:
    """Let moto answer one call, as if it were made in this process."""
    streams = headers["X-Amz-Target"].startswith("DynamoDBStreams")
    service = "streams.dynamodb" if streams else "dynamodb"
    url = f"https://{service}.us-east-1.amazonaws.com/"
    request = AWSPreparedRequest("POST", url, HTTPHeaders(), body, stream_output=False)
    for name, value in headers.items():
        request.headers[name] = value
    answer = BotocoreStubber().process_request(request)
    assert answer is not None, "moto let the call through"
    status, sent, text = answer
    if streams and status == 200:
        text = json.dumps(_encoded_once(json.loads(text)))
    kind = str(sent.get("Content-Type", "application/x-amz-json-1.0"))
    return status, {"Content-Type": kind}, text if isinstance(text, str) else text.decode()


def _encoded_once(value: Any) -> Any:
    match value:
        case {"B": str() as twice, **rest} if not rest:
            return {"B": base64.b64decode(twice).decode()}
        case dict():
            return {name: _encoded_once(inner) for name, inner in value.items()}
        case list():
            return [_encoded_once(inner) for inner in value]
        case _:
            return value


def main() -> None:
    """Serve until killed."""
    with mock_aws():
        _Server(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()


if __name__ == "__main__":
    main()
