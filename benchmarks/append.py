"""Appends to the SQLite log: how many a second, and how long each waits to be durable.

``python -m benchmarks.append [entries] [threads] [directory]``. Each entry writes one
document of 500 bytes to two indexes. Two ways to use the log: a process that hands out
positions and lets entries follow each other before they are durable (``submit``), and
threads that know nothing of each other and race for every position (``append``).
"""

import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Thread

from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.log import ORIGIN, Entry, Write
from chalicelib.engine.persistence import Interval

IMAGE = b'{"x":"%s"}' % (b"y" * 490)


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
            elif tail := log.tail(head):
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


def report(name: str, work: Callable[[], list[float]]) -> None:
    """Print the rate and the waits of ``work``."""
    began = time.perf_counter()
    waits = sorted(work())
    rate = len(waits) / (time.perf_counter() - began)
    half, most = waits[len(waits) // 2] * 1e3, waits[int(len(waits) * 0.99)] * 1e3
    print(f"{name:<28} {rate:8.0f}/s   p50 {half:6.2f} ms   p99 {most:6.2f} ms")


def report_reads(log: SqlitePersistence) -> None:
    """Print what reads cost, near the head and in the rows."""
    head = log.marks().applied
    reads: dict[str, Callable[[int], object]] = {
        "empty tail": lambda _: log.tail(head),
        "tail of 10": lambda _: log.tail(head - 10),
        "get": lambda n: log.get(1, (ORIGIN + 1 + n).to_bytes(16, "big")),
        "scan of 20": lambda n: log.scan(
            Interval(2, b"%02d" % (n % 97), None), reverse=False, limit=20
        ),
    }
    for name, read in reads.items():
        began = time.perf_counter()
        for n in range(2000):
            read(n)
        print(f"{name:<28} {(time.perf_counter() - began) * 500:8.1f} µs")


def main() -> None:
    """Measure, and print."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    parent = sys.argv[3] if len(sys.argv) > 3 else None
    with (
        TemporaryDirectory(dir=parent) as directory,
        SqlitePersistence(Path(directory)) as log,
    ):
        report(
            f"{threads} threads, following", lambda: follow(log, ORIGIN + entries, threads)
        )
        until = log.marks().applied
        report(
            f"{threads} threads, racing", lambda: race(log, until + entries // 10, threads)
        )
        until = log.marks().applied
        report("1 thread", lambda: race(log, until + entries // 10, 1))
        report_reads(log)


if __name__ == "__main__":
    main()
