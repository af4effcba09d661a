"""Plays API Gateway: REST and WebSocket in front of the handlers of ``app.py``."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from websockets.frames import CloseCode

from local.connections import Connections, Gone, TooLarge
from local.events import (
    Event,
    MalformedResult,
    disconnect_event,
    error_frame,
    message_event,
    payload_bytes,
    proxy_response,
    rest_event,
)
from local.http import (
    HttpRequest,
    HttpResponse,
    MountedRoute,
    Receive,
    Scope,
    Send,
    read_body,
    read_head,
    respond,
)
from local.lambda_host import (
    PATIENCE_S,
    LambdaContext,
    LambdaFunction,
    Outcome,
    Stopped,
    Throttled,
    TimedOut,
    status_of,
)
from local.limits import HELD_BYTES, Limits
from local.lines import Lines
from local.management_api import manage
from local.refusals import (
    BUSY,
    FAILED,
    NO_ROUTE,
    OVERLOADED,
    TIMED_OUT,
    TOO_LARGE,
    preflight,
    readable_by_browsers,
)
from local.routes import RouteTable
from local.streaming import StreamedCalls
from local.websocket import GatewaySocket

_SYNC_PATH: Final = re.compile(r"(?:/.*)?/api(?:/+\d+\.\d+\.\d+[^/]*)?/+sync/?")
"""Where clients open their socket: any version, any prefix, doubled slashes too.

