"""Many sockets: what they cost while idle, what a commit takes under load, how all come back.

Each socket watches a board of its own. While they are idle nothing is committed; under load,
commits come at a steady rate, each to the board of one socket. Then every socket is cut, and all
come back at once with what they watch: twice, the second time after many commits elsewhere.
"""

import asyncio
import json
import math
import os
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.local_load import mutation
from benchmarks.report import Line, Number, at_most, print_table
from benchmarks.server import ADMIN_KEY, Server, serving, spent
from benchmarks.sockets import SocketClient, connect, is_transition

SOCKETS: Final = 10_000
TOGETHER: Final = 200
IDLE_S: Final = 10.0
COMMITS: Final = 1000
COMMITS_PER_S: Final = 100
ELSEWHERE: Final = 10_000
"""Commits to what nobody watches: fewer than the server keeps in memory."""

WRITERS: Final = 20
PATIENCE_S: Final = 120.0
IDLE_CPU: Final = 0.05
"""Share of one CPU that idle sockets may take: about nothing."""

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Member:
    """One socket, and when it last heard of its board."""

    def __init__(self, number: int, crowd: "Crowd") -> None:
        self.board, self._crowd = f"board {number}", crowd
        self.heard_at = 0.0
        self.client: SocketClient | None = None

    async def join(self, port: int) -> None:
        """Connect and watch."""
        query = "boards:read", {"name": self.board}
        self.client = await connect(port, self._receive, [query])

    def leave(self) -> None:
        """Cut the connection."""
        if self.client is not None:
            self.client.close()

    def _receive(self, message: bytes) -> None:
        if is_transition(message) and b'"queryId":0' in message:
            self.heard_at = time.perf_counter()
            self._crowd.heard()


class Crowd:
    """All of them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.members = [Member(number, self) for number in range(SOCKETS)]
        self._missing = 0
        self._all = asyncio.Event()

    def heard(self) -> None:
        """Count one result."""
        self._missing -= 1
        if self._missing <= 0:
            self._all.set()

    async def until(self, results: int) -> None:
        """Return when so many results have come, or patience is at its end."""
        self._missing = results
        self._all.clear()
        await asyncio.wait_for(self._all.wait(), PATIENCE_S)

    async def join(self, together: int) -> float:
        """Connect everybody, some at a time; return how long until all have their result."""
        began = time.perf_counter()
        shown = asyncio.ensure_future(self.until(SOCKETS))
        await asyncio.sleep(0)
        gate = asyncio.Semaphore(together)

        async def join(member: Member) -> None:
            async with gate:
                await member.join(self._port)

        await asyncio.gather(*map(join, self.members))
        await shown
        return time.perf_counter() - began

    def leave(self) -> None:
        """Cut every connection."""
        for member in self.members:
            member.leave()


def memory_bytes(server: Server) -> int:
    """Memory that a server holds."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def counted(server: Server) -> dict[str, float]:
    """What the server has counted: an admin's question."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/api/query",
        json.dumps({"path": "_system/live:statistics", "args": [{}]}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Convex {ADMIN_KEY}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own
        found: dict[str, float] = json.load(answer)["value"]
        return found


async def idle(server: Server, empty_bytes: int) -> Line:
    """Watch nothing happen."""
    before = spent(server)
    await asyncio.sleep(IDLE_S)
    share = spent(server).since(before).cpu_s / IDLE_S
    each = (memory_bytes(server) - empty_bytes) / SOCKETS / 1024
    return Line(
        f"{SOCKETS:,} idle live queries",
        [at_most(share * 100, "% CPU", IDLE_CPU * 100), Number(each, "KiB each")],
    )


async def under_load(server: Server, crowd: Crowd) -> Line:
    """Commit at a steady rate; see when each commit's only watcher has it."""
    writer = await connect(server.port, lambda _: None)
    waits: list[float] = []
    pending: list[tuple[Member, float]] = []
    shown = asyncio.ensure_future(crowd.until(COMMITS))
    await asyncio.sleep(0)
    began = time.perf_counter()
    for number in range(COMMITS):
        await asyncio.sleep(max(0, began + number / COMMITS_PER_S - time.perf_counter()))
        member = crowd.members[number * 7 % SOCKETS]
        pending.append((member, time.perf_counter()))
        arguments = {"name": member.board, "text": f"commit {number}"}
        writer.send(mutation(number, "boards:write", arguments))
    await shown
    waits = sorted((m.heard_at - at) * 1000 for m, at in pending)
    writer.close()
    middle, worst = statistics.median(waits), waits[math.ceil(len(waits) * 0.99) - 1]
    return Line(
        f"commit to client, {COMMITS_PER_S} commits a second",
        [Number(middle, "ms p50"), Number(worst, "ms p99")],
    )


async def elsewhere(server: Server) -> None:
    """Commit what concerns nobody."""
    left, done = ELSEWHERE, asyncio.Event()

    def answered(message: bytes) -> None:
        nonlocal left
        left -= b'"type":"MutationResponse"' in message
        if left <= 0:
            done.set()

    writers = [await connect(server.port, answered) for _ in range(WRITERS)]
    for number in range(ELSEWHERE):
        arguments = {"name": f"elsewhere {number}", "text": ""}
        writer = writers[number % WRITERS]
        writer.send(mutation(number // WRITERS, "boards:write", arguments))
        if number % 500 == 0:
            await asyncio.sleep(0)
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    for writer in writers:
        writer.close()


async def come_back(server: Server, crowd: Crowd, when: str = "") -> Line:
    """Cut everybody, and have all of them come back at once."""
    crowd.leave()
    await asyncio.sleep(1)
    before, before_it = counted(server)["LiveQueriesRun"], spent(server)
    took_s = await crowd.join(SOCKETS)
    each = spent(server).since(before_it).cpu_s / SOCKETS * 1e6
    ran = counted(server)["LiveQueriesRun"] - before
    return Line(
        f"{SOCKETS:,} reconnect at once{when}, until the last has its result",
        [Number(took_s, "s"), at_most(ran, "runs", 0), Number(each, "µs of CPU each")],
    )


async def _measure() -> list[Line]:
    with serving() as server:
        empty = memory_bytes(server)
        crowd = Crowd(server.port)
        await crowd.join(TOGETHER)
        lines = [await idle(server, empty), await under_load(server, crowd)]
        lines.append(await come_back(server, crowd))
        await elsewhere(server)
        when = f" after {ELSEWHERE:,} commits elsewhere"
        lines.append(await come_back(server, crowd, when))
        crowd.leave()
        return lines


def run() -> None:
    """Measure, and print."""
    lines = uvloop.run(_measure())
    print_table("A crowd, each with a live query of its own", ("", "", ""), lines)


if __name__ == "__main__":
    run()
