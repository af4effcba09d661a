"""Appends to the SQLite log: how many a second, and how long each waits to be durable.

Each entry writes one document of 500 bytes to two indexes. Two ways to use the log: a
process that hands out positions and lets entries follow each other before they are durable
(``submit``), and threads that know nothing of each other and race for every position
(``append``).
"""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread
from typing import Final

from benchmarks.report import Line, Number, print_table
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.log import ORIGIN, Entry, Write
from chalicelib.engine.persistence import Interval

ENTRIES: Final = 10_000
THREADS: Final = 64
READS: Final = 2000

IMAGE: Final = b'{"x":"%s"}' % (b"y" * 490)


def entry(ts: int, thread: int) -> Entry:
    """One document, a row in each of two indexes."""
    document = ts.to_bytes(16, "big")
    rows = ((1, document), (2, b"%02d" % (ts % 97) + document))
    write = Write(1, document, None, IMAGE, (), rows)
    return Entry(ts, f"{thread}-{ts}", 0, "m:f", None, None, None, (), (write,))


def follow(log: SqlitePersistence, until: int, threads: int) -> list[float]:
    """Hand out positions under a lock, wait for answers outside of it."""
    turn, positions = Lock(), count(log.marks().applied + 1)

    def run(thread: int, waits: list[float]) -> None:
        while True:
            began = time.perf_counter()
            with turn:
                ts = next(positions)
                if ts > until:
                    return
                answered = log.submit(entry(ts, thread))
            assert answered() is None
            waits.append(time.perf_counter() - began)

    return on_threads(run, threads)


def race(log: SqlitePersistence, until: int, threads: int) -> list[float]:
    """Let every thread put at the head that it knows, and read the tail when refused."""

    def run(thread: int, waits: list[float]) -> None:
        head = log.marks().applied
        began = time.perf_counter()
        while head < until:
            refusal = log.append(entry(head + 1, thread))
            head += 1
            if refusal is None:
                waits.append(time.perf_counter() - began)
                began = time.perf_counter()
            elif tail := log.tail(head).entries:
                head = tail[-1].ts

    return on_threads(run, threads)


def on_threads(run: Callable[[int, list[float]], None], threads: int) -> list[float]:
    """Run on so many threads; return all waits, in seconds."""
    waits: list[list[float]] = [[] for _ in range(threads)]
    started = [Thread(target=run, args=(n, waits[n])) for n in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return [wait for part in waits for wait in part]


def _line(name: str, work: Callable[[], list[float]]) -> Line:
    """Return the rate and the waits of ``work``."""
    began = time.perf_counter()
    waits = sorted(work())
    rate = len(waits) / (time.perf_counter() - began)
    half, most = (waits[int(len(waits) * share)] * 1e3 for share in (0.5, 0.99))
    return Line(name, (Number(rate, "/s"), Number(half, "ms"), Number(most, "ms")))


def _reads(log: SqlitePersistence) -> list[Line]:
    """Return what reads cost, near the head and in the rows."""
    head = log.marks().applied
    reads: dict[str, Callable[[int], object]] = {
        "empty tail": lambda _: log.tail(head).entries,
        "tail of 10": lambda _: log.tail(head - 10).entries,
        "get": lambda n: log.get(1, (ORIGIN + 1 + n).to_bytes(16, "big")),
        "scan of 20": lambda n: log.scan(
            Interval(2, b"%02d" % (n % 97), None), reverse=False, limit=20
        ),
    }
    lines = []
    for name, read in reads.items():
        began = time.perf_counter()
        for n in range(READS):
            read(n)
        spent_us = (time.perf_counter() - began) / READS * 1e6
        lines.append(Line(name, (Number(spent_us, "µs"),)))
    return lines


def run() -> None:
    """Measure, and print."""
    with (
        TemporaryDirectory() as directory,
        SqlitePersistence(Path(directory)) as log,
    ):

        def more(entries: int) -> int:
            return log.marks().applied + entries

        lines = [
            _line(
                f"{THREADS} threads, following",
                lambda: follow(log, more(ENTRIES), THREADS),
            ),
            _line(
                f"{THREADS} threads, racing",
                lambda: race(log, more(ENTRIES // 20), THREADS),
            ),
            _line("1 thread", lambda: race(log, more(ENTRIES // 20), 1)),
        ]
        reads = _reads(log)
    assert ENTRIES > READS
    print_table("Appends to the SQLite log, durable", ("rate", "p50", "p99"), lines)
    print_table("Reads of the SQLite log and rows", ("time",), reads)


if __name__ == "__main__":
    run()
