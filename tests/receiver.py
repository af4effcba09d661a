"""A real HTTP server of a test, which keeps what it is sent and answers what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``statuses`` are answered in turn; when there are no more, ``status`` is."""

    port: int
    received: list[Received] = field(default_factory=list)
    status: int = 200
    statuses: list[int] = field(default_factory=list)
    body: bytes = b"thank you"
    headers: dict[str, str] = field(default_factory=dict)
    instead: Callable[[Any], None] | None = None
    """Writes the answer itself, given the handler."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): text for name, text in self.headers.items()}
            receiver.received.append(
                Received(self.command, self.path, headers, self.rfile.read(length))
            )
            if receiver.instead is not None:
                receiver.instead(self)
                return
            self.send_response(
                receiver.statuses.pop(0) if receiver.statuses else receiver.status
            )
            for name, text in {
                "Content-Length": str(len(receiver.body)),
                **receiver.headers,
            }.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(receiver.body)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the library's names

        @override
        def log_message(self, format: str, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        @override
        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # a client that has gone away is what some tests are about

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
