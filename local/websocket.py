"""One WebSocket: the sans-I/O protocol of ``websockets`` between transport and gateway.

uvicorn hands a connection over when it asks for an upgrade. There is no task, no queue and
no buffer per socket, so that an idle one costs its memory and nothing else.
"""

import asyncio
import logging
import threading
import time
from typing import Any, Final, Protocol, cast

from typing_extensions import override
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from local.connections import Close, ConnectionInfo
from local.deflate import COMPRESS_FROM_BYTES, SparingDeflateFactory
from local.events import gateway_id, now_ms
from local.frames import text_frame
from local.limits import DRAIN_S, OPEN_BYTES, Limits

MAX_OPEN_CALLS: Final = 512
"""How many messages of one socket may be under way before it is not read any more."""

LINGER_S: Final = 2.0
"""How long a closed socket waits for its client to close, too."""

PING_S: Final = 30.0
"""After so much silence of a client its connection is probed with a ping."""

LOST_S: Final = 120.0
"""After so much silence, pongs included, a connection is given up.

Source: docs/protocol.md 4.1, the server that clients know.
"""


_EXTENSIONS: Final = (SparingDeflateFactory(),)
_log: Final = logging.getLogger("websockets.server")


class SocketOwner(Protocol):
    """What a socket needs of the gateway. All calls come on the event loop."""

    limits: Limits

    def admits(self, path: str, port: int) -> bool:
        """Tell whether a socket may be opened there."""
        ...

    def opened(self, socket: "GatewaySocket") -> None:
        """Take a socket in."""
        ...

    def received(self, socket: "GatewaySocket", text: str) -> None:
        """Handle a text message; ``socket.finished`` is to be called when that is done."""
        ...

    def drained(self, socket: "GatewaySocket") -> None:
        """Learn that a socket's transport was full and has room again."""
        ...

    def closed(self, socket: "GatewaySocket", code: int, reason: str) -> None:
        """Forget a socket."""
        ...


