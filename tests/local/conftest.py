"""A small app behind a real local server on free ports."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from chalice.app import CORSConfig, Response
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from chalicelib.entrypoints.concurrency import ThreadSafeChalice
from local.limits import AWS, LOCAL
from local.server import Handlers, LocalServer, Settings
from local.streaming import StreamedMount


@dataclass
class Recorder:
    """What handlers saw, for tests to wait on."""

    events: list[dict[str, Any]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(self, event: dict[str, Any]) -> None:
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait(self, count: int = 1) -> list[dict[str, Any]]:
        with self.changed:
            arrived = self.changed.wait_for(lambda: len(self.events) >= count, 10)
        assert arrived, f"{len(self.events)} of {count} events came"
        return self.events


@dataclass
class Running:
    """A running server, and what went through it."""

    server: LocalServer
    messages: Recorder
    disconnections: Recorder
    calls: list[Any]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports.main}"

    @property
    def site_url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports.site}"

    @property
    def sync_url(self) -> str:
        return f"ws://127.0.0.1:{self.server.ports.main}/api/1.48.0/sync"


FREE_PORTS = Settings(port=0, site_port=0)


def make_app() -> ThreadSafeChalice:
    app = ThreadSafeChalice("local-test", configure_logs=False)
    app.api.binary_types = ["application/octet-stream"]

    def described() -> dict[str, Any]:
        event: dict[str, Any] = app.current_request.to_original_event()
        return event

    @app.route("/api/query", methods=["GET", "POST"], cors=CORSConfig("https://a.example"))
    def query() -> Any:
        return described()

    @app.route("/http/{proxy+}", methods=["GET", "POST", "PUT"], content_types=["*/*"])
    def site() -> Any:
        return described()

    @app.route("/cookies")
    def cookies() -> Response:
        return Response("hi", {"Set-Cookie": ["a=1", "b=2"], "Content-Type": "text/plain"})

    @app.route("/bytes")
    def octets() -> Response:
        return Response(bytes(range(256)), {"Content-Type": "application/octet-stream"})

    @app.route("/long/{size}")
    def long(size: str) -> Response:
        return Response("x" * int(size), {"Content-Type": "text/plain"})

    return app


def echo(running: "Running", event: dict[str, Any]) -> dict[str, Any]:
    """Answer as the message asks: post it back, fail, or answer with a status."""
    body, connection_id = event["body"], event["requestContext"]["connectionId"]
    if body == "raise":
        raise RuntimeError("a handler that fails")
    if body.startswith("status "):
        return {"statusCode": int(body.removeprefix("status "))}
    running.server.connections.post(connection_id, body.encode())
    return {"statusCode": 200}


Serve = Callable[..., contextlib.AbstractContextManager[Running]]


@contextlib.contextmanager
def serving(
    settings: Settings = FREE_PORTS,
    message: Callable[[Running, dict[str, Any]], Any] = echo,
    mounts: dict[str, Any] | None = None,
    http: Any = None,
    streamed: Sequence[StreamedMount] = (),
) -> Iterator[Running]:
    calls: list[Any] = []
    server = LocalServer(settings, mounts or {}, streamed, log=calls.append)
    running = Running(server, Recorder(), Recorder(), calls)

    def on_message(event: Any, context: Any) -> Any:
        running.messages.add({"event": event, "context": context})
        return message(running, event)

    def on_disconnect(event: Any, context: Any) -> Any:
        running.disconnections.add(event)

    handlers = Handlers(
        http=http or make_app(),
        websocket_message=on_message,
        websocket_disconnect=on_disconnect,
    )
    server.start(handlers)
    try:
        yield running
    finally:
        server.stop()


def closed(client: ClientConnection) -> tuple[int, str]:
    """Return the code and reason that the server closed with."""
    with contextlib.suppress(ConnectionClosed):
        for _ in client:
            pass
    frame = client.protocol.close_rcvd
    assert frame is not None
    return frame.code, frame.reason


def only_id(running: Running) -> str:
    """Return the id of the connection that is open."""
    (open_socket,) = running.server.connections.sockets()
    return open_socket.connection_id


@pytest.fixture(scope="module", params=[LOCAL, AWS], ids=["local", "aws"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server with each set of limits."""
    with serving(replace(FREE_PORTS, limits=request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def as_aws() -> Iterator[Running]:
    """A server with the limits of a deployment."""
    with serving(replace(FREE_PORTS, limits=AWS)) as running:
        yield running
