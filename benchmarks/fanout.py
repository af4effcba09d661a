"""One commit that changes what many sockets watch: when the first and the last have it.

All watch the same query, each in a session of its own. The clock runs from sending the
mutation until the first, and the last socket has received the whole transition.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Final

import uvloop

from benchmarks.local_load import mutation
from benchmarks.report import Line, Number, at_most, print_table
from benchmarks.server import Server, Spent, serving, spent
from benchmarks.sockets import SocketClient, connect, is_transition

GOALS_S: Final = {1000: 0.06, 5000: 0.25, 10_000: 0.5}
"""Seconds until the last of so many sockets has a commit, at most."""

COMMITS: Final = 7
Waits = Sequence[tuple[float, float]]
_COLUMNS: Final = "first", "last, median", "best", "worst", "server's CPU, each"

CONNECT_TOGETHER: Final = 100
PATIENCE_S: Final = 60.0


class Audience:
    """Sockets that watch one board."""

    def __init__(self) -> None:
        self.clients: list[SocketClient] = []
        self._text = b""
        self._missing = self._number = 0
        self.first_at = 0.0
        self._all_have_it = asyncio.Event()

    async def gather(self, port: int, how_many: int) -> None:
        """Connect until there are ``how_many``, and wait for everybody's first result."""
        while len(self.clients) < how_many:
            several = min(CONNECT_TOGETHER, how_many - len(self.clients))
            shown = self.until_all_have(b'"queryId":0', several)
            self.clients += await asyncio.gather(
                *(
                    connect(port, self._receive, [("boards:read", {"name": "board"})])
                    for _ in range(several)
                )
            )
            await shown

    def until_all_have(self, text: bytes, how_many: int) -> "asyncio.Future[bool]":
        """Return what is done when so many transitions with ``text`` in them have come."""
        self._text, self._missing, self._number = text, how_many, how_many
        self._all_have_it.clear()
        return asyncio.ensure_future(asyncio.wait_for(self._all_have_it.wait(), PATIENCE_S))

    def leave(self) -> None:
        """Close every socket."""
        for client in self.clients:
            client.close()

    def _receive(self, message: bytes) -> None:
        if is_transition(message) and self._text in message:
            if self._missing == self._number:
                self.first_at = time.perf_counter()
            self._missing -= 1
            if self._missing == 0:
                self._all_have_it.set()


async def fan_out(server: Server, sockets: int) -> tuple[Waits, Spent]:
    """Return how long several commits took to reach one, and all ``sockets``, in seconds.

    And what the server took for them.
    """
    port = server.port
    audience = Audience()
    await audience.gather(port, sockets)
    writer = await connect(port, lambda _: None)
    waits: list[tuple[float, float]] = []
    before = spent(server)
    for commit in range(COMMITS):
        text = f"{sockets} sockets, commit {commit}"
        all_have_it = audience.until_all_have(text.encode(), sockets)
        began = time.perf_counter()
        writer.send(mutation(commit, "boards:write", {"name": "board", "text": text}))
        await all_have_it
        waits.append((audience.first_at - began, time.perf_counter() - began))
        await asyncio.sleep(0.05)
    took = spent(server).since(before)
    writer.close()
    audience.leave()
    return waits, took


async def _audiences() -> list[Line]:
    lines = []
    for sockets, goal_s in GOALS_S.items():
        with serving() as server:
            waits, took = await fan_out(server, sockets)
        last = [whole for _, whole in waits]
        numbers = (statistics.median(last), min(last), max(last))
        first = Number(statistics.median(one for one, _ in waits), "s")
        goals = [at_most(number, "s", goal_s) for number in numbers]
        each = Number(took.cpu_s / COMMITS / sockets * 1e6, "µs")
        lines.append(Line(f"{sockets:,} sockets", [first, *goals, each]))
    return lines


def run() -> None:
    """Measure, and print."""
    lines = uvloop.run(_audiences())
    title = "One commit that all sockets watch, until the first and the last one have it"
    print_table(title, _COLUMNS, lines)


if __name__ == "__main__":
    run()
