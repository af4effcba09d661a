"""A TCP proxy that gives each connection a fate of its own, drawn by a seed."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

from tests.clients.free_port import free_port
from tests.proof.faults.fates import CLEAN, Fate, drawn
from tests.proof.faults.frames import Frames

CHUNK_BYTES = 16 * 1024
HALF_OPEN_SECONDS = 3.0
SILENT_AFTER_BYTES = 1_500
"""In the middle of a client's work, some messages after the handshake."""
NO_LINGER = struct.pack("ii", 1, 0)
"""Closing sends a reset, and throws away what was not sent."""


class FaultProxy:
    """Passes bytes between clients and one server, until a connection meets its fate.

    Attributes:
        faults: How often each thing was done to a connection.
        connections: How many were accepted.
    """

    def __init__(self, server_port: int, seed: int, *, silent: int = 0) -> None:
        """``silent``: that many connections, the first, fall silent, even when it is calm."""
        self.port, self._server_port = free_port(), server_port
        self.faults, self.connections = Counter[str](), 0
        self._random, self._calm = Random(seed), False
        self._silent = silent
        self._open = set[asyncio.Task[None]]()

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://127.0.0.1:{self.port}"

    def calm(self) -> None:
        """From now on connections are clean, those that are open included."""
        self._calm = True

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        """Serve inside the block."""
        loop, started = asyncio.new_event_loop(), threading.Event()
        thread = threading.Thread(target=self._run, args=(loop, started), daemon=True)
        thread.start()
        assert started.wait(10), "the proxy did not start"
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)

    def _run(self, loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
        asyncio.set_event_loop(loop)
        serving = asyncio.start_server(self._accept, "127.0.0.1", self.port)
        server = loop.run_until_complete(serving)
        loop.call_soon(started.set)
        loop.run_forever()
        server.close()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        fate = CLEAN if self._calm else drawn(self._random)
        if self.connections <= self._silent:
            fate = Fate("silent", SILENT_AFTER_BYTES)
        if fate.kind == "refused":
            self.faults[fate.kind] += 1
            _reset(writer)
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:  # the server is being started again
            _reset(writer)
            return
        wire = _Wire(self, fate, client=writer, server=back)
        try:
            await asyncio.gather(wire.pump(reader, back), wire.pump(there, writer))
        finally:
            _reset(writer)
            _reset(back)

    def is_calm(self) -> bool:
        """Whether nothing is done any more."""
        return self._calm


class _Swallowed(Exception):
    """What came goes nowhere."""


class _Wire:
    """One connection of a client, and the one to the server that goes with it."""

    def __init__(
        self,
        proxy: FaultProxy,
        fate: Fate,
        *,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        self._proxy, self._fate = proxy, fate
        self._client, self._server = client, server
        self._random, self._passed = Random(fate.seed), 0
        self._met = self._half_open = False

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what comes, until the connection ends or meets its fate."""
        frames = Frames()
        with suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                inner = frames.inner(data)
                self._passed += len(data)
                if self._half_open:
                    continue  # nobody is there
                if self._is_due():
                    try:
                        await self._meet(data, inner, sink)
                    except _Swallowed:
                        continue
                sink.write(data)
                await sink.drain()
        if not self._half_open or self._fate.kind == "silent":
            _reset(sink)

    def _is_due(self) -> bool:
        if self._fate.kind == "silent":
            return self._passed >= self._fate.after_bytes
        if self._proxy.is_calm() or self._fate.kind == "clean":
            return False
        return self._fate.kind == "delayed" or (
            not self._met and self._passed >= self._fate.after_bytes
        )

    async def _meet(
        self, data: bytes, inner: list[int], sink: asyncio.StreamWriter
    ) -> None:
        """Do what is to be done.

        Raises:
            ConnectionResetError: the connection ended.
        """
        fate = self._fate
        if fate.kind == "cut midway" and not inner:
            return  # not at the end of a frame
        if not self._met:
            self._proxy.faults[fate.kind] += 1
        self._met = True
        match fate.kind:
            case "delayed" | "stalled":
                await asyncio.sleep(fate.seconds)
                return
            case "cut midway":
                sink.write(data[: self._random.choice(inner)])
                await sink.drain()
                await asyncio.sleep(0)  # it is on its way before the reset is
            case "silent":
                # Both ends stay, and hear nothing more, until the client gives up.
                self._half_open = True
                raise _Swallowed
            case "deserted" | "muted":
                self._half_open = True
                _reset(self._client if fate.kind == "deserted" else self._server)
                await asyncio.sleep(HALF_OPEN_SECONDS)
            case _:
                pass
        _reset(self._client)
        _reset(self._server)
        raise ConnectionResetError


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection without a word."""
    opened = writer.get_extra_info("socket")
    if opened is not None and not writer.transport.is_closing():
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
