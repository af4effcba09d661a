"""Transfers between accounts on the local server: how many a second, how long each takes.

64 sockets each send a transfer, wait for its answer, and send the next. With an answer a
transfer is on the disk.
"""

import asyncio
import itertools
import random
import time
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import uvloop

from benchmarks.report import Line, Number, at_least, at_most, print_table
from benchmarks.server import Server, Spent, serving, spent
from benchmarks.sockets import SocketClient, connect, is_response, is_transition

ACCOUNTS: Final = 10_000
SOCKETS: Final = 64
WATCHED: Final = 100
"""Accounts whose sum is watched; the last run moves money between no others."""

BALANCE: Final = 1000
WARM_UP_S: Final = 1.0
MEASURED_S: Final = 5.0
PATIENCE_S: Final = 30.0

Choose = Callable[[], int]


def uniform(accounts: int) -> Choose:
    """Choose each account as often as any other."""
    return lambda: int(random.random() * accounts)


def zipf(accounts: int, exponent: float) -> Choose:
    """Choose account n in proportion to ``1 / (n + 1) ** exponent``."""
    weights = list(itertools.accumulate((n + 1) ** -exponent for n in range(accounts)))
    return lambda: bisect(weights, random.random() * weights[-1])


@dataclass(slots=True)
class Tally:
    """What came of the transfers since the warm-up; waits in seconds."""

    began: float = 0.0
    ended: float = 0.0
    answered: int = 0
    """Those of the warm-up, and of the end, among them."""

    spent: Spent = field(default_factory=lambda: Spent(0.0, 0))
    """What the server took for all that were answered."""

    waits: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    sums: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Transfers a second."""
        return len(self.waits) / (self.ended - self.began)

    def wait_ms(self, share: float) -> float:
        """The wait that ``share`` of the transfers do not exceed, in milliseconds."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


class Teller:
    """One socket that sends a transfer whenever its last one was answered."""

    def __init__(self, choose: Choose, tally: Tally) -> None:
        self._choose, self._tally = choose, tally
        self._requests = itertools.count()
        self._sent = 0.0
        self._client: SocketClient | None = None
        self._stopping = False
        self._stopped = asyncio.Event()

    async def start(self, port: int) -> None:
        """Connect, and send the first transfer."""
        self._client = await connect(port, self._receive)
        self._send()

    async def stop(self) -> None:
        """Wait for the last answer, and leave: nothing is under way any more."""
        self._stopping = True
        await asyncio.wait_for(self._stopped.wait(), PATIENCE_S)

    def _send(self) -> None:
        if self._client is None:
            return
        if self._stopping:
            self._client.close()
            self._stopped.set()
            return
        source = target = self._choose()
        while target == source:
            target = self._choose()
        arguments = {"source": source, "target": target, "amount": 1}
        self._sent = time.perf_counter()
        self._client.send(mutation(next(self._requests), "accounts:transfer", arguments))

    def _receive(self, message: bytes) -> None:
        if not is_response(message):
            return
        now = time.perf_counter()
        self._tally.answered += 1
        if self._tally.began <= self._sent and now <= self._tally.ended:
            self._tally.waits.append(now - self._sent)
        if b'"success":true' not in message:
            self._tally.errors.append(message.decode())
        self._send()


def mutation(request_id: int, path: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Write the message that runs a mutation."""
    return {
        "type": "Mutation",
        "requestId": request_id,
        "udfPath": path,
        "args": [arguments],
    }


async def open_accounts(port: int) -> None:
    """Make the accounts, a thousand in a mutation."""
    answered: asyncio.Queue[bytes] = asyncio.Queue()
    client = await connect(port, answered.put_nowait)
    for number, first in enumerate(range(0, ACCOUNTS, 1000)):
        arguments = {"first": first, "howMany": 1000, "balance": BALANCE}
        client.send(mutation(number, "accounts:open", arguments))
        while not is_response(answer := await answered.get()):
            pass
        assert b'"success":true' in answer, answer
    client.close()


async def transfers(
    server: Server,
    choose: Choose,
    *,
    watched: bool = False,
    measured_s: float = MEASURED_S,
) -> Tally:
    """Put the load on, and return what came of it."""
    port, before = server.port, spent(server)
    began = time.perf_counter() + WARM_UP_S
    tally = Tally(began, began + measured_s)
    watcher: SocketClient | None = None
    if watched:
        watcher = await connect(
            port,
            lambda message: tally.sums.extend(sums_in(message)),
            [("accounts:sumOfFirst", {"howMany": WATCHED})],
        )
    tellers: Sequence[Teller] = [Teller(choose, tally) for _ in range(SOCKETS)]
    for teller in tellers:
        await teller.start(port)
    await asyncio.sleep(tally.ended - time.perf_counter())
    await asyncio.gather(*(teller.stop() for teller in tellers))
    tally.spent = spent(server).since(before)
    if watcher is not None:
        watcher.close()
    return tally


def sums_in(message: bytes) -> list[float]:
    """Return the results that a transition brought."""
    if not is_transition(message):
        return []
    changes = msgspec.json.decode(message)["modifications"]
    return [change["value"] for change in changes if change["type"] == "QueryUpdated"]


async def _loads() -> list[Line]:
    with serving() as server:
        await open_accounts(server.port)
        return [
            _line("uniform", await transfers(server, uniform(ACCOUNTS))),
            _line("Zipf 1.5", await transfers(server, zipf(ACCOUNTS, 1.5))),
            _line(
                f"among {WATCHED} accounts, their sum watched",
                await transfers(server, uniform(WATCHED), watched=True),
            ),
        ]


def _line(name: str, tally: Tally) -> Line:
    torn = sum(shown != tally.sums[0] for shown in tally.sums)
    return Line(
        f"{SOCKETS} sockets, {name}",
        (
            at_least(tally.rate, "/s", 2500),
            Number(tally.wait_ms(0.5), "ms"),
            at_most(tally.wait_ms(0.99), "ms", 60),
            at_most(len(tally.errors), "", 0),
            Number(tally.spent.cpu_s / tally.answered * 1e6, "µs"),
            Number(tally.spent.switches / tally.answered),
            *([Number(len(tally.sums)), at_most(torn, "", 0)] if tally.sums else []),
        ),
    )


def run() -> None:
    """Measure, and print."""
    lines = uvloop.run(_loads())
    each = "server's CPU, each", "switches, each"
    columns = ("transfers", "p50", "p99", "errors", *each, "sums seen", "wrong")
    print_table("Transfers on the local server, each synced at its answer", columns, lines)


if __name__ == "__main__":
    run()
