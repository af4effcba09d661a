"""Starts and stops the local server: ports, gateway, event sources, signals."""

import asyncio
import contextlib
import resource
import signal
import socket
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import uvicorn
import uvloop
from typing_extensions import override

from local.connections import Connections
from local.fibers import FiberFunction, later
from local.gateway import Functions, Gateway, Ports, RestApi, serve_mount
from local.http import MountedRoute
from local.lambda_host import CallRecord, Handler, LambdaFunction, Log
from local.limits import LOCAL, Limits
from local.streaming import StreamedCalls, StreamedMount, handle_streamed
from local.websocket import GatewaySocket

GRACE_S: Final = 1
"""How long requests under way may take after a signal to stop."""

TRANSFER_S: Final = 24 * 3600
"""How long an upload or a download may take as a whole, in seconds."""

MESSAGES_AT_ONCE: Final = 1
"""Messages that are handled by threads at once, unless they take long: mostly they compute.

As for wake-ups, a second thread would have both take turns at every lock.
"""

TICK_S: Final = 1.0
"""How often the gateway looks at deadlines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the server listens and what it allows; port 0 takes any free port."""

    host: str = "127.0.0.1"
    port: int = 3210
    site_port: int = 3211
    management_port: int = 0
    limits: Limits = LOCAL
    stage: str = "api"
    concurrency: int = 64
    """How many calls of one function run at once."""

    ordered: bool = False
    """Whether the frames of a connection are handled in order, one at a time.

    API Gateway promises neither. A session that can rely on it need not wait for frames
    that may have been overtaken. Mutations are then fibers of one thread.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The handlers of ``app.py`` that the gateway calls."""

    http: RestApi
    websocket_message: Handler
    websocket_disconnect: Handler | None = None


class EventSource(Protocol):
    """Something that calls a handler of its own accord: a stream, a queue, a schedule."""

    def start(self) -> None:
        """Begin to call; returns at once."""
        ...

    def stop(self) -> None:
        """Call no more; returns within a second, whatever the handler is doing."""
        ...


def ignore(record: CallRecord) -> None:
    """Log nothing."""


