"""A client of live queries that costs next to nothing, to be many at once.

It speaks just enough of WebSocket for a server on the same machine, and looks for the type
of a message in its bytes before it decodes any of it. Masks are zero, which leaves the bytes
as they are.
"""

import asyncio
import base64
import secrets
import uuid
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import msgspec
from typing_extensions import override

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A
_SHORT, _MEDIUM = 126, 127

Receive = Callable[[bytes], None]


class SocketClient(asyncio.Protocol):
    """One connection to ``/api/sync``; ``on_message`` gets the text of each message."""

    def __init__(self, on_message: Receive) -> None:
        self.on_message = on_message
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unread = b""

    def send(self, message: Any) -> None:
        """Send one message as JSON."""
        self._send(_TEXT, msgspec.json.encode(message))

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            "GET /api/1.0.0/sync HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "",
            "",
        )
        self._transport.write("\r\n".join(lines).encode())

    @override
    def data_received(self, data: bytes) -> None:
        unread = self._unread + data if self._unread else data
        if not self.opened.done():
            head, end, unread = unread.partition(b"\r\n\r\n")
            if not end:
                self._unread = head
                return
            if b" 101 " not in head[:20]:
                raise ConnectionError(head.decode(errors="replace"))
            self.opened.set_result(None)
        self._unread = self._take(unread)

    def _take(self, data: bytes) -> bytes:
        at = 0
        while len(data) - at >= 2:
            size, start = data[at + 1], at + 2
            if size == _SHORT:
                size, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == _MEDIUM:
                size, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if len(data) < start + size:
                break
            self._frame(data[at], data[start : start + size])
            at = start + size
        return data[at:]

    def _frame(self, kind: int, body: bytes) -> None:
        if kind == _TEXT:
            self.on_message(body)
        elif kind == _PING:
            self._send(_PONG, body)
        elif kind == _CLOSE:
            raise ConnectionError(f"closed by the server: {body[2:].decode()}")

    def _send(self, kind: int, body: bytes) -> None:
        size = len(body)
        if size < _SHORT:
            head = bytes((kind, 0x80 | size))
        else:
            head = bytes((kind, 0x80 | _SHORT)) + size.to_bytes(2, "big")
        self._transport.write(head + bytes(4) + body)


async def connect(
    port: int, on_message: Receive, queries: Iterable[tuple[str, dict[str, Any]]] = ()
) -> SocketClient:
    """Open a session that watches ``queries``, which are paths and arguments."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: SocketClient(on_message), "127.0.0.1", port
    )
    await client.opened
    client.send(
        {
            "type": "Connect",
            "sessionId": str(uuid.uuid4()),
            "connectionCount": 0,
            "lastCloseReason": "InitialConnect",
            "clientTs": 1,
        }
    )
    client.send(
        {
            "type": "ModifyQuerySet",
            "baseVersion": 0,
            "newVersion": 1,
            "modifications": [
                {"type": "Add", "queryId": number, "udfPath": path, "args": [arguments]}
                for number, (path, arguments) in enumerate(queries)
            ],
        }
    )
    return client


def is_transition(message: bytes) -> bool:
    """Tell a ``Transition`` from other messages."""
    return message.startswith(b'{"type":"Transition"')


def is_response(message: bytes) -> bool:
    """Tell a ``MutationResponse`` from other messages."""
    return message.startswith(b'{"type":"MutationResponse"')
