"""HTTP requests and responses as values, and the way from and to ASGI."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it came: path and query encoded; the names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    port: int

    def header(self, name: str) -> str | None:
        """Return the last value of a header; ``name`` is lower case."""
        values = [value for key, value in self.headers if key == name]
        return values[-1] if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response, whole."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


MountedRoute = Callable[[HttpRequest], tuple[int, Mapping[str, str], bytes]]
"""A route that the gateway serves itself: status, headers and body of the answer."""


def refusal(status: int, message: str, error_type: str) -> HttpResponse:
    """Return a response of the gateway's own, in the form of AWS: a type and a message."""
    return HttpResponse(
        status=status,
        headers=(("content-type", "application/json"), ("x-amzn-ErrorType", error_type)),
        body=json.dumps({"message": message}).encode(),
    )


def read_head(scope: Scope) -> HttpRequest:
    """Return the request of an ASGI scope, without its body."""
    client, server = scope.get("client"), scope.get("server")
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
        ),
        body=b"",
        source_ip=client[0] if client else "127.0.0.1",
        port=(server[1] if server else None) or 0,
    )


async def read_body(receive: Receive, max_bytes: int) -> bytes | None:
    """Return the body of a request, or None if it is larger than ``max_bytes``."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


async def respond(
    receive: Receive, send: Send, response: HttpResponse, *, is_head: bool = False
) -> None:
    """Send a response; its length is counted here, unless it answers HEAD, and has none."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
        if name.lower() not in {"content-length", "transfer-encoding", "connection"}
    ]
    length = str(len(response.body))
    if is_head:
        told = (text for name, text in response.headers if name.lower() == "content-length")
        length = next(told, length)
    headers.append((b"content-length", length.encode()))
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    try:
        await send(start)
        await send({"type": "http.response.body", "body": response.body})
    except RuntimeError as error:
        # A client that left while it was being answered is no fault of ours. Wait until the
        # server has noticed, too; of requests that were pipelined it never does.
        if "closed" not in str(error):
            raise
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(receive(), 0.1)