@dataclass(slots=True)
class LocalServer:
    """The local server. Making it takes the ports, so that their numbers are known."""

    settings: Settings = field(default_factory=Settings)
    mounts: Mapping[str, MountedRoute] = field(default_factory=dict)
    streamed: Sequence[StreamedMount] = ()
    log: Log = ignore

    connections: Connections = field(init=False)
    """The way to the sockets for handlers in this process."""

    ports: Ports = field(init=False)

    _sockets: list[socket.socket] = field(init=False, repr=False)
    _functions: list[LambdaFunction] = field(init=False, default_factory=list, repr=False)
    _uvicorn: "_Uvicorn | None" = field(init=False, default=None, repr=False)
    _thread: threading.Thread | None = field(init=False, default=None, repr=False)
    _started: threading.Event = field(
        init=False, default_factory=threading.Event, repr=False
    )

    def __post_init__(self) -> None:
        wanted = self.settings
        self.connections = Connections(wanted.limits, later)
        addresses = (
            (wanted.host, wanted.port),
            (wanted.host, wanted.site_port),
            # Who reaches this port may write to any client: never beyond this machine.
            ("127.0.0.1", wanted.management_port),
        )
        self._sockets = _bind(addresses)
        main, site, management = (bound.getsockname()[1] for bound in self._sockets)
        self.ports = Ports(main=main, site=site, management=management)

    @property
    def management_url(self) -> str:
        """The endpoint for an ``apigatewaymanagementapi`` client."""
        return f"http://127.0.0.1:{self.ports.management}/{self.settings.stage}"

    def function(
        self,
        name: str,
        handler: Handler,
        *,
        timeout_s: float,
        concurrency: int | None = None,
        at_once: int | None = None,
    ) -> LambdaFunction:
        """Return ``handler`` as a function that event sources call and the log shows."""
        function = LambdaFunction(
            name,
            handler,
            concurrency=concurrency or self.settings.concurrency,
            timeout_s=timeout_s,
            log=self.log,
            at_once=at_once,
        )
        self._functions.append(function)
        return function

    def run(self, handlers: Handlers, sources: Sequence[EventSource] = ()) -> None:
        """Serve until SIGINT, SIGTERM or :meth:`stop`; leave within three seconds of it."""
        _allow_many_sockets()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(handlers, sources))

    def start(self, handlers: Handlers, sources: Sequence[EventSource] = ()) -> None:
        """Serve from a thread of its own; returns when the ports answer."""
        self._thread = threading.Thread(target=self.run, args=(handlers, sources))
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Stop, and wait for the end if the server runs in a thread of its own."""
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Give the ports back of a server that never ran."""
        for bound in self._sockets:
            bound.close()

    async def _serve(self, handlers: Handlers, sources: Sequence[EventSource]) -> None:
        loop = asyncio.get_running_loop()
        self.connections.attach(loop)
        server = self._uvicorn = _Uvicorn(_config(self._gateway(handlers)), self._started)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, server.handle_exit, number, None)
        for source in sources:
            source.start()
        ticking = asyncio.create_task(self._tick())
        try:
            await server.serve(self._sockets)
        finally:
            ticking.cancel()
            await asyncio.gather(*(asyncio.to_thread(source.stop) for source in sources))
            await self._drain()

    def _gateway(self, handlers: Handlers) -> Gateway:
        limits = self.settings.limits
        wait_s = limits.integration_s
        on_disconnect = handlers.websocket_disconnect
        return Gateway(
            rest=handlers.http,
            functions=Functions(
                http=self.function("api_handler", handlers.http, timeout_s=wait_s),
                mounted=self.function("mounted", serve_mount, timeout_s=wait_s),
                streamed=self._streamed_calls(),
                message=self._messages(handlers.websocket_message, wait_s),
                disconnect=on_disconnect
                and self.function("websocket_disconnect", on_disconnect, timeout_s=wait_s),
            ),
            connections=self.connections,
            limits=limits,
            ports=self.ports,
            mounts=self.mounts,
            stage=self.settings.stage,
            ordered=self.settings.ordered,
        )

    def _messages(self, handler: Handler, timeout_s: float) -> LambdaFunction:
        name = "websocket_message"
        if not self.settings.ordered:
            return self.function(name, handler, timeout_s=timeout_s)
        made = FiberFunction(
            name,
            handler,
            concurrency=self.settings.concurrency,
            timeout_s=timeout_s,
            log=self.log,
            at_once=MESSAGES_AT_ONCE,
            # The others look for keys at an issuer's address, or run all queries of a page.
            is_short=lambda what: what == "Mutation",
        )
        self._functions.append(made)
        return made

    def _streamed_calls(self) -> StreamedCalls | None:
        if not self.streamed:
            return None
        function = self.function("files", handle_streamed, timeout_s=TRANSFER_S)
        return StreamedCalls(self.streamed, function)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for function in self._functions:
                function.expire()
            for open_socket in self.connections.sockets():
                open_socket.tick()

    async def _drain(self) -> None:
        """Let the last disconnections be handled; then take no more calls."""
        for open_socket in self.connections.sockets():
            open_socket.abort()
        for _ in range(5):
            await asyncio.sleep(0.05)
            if not any(function.busy() for function in self._functions):
                break
        for function in self._functions:
            function.stop()


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers: they would end the process by the signal."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._announce = started

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce.set()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _config(gateway: Gateway) -> uvicorn.Config:
    return uvicorn.Config(
        gateway,
        interface="asgi3",
        http="httptools",
        ws=GatewaySocket,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=4096,
        # Longer than clients keep idle connections: it is they who should close.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )


def _allow_many_sockets() -> None:
    """Raise the number of open files to what the system allows: each socket is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _bind(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for host, port in addresses:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server((host, port), family=family, backlog=4096)
            listener.setblocking(False)  # noqa: FBT003 - positional only
            bound.append(listener)
    except OSError:
        for listener in bound:
            listener.close()
        raise
    return bound
