"""The sockets that are open, and the thread-safe way to post to them.

Handlers run in threads, sockets live on the event loop. A post leaves its bytes in the line
of its socket and wakes the loop; while the loop has not come yet, further posts, to any
socket, find it called already. A thousand posts so cost one wake-up. Fibers wake it when none
of them can go on (``local/fibers.py``).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from local.limits import OUTGOING_BYTES, Limits


class Gone(Exception):
    """The connection does not exist, or not any more."""


class TooLarge(Exception):
    """The message is larger than may be posted."""


@dataclass(frozen=True, slots=True)
class Close:
    """An order to close a socket, standing in line behind the messages before it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """What is known about an open connection; times are milliseconds since 1970."""

    connection_id: str
    connected_ms: int
    last_active_ms: int
    source_ip: str
    user_agent: str


class Socket(Protocol):
    """What the registry needs of a socket. The properties may be read from any thread."""

    @property
    def connection_id(self) -> str:
        """The name that the gateway gave the socket."""
        ...

    @property
    def info(self) -> ConnectionInfo:
        """Who is on the other end, since when."""
        ...

    @property
    def unsent_bytes(self) -> int:
        """What the transport holds and the network has not taken yet."""
        ...

    @property
    def unsent_messages(self) -> int:
        """How many messages it was handed since its transport is full; else none."""
        ...

    def send(self, items: list[bytes | Close]) -> None:
        """Hand messages to the transport, in order."""
        ...

    def abort(self) -> None:
        """Cut the connection without a word."""
        ...

    def tick(self) -> None:
        """Look at the clock: ping, or close what is idle or too old."""
        ...


@dataclass(slots=True, eq=False)
class _Line:
    """What waits for the loop to come and hand it to one socket."""

    socket: Socket
    waiting: list[bytes | Close] = field(default_factory=list)
    waiting_bytes: int = 0
    was_asked: bool = False
    """Whether somebody waits for the client to take what it was sent."""


FLUSH_SOCKETS: Final = 256
"""How many sockets the loop serves before it looks at anything else."""


class Connections:
    """The open sockets by connection id: the ``@connections`` of the local gateway."""

    def __init__(
        self, limits: Limits, later: Callable[[Callable[[], None]], bool] = lambda _: False
    ) -> None:
        """``later`` does something a little later, or says that it will not."""
        self._post_bytes, self._later = limits.post_bytes, later
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._due: list[_Line] = []
        self._called = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_drained: Callable[[str], None] = lambda _: None

    def __len__(self) -> int:
        return len(self._lines)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop the sockets live on. Called once, before the first socket."""
        self._loop = loop

    def post(self, connection_id: str, data: bytes) -> None:
        """Send ``data`` as one text message, after all that was posted there before.

        Returns when the bytes stand in line for the transport: it never waits for the
        client. A client that leaves more than ``OUTGOING_BYTES`` unread is cut off.

        Raises:
            Gone: there is no such connection, or it has just been cut off.
            TooLarge: ``data`` is over the gateway's limit.
        """
        if self._post_bytes is not None and len(data) > self._post_bytes:
            raise TooLarge(f"{len(data)} bytes, {self._post_bytes} allowed")
        with self._lock:
            line = self._lines.get(connection_id)
            if line is None:
                raise Gone(connection_id)
            behind = line.waiting_bytes + line.socket.unsent_bytes
            # A message on its own may be of any size: it is the pile that shows a client
            # that does not read.
            overflows = behind > 0 and behind + len(data) > OUTGOING_BYTES
            if overflows:
                del self._lines[connection_id]
            else:
                self._stand_in_line(line, data)
        if overflows:
            self._call(line.socket.abort)
            raise Gone(connection_id)

    def close(self, connection_id: str, code: int = 1000, reason: str = "") -> None:
        """Close a socket after what was posted to it; from now on it is gone.

        Raises:
            Gone: there is no such connection.
        """
        with self._lock:
            line = self._lines.pop(connection_id, None)
            if line is None:
                raise Gone(connection_id)
            self._stand_in_line(line, Close(code, reason))

    def unsent(self, connection_id: str) -> int:
        """How many messages a client has not taken, beyond what the transport holds.

        If there are some, ``on_drained`` is called once there are none any more. What waits
        for the loop alone is none of them: it is the server that is late then.
        """
        # Without the lock: mostly nothing is unsent, and whoever asks is about to post.
        line = self._lines.get(connection_id)
        if line is None or not line.socket.unsent_messages:
            return 0
        with self._lock:
            line.was_asked = True
            return len(line.waiting) + line.socket.unsent_messages

    def drained(self, connection_id: str) -> None:
        """Take in that a socket's transport has room again. Called on the loop."""
        with self._lock:
            line = self._lines.get(connection_id)
            told = line is not None and line.was_asked
            if line is not None:
                line.was_asked = False
        if told:
            self.on_drained(connection_id)

    def info(self, connection_id: str) -> ConnectionInfo:
        """Return who is connected there.

        Raises:
            Gone: there is no such connection.
        """
        line = self._lines.get(connection_id)
        if line is None:
            raise Gone(connection_id)
        return line.socket.info

    def sockets(self) -> list[Socket]:
        """Return every open socket."""
        with self._lock:
            return [line.socket for line in self._lines.values()]

    def add(self, socket: Socket) -> None:
        """Take a socket in, once it is open."""
        with self._lock:
            self._lines[socket.connection_id] = _Line(socket)

    def remove(self, connection_id: str) -> None:
        """Forget a socket; what stands in line for it still goes out if it can."""
        with self._lock:
            self._lines.pop(connection_id, None)

    def _stand_in_line(self, line: _Line, item: bytes | Close) -> None:
        """Append to a line and see to it that the loop comes. The caller holds the lock."""
        if not line.waiting:
            self._due.append(line)
        line.waiting.append(item)
        if isinstance(item, bytes):
            line.waiting_bytes += len(item)
        if not self._called and not self._later(self._have_flushed):
            self._called = True
            self._call(self._flush)

    def _have_flushed(self) -> None:
        with self._lock:
            if self._due and not self._called:
                self._called = True
                self._call(self._flush)

    def _call(self, action: Callable[[], None]) -> None:
        # A loop that is closed has taken its sockets along: there is nobody to write to.
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _flush(self) -> None:
        with self._lock:
            due, self._due = self._due[:FLUSH_SOCKETS], self._due[FLUSH_SOCKETS:]
            batches = [(line.socket, line.waiting, line.was_asked) for line in due]
            for line in due:
                line.waiting, line.waiting_bytes = [], 0
            self._called = bool(self._due)
            if self._called:
                self._call(self._flush)
        for socket, items, was_asked in batches:
            socket.send(items)
            if was_asked and not socket.unsent_messages:
                self.drained(socket.connection_id)