class GatewaySocket(asyncio.Protocol):
    """A client's connection, from its upgrade request to its end."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # noqa: ARG002 - uvicorn's way to make a protocol
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._owner = cast(SocketOwner, config.loaded_app)
        self._server_state = server_state
        self._limits = limits = self._owner.limits
        self._ws = ServerProtocol(
            extensions=_EXTENSIONS,
            max_size=(limits.message_bytes, limits.frame_bytes),
            logger=_log,
        )
        self.connection_id = gateway_id()
        self._connected_ms = now_ms()
        self._heard = self._active = self._opened = time.monotonic()
        self._source_ip = self._user_agent = ""
        self._port = 0
        self._parts: list[bytes] = []
        self._ended: bool | None = None  # None: was never open
        self._closing = False
        self._calls_lock = threading.Lock()
        self._open_calls = self._open_bytes = 0
        self._reading = True
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def info(self) -> ConnectionInfo:
        """Who is on the other end, since when, and when it was last active."""
        idle_ms = int((time.monotonic() - self._active) * 1000)
        return ConnectionInfo(
            connection_id=self.connection_id,
            connected_ms=self._connected_ms,
            last_active_ms=now_ms() - idle_ms,
            source_ip=self._source_ip,
            user_agent=self._user_agent,
        )

    @property
    def unsent_bytes(self) -> int:
        """What the transport holds and the network has not taken yet."""
        return self._transport.get_write_buffer_size()

    @property
    def unsent_messages(self) -> int:
        """How many messages it was handed since its transport is full; else none."""
        return self._unsent

    def send(self, items: list[bytes | Close]) -> None:
        """Hand messages to the transport, in order; none go out once the socket closes."""
        if self._ws.state is not State.OPEN:
            return
        for item in items:
            if isinstance(item, Close):
                self._close(item.code, item.reason)
                break
            self._send_text(item)
        if self._unsent:
            self._unsent += len(items)
        self._active = time.monotonic()
        self._write()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._transport.abort()

    def shutdown(self) -> None:
        """Close the socket because the server stops. Called by uvicorn."""
        if self._ws.state is State.OPEN:
            self._close(CloseCode.GOING_AWAY, "the server is stopping")
            self._write()
        else:
            self._transport.close()

    def finished(self, size: int) -> None:
        """Say that a message of ``size`` was handled. May be called from any thread."""
        with self._calls_lock:
            self._open_calls -= 1
            self._open_bytes -= size
            resume = (
                not self._reading
                and self._open_calls <= MAX_OPEN_CALLS // 2
                and self._open_bytes <= OPEN_BYTES // 2
            )
        if resume:
            self._loop.call_soon_threadsafe(self._resume_reading)

    def tick(self) -> None:
        """Look at the clock: ping, or close what is idle or too old."""
        if self._ws.state is not State.OPEN:
            return
        now = time.monotonic()
        limits = self._limits
        if limits.lifetime_s is not None and now - self._opened > limits.lifetime_s:
            self._close(CloseCode.GOING_AWAY, "Going away")
        elif limits.idle_s is not None:
            if now - self._active > limits.idle_s:
                self._close(CloseCode.GOING_AWAY, "Going away")
        elif now - self._heard > LOST_S:
            self.abort()
        elif now - self._heard > PING_S:
            self._ws.send_ping(b"")
        self._write()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = cast(asyncio.Transport, transport)
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        peer, own = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        self._source_ip = peer[0] if peer else ""
        self._port = own[1] if own else 0

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._server_state.connections.discard(self)
        self._stop_timer()
        sent = self._ws.close_sent
        self._end(*((sent.code, sent.reason) if sent else (CloseCode.ABNORMAL_CLOSURE, "")))

    @override
    def data_received(self, data: bytes) -> None:
        self._heard = self._active = time.monotonic()
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame) and self._ended is False:
                self._take(event)
        if self._ws.parser_exc is not None and (failure := self._ws.close_sent):
            self._set_timer(LINGER_S)
            self._end(failure.code, failure.reason)
        self._write()

    @override
    def eof_received(self) -> None:
        self._ws.receive_eof()
        self._write()

    @override
    def pause_writing(self) -> None:
        self._unsent = max(1, self._unsent)
        if self._ws.state is State.OPEN:
            self._set_timer(DRAIN_S)

    @override
    def resume_writing(self) -> None:
        self._unsent = 0
        if self._ws.state is State.OPEN:
            self._stop_timer()
            self._owner.drained(self)

    def _shake_hands(self, request: Request) -> None:
        agents = request.headers.get_all("User-Agent")
        self._user_agent = agents[-1] if agents else ""
        if self._owner.admits(request.path.partition("?")[0], self._port):
            response = self._ws.accept(request)
        else:
            response = self._ws.reject(403, "No live queries here: connect to /api/sync\n")
        self._ws.send_response(response)
        if self._ws.state is State.OPEN:
            self._ended = False
            self._owner.opened(self)

    def _take(self, frame: Frame) -> None:
        if self._closing and frame.opcode is not Opcode.CLOSE:
            return
        match frame.opcode:
            case Opcode.TEXT:
                self._parts = [bytes(frame.data)]
            case Opcode.CONT:
                self._parts.append(bytes(frame.data))
            case Opcode.BINARY:
                self._fail(CloseCode.UNSUPPORTED_DATA, "messages are text")
                return
            case Opcode.CLOSE:
                rcvd = self._ws.close_rcvd
                self._set_timer(LINGER_S)
                self._end(rcvd.code if rcvd else 1005, rcvd.reason if rcvd else "")
                return
            case _:
                return
        if frame.fin:
            self._deliver()

    def _deliver(self) -> None:
        parts, self._parts = self._parts, []
        try:
            text = b"".join(parts).decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "the message is not UTF-8")
            return
        with self._calls_lock:
            self._open_calls += 1
            self._open_bytes += len(text)
            is_much = self._open_calls >= MAX_OPEN_CALLS or self._open_bytes >= OPEN_BYTES
            pause = self._reading and is_much
        if pause:
            self._reading = False
            self._transport.pause_reading()
        self._owner.received(self, text)

    def _resume_reading(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()

    def _send_text(self, data: bytes) -> None:
        cut = self._limits.frame_bytes
        if len(data) < COMPRESS_FROM_BYTES and (cut is None or len(data) <= cut):
            # In line with what the protocol has to say: both go out with the next write.
            self._ws.writes.append(text_frame(data))
            return
        if cut is None or len(data) <= cut:
            self._ws.send_text(data)
            return
        self._ws.send_text(data[:cut], fin=False)
        for start in range(cut, len(data), cut):
            piece = data[start : start + cut]
            self._ws.send_continuation(piece, fin=start + cut >= len(data))

    def _close(self, code: int, reason: str) -> None:
        self._closing = True
        self._ws.send_close(code, reason)
        self._set_timer(LINGER_S)

    def _fail(self, code: CloseCode, reason: str) -> None:
        self._ws.fail(code, reason)
        self._set_timer(LINGER_S)
        self._end(code, reason)

    def _end(self, code: int, reason: str) -> None:
        if self._ended is False:
            self._ended = True
            self._owner.closed(self, code, reason)

    def _write(self) -> None:
        writes = self._ws.data_to_send()
        if not writes or self._transport.is_closing():
            return
        self._transport.write(b"".join(writes))
        # Only our direction is closed: were the socket closed with bytes of the client
        # unread, the kernel would send a reset, and the close frame would be lost with it.
        if not writes[-1] and self._transport.can_write_eof():
            self._transport.write_eof()
            self._set_timer(LINGER_S)

    def _set_timer(self, delay_s: float) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, self._transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