Source: docs/protocol.md 4.1.
"""

_MESSAGE_TYPE: Final = re.compile(
    r'"type"\s*:\s*"(Connect|ModifyQuerySet|Mutation|Action|Authenticate|Event)"'
)


class RestApi(Protocol):
    """The part of a Chalice app that the gateway uses."""

    @property
    def routes(self) -> Mapping[str, Mapping[str, Any]]:
        """The methods of each resource."""
        ...

    @property
    def api(self) -> Any:
        """Holds ``binary_types``."""
        ...

    def __call__(self, event: Any, context: Any) -> Any:
        """Answer a proxy event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports that the gateway listens on."""

    main: int
    site: int
    management: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Functions:
    """What the gateway calls."""

    http: LambdaFunction
    mounted: LambdaFunction
    """Runs :func:`serve_mount`."""
    streamed: StreamedCalls | None = None
    message: LambdaFunction
    disconnect: LambdaFunction | None


class Gateway:
    """An ASGI app for HTTP, and the owner of the sockets."""

    def __init__(
        self,
        *,
        rest: RestApi,
        functions: Functions,
        connections: Connections,
        limits: Limits,
        ports: Ports,
        mounts: Mapping[str, MountedRoute],
        stage: str,
        ordered: bool = False,
    ) -> None:
        self.limits = limits
        self._rest, self._routes = rest, RouteTable(rest.routes)
        self._functions = functions
        self._messages = Lines(functions.message, ordered=ordered)
        self._connections = connections
        self._ports, self._stage = ports, stage
        self._mounts = mounts
        self._domain = f"localhost:{ports.main}"
        self._held_bytes = 0
        self._is_watched = False

    # ---------------------------------------------------------------- HTTP

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, as ASGI has it."""
        request = read_head(scope)
        streamed = self._functions.streamed
        if streamed is not None and request.port != self._ports.management:
            at_site = request.port == self._ports.site
            prefix = "/http/" if at_site else "/"
            asked = replace(request, path=prefix + request.path.lstrip("/"))
            mount = streamed.mount_of(asked)
            if mount is not None:
                await streamed.serve(mount, asked, receive, send)
                return
        limit = self.limits.request_bytes
        # Refused by its announced length, before it is read: a client that waits for
        # "100 Continue" need not send it.
        announced = request.header("content-length") or "0"
        size = int(announced) if announced.isdigit() else 0
        if "transfer-encoding" in {name for name, _ in request.headers}:
            size = limit  # it may come to that
        if size > limit:
            response = TOO_LARGE
        elif self._held_bytes + size > HELD_BYTES:
            response = BUSY
        else:
            response = await self._held(request, receive, size)
        response = readable_by_browsers(request, response)
        await respond(receive, send, response, is_head=request.method == "HEAD")

    async def _held(
        self, request: HttpRequest, receive: Receive, size: int
    ) -> HttpResponse:
        """Read a body for which there is room, and answer."""
        self._held_bytes += size
        try:
            body = await read_body(receive, self.limits.request_bytes)
            if body is None:
                return TOO_LARGE
            return await self._answer(replace(request, body=body))
        finally:
            self._held_bytes -= size

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.port == self._ports.management:
            return manage(self._connections, request)
        path = "/" + request.path.lstrip("/")
        if request.port == self._ports.site:
            return await self._invoke(replace(request, path="/http" + path))
        mounted = self._mounts.get(path)
        if mounted is not None:
            event = {"route": mounted, "request": request}
            return await self._call(self._functions.mounted, event, request)
        return await self._invoke(replace(request, path=path))

    async def _invoke(self, request: HttpRequest) -> HttpResponse:
        match = self._routes.match(request.path)
        methods = self._rest.routes[match.resource] if match else {}
        if match is None or request.method not in methods:
            return preflight(request, methods) or NO_ROUTE
        binary_types = self._rest.api.binary_types
        event = rest_event(request, match, stage=self._stage, binary_types=binary_types)
        most = self.limits.event_bytes
        if most is not None and len(event["body"] or "") > most:
            return TOO_LARGE
        return await self._call(self._functions.http, event, request)

    async def _call(
        self, function: LambdaFunction, event: Event, request: HttpRequest
    ) -> HttpResponse:
        try:
            outcome = await _call(function, event, f"{request.method} {request.path}")
        except (Throttled, Stopped):
            return BUSY
        if outcome.error is not None:
            return TIMED_OUT if isinstance(outcome.error, TimedOut) else FAILED
        try:
            response = proxy_response(outcome.value)
        except MalformedResult:
            return FAILED
        most = self.limits.response_bytes
        if most is not None and payload_bytes(outcome.value) > most:
            return FAILED
        return response

    # ---------------------------------------------------------------- WebSocket

    def admits(self, path: str, port: int) -> bool:
        """Tell whether a socket may be opened there."""
        return port == self._ports.main and _SYNC_PATH.fullmatch(path) is not None

    def opened(self, socket: GatewaySocket) -> None:
        """Take a socket in. There is no ``$connect``: clients present themselves."""
        self._connections.add(socket)

    def received(self, socket: GatewaySocket, text: str) -> None:
        """Call the handler of messages; each frame is an invocation of its own."""
        event = message_event(socket.info, text, stage=self._stage, domain=self._domain)

        def done(outcome: Outcome) -> None:
            socket.finished(len(text))
            if isinstance(outcome.error, Throttled):
                self._send_away(socket.connection_id)
            elif status_of(outcome) != 200:  # noqa: PLR2004
                self._report(socket.connection_id, event, outcome)

        found = _MESSAGE_TYPE.search(text, 0, 4096)
        what = found[1] if found else "message"
        self._messages.submit(socket.connection_id, event, what=what, done=done)
        if not self._is_watched:
            self._watch()

    def _watch(self) -> None:
        """See to it that messages do not wait for calls that are held up."""
        self._is_watched = self._functions.message.relieve()
        if self._is_watched:
            asyncio.get_running_loop().call_later(PATIENCE_S, self._watch)

    def drained(self, socket: GatewaySocket) -> None:
        """Have whoever waits for the client go on."""
        self._connections.drained(socket.connection_id)

    def closed(self, socket: GatewaySocket, code: int, reason: str) -> None:
        """Forget a socket, and tell the handler of disconnections if there is one."""
        self._connections.remove(socket.connection_id)
        if self._functions.disconnect is None:
            return
        event = disconnect_event(
            socket.info, code, reason, stage=self._stage, domain=self._domain
        )
        try:
            self._functions.disconnect.submit(event, what=f"disconnect {code}")
        except (Throttled, Stopped):
            return  # "$disconnect" is best effort on AWS, too.

    def _send_away(self, connection_id: str) -> None:
        """Close a socket whose message nobody takes: its client backs off and repeats it."""
        with suppress(Gone):
            self._connections.close(connection_id, CloseCode.TRY_AGAIN_LATER, OVERLOADED)

    def _report(self, connection_id: str, event: Event, outcome: Outcome) -> None:
        late = isinstance(outcome.error, TimedOut)
        message = "Endpoint request timed out" if late else "Internal server error"
        try:
            self._connections.post(connection_id, error_frame(event, message))
        except (Gone, TooLarge):
            return


async def _call(function: LambdaFunction, event: Event, what: str) -> Outcome:
    """Run a handler in its thread and wait for it on the loop."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Outcome] = loop.create_future()

    def settle(outcome: Outcome) -> None:
        if not answer.done():
            answer.set_result(outcome)

    def done(outcome: Outcome) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, outcome)

    function.submit(event, what=what, done=done)
    return await answer


def serve_mount(event: Event, context: LambdaContext) -> Event:  # noqa: ARG001
    """Answer a request with a mounted route: the handler of the gateway's own function."""
    route: MountedRoute = event["route"]
    status, headers, body = route(event["request"])
    return {"statusCode": status, "headers": dict(headers), "body": body}
