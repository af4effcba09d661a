"""Queries of one range of three documents: a second, and as the data grows.

Cached: the same call again. Warm: other arguments each time, the rows in memory. Cold: rows
that nobody has read before, in a process that has read nothing.
"""

import random
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.engine import Engine, engine
from benchmarks.report import Line, Number, at_most, print_table

TOPICS: Final = 3000
CALLS: Final = 3000
SIZES: Final = (10_000, 100_000, 1_000_000)
NOTES_A_TOPIC: Final = 3
ROUNDS: Final = 5
"""Times that each size is measured; the best is told, for others use the machine too."""

BULK_DOCUMENTS: Final = 100_000
BULK_AT_ONCE: Final = 1000
BODY: Final = "x" * 100


def _images(numbers: Iterable[int]) -> list[bytes]:
    return [
        msgspec.json.encode(
            {"topic": f"topic-{n // NOTES_A_TOPIC}", "rank": n, "body": BODY}
        )
        for n in numbers
    ]


def _rate(made: Engine, topics: Sequence[int]) -> float:
    """Ask for topics, one after another; return calls a second."""
    began = time.perf_counter()
    for topic in topics:
        found = made.call("notes:ofTopic", "query", topic=f"topic-{topic}")
        assert len(found) == NOTES_A_TOPIC
    return len(topics) / (time.perf_counter() - began)


def _speeds() -> list[Line]:
    every = range(TOPICS)
    with TemporaryDirectory() as directory:
        with engine(Path(directory)) as made:
            made.fill("notes", 0, _images(range(TOPICS * NOTES_A_TOPIC)))
        with engine(Path(directory)) as made:
            cold = _rate(made, every)
            cached = _rate(made, [1] * CALLS)
            # A commit that concerns them all: results are stale, the rows are in memory.
            made.backend.deploy("newer")
            warm = _rate(made, every)
    rates = (("cached", cached), ("warm", warm), ("cold", cold))
    return [
        Line(name, (Number(rate, "/s"), Number(1e6 / rate, "µs"))) for name, rate in rates
    ]


def _growth() -> list[Line]:
    lines: list[Line] = []
    first_us, held = 0.0, 0
    with TemporaryDirectory() as directory:
        for size in SIZES:
            with engine(Path(directory)) as made:
                made.fill("notes", held, _images(range(held, size)))
            held = size
            cost_us = min(_cost_us(Path(directory), size) for _ in range(ROUNDS))
            first_us = first_us or cost_us
            ratio = at_most(cost_us / first_us, "times", 1.3)
            lines.append(Line(f"{size:,} documents", (Number(cost_us, "µs"), ratio)))
    return lines


def _cost_us(directory: Path, size: int) -> float:
    """CPU time of a query whose rows are not in memory, as few are when there are many."""
    topics = random.sample(range(size // NOTES_A_TOPIC), min(CALLS, size // NOTES_A_TOPIC))
    with engine(directory) as made:
        began = time.thread_time()
        _rate(made, topics)
        return 1e6 * (time.thread_time() - began) / len(topics)


def _bulk() -> list[Line]:
    with engine() as made:
        began = time.perf_counter()
        for first in range(0, BULK_DOCUMENTS, BULK_AT_ONCE):
            made.call(
                "accounts:open", "mutation", first=first, howMany=BULK_AT_ONCE, balance=1
            )
        spent_s = time.perf_counter() - began
    return [
        Line(
            f"{BULK_DOCUMENTS:,} documents, {BULK_AT_ONCE} in a mutation",
            (at_most(spent_s, "s", 30), Number(BULK_DOCUMENTS / spent_s, "/s")),
        )
    ]


def run() -> None:
    """Measure, and print."""
    title = "Queries of three documents, over SQLite, in one process without HTTP"
    print_table(title, ("rate", "each"), _speeds())
    print_table("The same query as the data grows", ("each", "of the first"), _growth())
    print_table("Bulk insert, durable", ("time", "rate"), _bulk())


if __name__ == "__main__":
    run()
