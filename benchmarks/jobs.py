"""Scheduled functions through crashes: 10,000 jobs at random times, and random kills.

A local server on SQLite is killed (SIGKILL) again and again while the jobs are due, and
started again. In the end each mutation must have run exactly once and each action at most
once. How late they were is printed, from the time that was asked for to the end of the run;
the time without a server is included, and the 100 ms that an action takes.
"""

import random
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec

from benchmarks.report import Line, Number, at_most, print_table
from benchmarks.server import free_ports, launch, wait_until_ready

JOBS: Final = 10_000
AT_ONCE: Final = 500
EVERY: Final = 10
"""One in so many jobs is an action, which commits three times."""

SPAN_S: Final = 36.0
KILLS: Final = 4
LEAD_S: Final = 5.0
"""Time for the scheduling itself, before the first job is due."""

PATIENCE_S: Final = 120.0


@dataclass(slots=True)
class Place:
    """A server that is killed and started again over the same files."""

    directory: str
    ports: list[int]
    process: "subprocess.Popen[bytes]"
    down_s: float = 0.0

    def crash(self) -> None:
        """Kill the server as it stands, and start it again."""
        began = time.monotonic()
        self.process.kill()
        self.process.wait()
        self.process = launch(self.directory, self.ports, "ERROR")
        wait_until_ready(self.ports[0], self.process)
        self.down_s += time.monotonic() - began

    def call(self, kind: str, path: str, **arguments: Any) -> Any:
        """Call a function over HTTP."""
        body = {"path": path, "args": arguments, "format": "json"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[0]}/api/{kind}",
            msgspec.json.encode(body),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - likewise
            told = msgspec.json.decode(answer.read())
        if told["status"] != "success":
            raise RuntimeError(f"{path}: {told}")
        return told["value"]

    def jobs(self) -> list[dict[str, Any]]:
        """Every job."""
        found: list[dict[str, Any]] = []
        while page := self.call(
            "query", "jobs:ended", after=found[-1]["made"] if found else 0
        ):
            found += page
        return found

    def runs(self) -> Counter[int]:
        """How often each number has left a trace in the database."""
        found: Counter[int] = Counter()
        least = 0
        while page := self.call("query", "jobs:runs", least=least):
            found.update(page)
            least = max(page) + 1
        return found


@contextmanager
def _place() -> Iterator[Place]:
    with TemporaryDirectory() as directory:
        ports = free_ports(2)
        place = Place(directory, ports, launch(directory, ports, "ERROR"))
        try:
            wait_until_ready(ports[0], place.process)
            yield place
        finally:
            place.process.kill()
            place.process.wait()


def run() -> None:
    """Schedule, kill, and tell what came of it.

    Raises:
        RuntimeError: a mutation did not run exactly once, or an action ran twice.
    """
    with _place() as place:
        trace = Path(place.directory) / "trace"
        trace.touch()
        _schedule(place, str(trace))
        _kill_at_random(place)
        jobs = _when_all_have_begun(place)
        traces = Counter(int(line) for line in trace.read_text().split())
        _check(jobs, place.runs(), traces)
        _report(jobs, place.down_s)


def _schedule(place: Place, trace: str) -> None:
    from_ms = (time.time() + LEAD_S) * 1000
    for first in range(0, JOBS, AT_ONCE):
        place.call(
            "mutation",
            "jobs:plan",
            first=first,
            count=AT_ONCE,
            fromMs=from_ms,
            untilMs=from_ms + SPAN_S * 1000,
            trace=trace,
            every=EVERY,
        )


def _kill_at_random(place: Place) -> None:
    """Kill while jobs are due: once in each part of the time, at some moment of it."""
    began = time.monotonic()
    part_s = (SPAN_S + LEAD_S) / KILLS
    for part in range(KILLS):
        at_s = part_s * (part + random.uniform(0.2, 0.8))
        time.sleep(max(0.0, began + at_s - time.monotonic()))
        place.crash()


def _when_all_have_begun(place: Place) -> list[dict[str, Any]]:
    """Wait until no job is pending; an action that died is in progress for 15 minutes."""
    end = time.monotonic() + PATIENCE_S
    while True:
        jobs = place.jobs()
        if not any(job["kind"] == "pending" for job in jobs):
            return jobs
        if time.monotonic() > end:
            raise RuntimeError("jobs were forgotten")
        time.sleep(1)


def _check(
    jobs: Sequence[dict[str, Any]], runs: Counter[int], traces: Counter[int]
) -> None:
    if len(jobs) != JOBS:
        raise RuntimeError(f"{len(jobs)} jobs are there, {JOBS} were scheduled")
    for job in jobs:
        number = job["number"]
        if job["action"]:
            if traces[number] > 1 or runs[number] > 1:
                raise RuntimeError(f"action {number} ran {traces[number]} times")
        elif (runs[number], job["kind"]) != (1, "success"):
            raise RuntimeError(f"mutation {number} ran {runs[number]} times: {job}")


def _report(jobs: Sequence[dict[str, Any]], down_s: float) -> None:
    actions = [job for job in jobs if job["action"]]
    died = sum(job["kind"] == "inProgress" for job in actions)
    print_table(
        f"Jobs: {JOBS:,} over {SPAN_S:.0f} s on SQLite, {KILLS} kills, "
        f"{down_s:.1f} s without a server",
        ("ran", "died under way", "p50 late", "p95", "p99", "max"),
        [
            _line(
                "mutations, each exactly once", [job for job in jobs if not job["action"]]
            ),
            _line("actions, each at most once", actions, died),
        ],
    )


def _line(what: str, jobs: Sequence[dict[str, Any]], died: int = 0) -> Line:
    late = sorted(job["lateMs"] for job in jobs if job["lateMs"] is not None)

    def share(part: float) -> float:
        return float(late[min(len(late) - 1, int(len(late) * part))])

    numbers = [
        Number(len(late)),
        Number(died),
        at_most(share(0.5), "ms", 1000),
        *(Number(share(part), "ms") for part in (0.95, 0.99, 1)),
    ]
    return Line(what, numbers)
