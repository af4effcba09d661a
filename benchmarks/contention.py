"""Mutations of the same documents from many processes on DynamoDB, beside those of different ones.

Each process transfers money, waits for the answer, and transfers again: between accounts of
its own, or all of them between the same two. The engine and the adapters are those that are
deployed; DynamoDB is played by the tables of the simulation, in virtual time: a call takes 5 ms
on average, one in a hundred is slow, and one process handles the log's stream. So the numbers
are of the algorithm alone, and the same in every run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import msgspec
from typing_extensions import override

from benchmarks.report import Line, Number, at_least, print_table
from chalicelib.engine.backend import Backend
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import Entry
from tests.simulation.blobs import Shelf
from tests.simulation.platform import Platform
from tests.simulation.profiles import DYNAMODB
from tests.simulation.world import World

PROCESSES: Final = (8, 16)
WARM_UP_MS: Final = 1_000.0
MEASURED_MS: Final = 3_000.0
STREAM_MS: Final = 100.0
"""How late the log's stream reports."""

GOAL: Final = 0.8
"""Contended throughput is within a fifth of that without contention."""

COLUMNS: Final = (
    "apart /s",
    "contended /s",
    "ratio",
    "apart p50",
    "p99",
    "contended p50",
    "p99",
    "errors",
)

T = TypeVar("T")


class Parallel(World):
    """A world in which what is asked for at once takes as long as one item."""

    _still = False

    @override
    def sleep(self, duration_ms: float) -> None:
        if not self._still:
            super().sleep(duration_ms)

    @override
    def step(self) -> bool:
        return True

    @override
    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        if len(calls) <= 1 or self._still:
            return [call() for call in calls]
        self.pause()
        self._still = True
        try:
            return [call() for call in calls]
        finally:
            self._still = False
            self.pause()


class OneStream(Platform):
    """A platform that reports commits to one handler at a time, as a shard does."""

    told = reported = 0
    is_busy = False

    @override
    def backend(self, packages: tuple[str, ...] = ("benchmarks.app",)) -> Backend:
        return super().backend(packages)

    @override
    def _stream(self, entry: Entry) -> None:
        self._committed(entry)
        self.told = entry.ts
        if not self.is_busy:
            self.is_busy = True
            self.world.at(STREAM_MS, self._tell, awaited=False)

    def _tell(self) -> None:
        first, last = self.reported + 1, self.told
        self.reported = last

        def done() -> None:
            if self.told > last:
                self._tell()
            else:
                self.is_busy = False

        self.invoke(
            "stream", lambda backend: _done(backend.commits(first, last)), done=done
        )


def _done(_: object) -> None:
    """Let a result go."""


@dataclass(slots=True)
class Tally:
    """What came of the transfers after the warm-up; waits in milliseconds."""

    waits: list[float] = field(default_factory=list)
    errors: int = 0

    @property
    def rate(self) -> float:
        """Transfers a second."""
        return len(self.waits) / MEASURED_MS * 1000

    def wait(self, share: float) -> Number:
        """The wait that ``share`` of the transfers do not exceed."""
        ordered = sorted(self.waits)
        return Number(ordered[min(len(ordered) - 1, int(len(ordered) * share))], "ms")


def transfers(processes: int, pair: Callable[[int], int]) -> Tally:
    """Have processes transfer; process n does between the accounts of ``pair(n)``."""
    profile = replace(
        DYNAMODB,
        processes=processes + 1,
        call_ms=(1.5, 3.5),
        stall=0.01,
        stall_ms=(10, 50),
    )
    world, tally = Parallel(1, profile), Tally()
    platform = OneStream(world, _done, Shelf())
    setup = platform.backend()
    setup.deploy("benchmark")
    setup.call(_call("open", first=0, howMany=2 * processes, balance=5), "mutation")
    platform.reported = platform.told - 1
    began_ms = world.now_ms + WARM_UP_MS

    def teller(number: int) -> Callable[[], None]:
        one = 2 * pair(number)
        transfer = _call("transfer", source=one, target=one + 1, amount=1)

        def work(backend: Backend) -> None:
            sent_ms = world.now_ms
            failure = backend.call(transfer, "mutation").failure
            if sent_ms >= began_ms and world.now_ms <= began_ms + MEASURED_MS:
                tally.waits.append(world.now_ms - sent_ms)
                tally.errors += failure is not None

        def again() -> None:
            tally.errors += 1
            once()

        def once() -> None:
            platform.invoke("teller", work, done=once, again=again)

        return once

    for number in range(processes):
        world.at(number, teller(number))
    world.run(WARM_UP_MS + MEASURED_MS)
    world.close()
    return tally


def _call(name: str, **arguments: int) -> Call:
    return Call(f"accounts:{name}", msgspec.json.encode(arguments), None)


def measure(processes: int) -> Line:
    """Measure both, and compare them."""
    apart = transfers(processes, lambda number: number)
    contended = transfers(processes, lambda _: 0)
    return Line(
        f"{processes} processes",
        (
            Number(apart.rate),
            Number(contended.rate),
            at_least(contended.rate / apart.rate, "", GOAL),
            apart.wait(0.5),
            apart.wait(0.99),
            contended.wait(0.5),
            contended.wait(0.99),
            Number(apart.errors + contended.errors),
        ),
    )


def run() -> None:
    """Measure, and print."""
    print_table(
        "DynamoDB, simulated: transfers apart, and all between the same two accounts",
        COLUMNS,
        list(map(measure, PROCESSES)),
    )


if __name__ == "__main__":
    run()
