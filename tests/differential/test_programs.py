"""Every database gives the same answers to random programs, and so does one by others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from tests.clients.driver import drive
from tests.differential.programs import COMPARISONS, Performer, Program, program
from tests.simulation.still import still_log
from tests.trial import Trial

MORE = int(os.environ.get("GEOFLOW_PROGRAMS", "0"))
"""Programs to run beyond the usual number."""

APP = ("tests.apps.programs",)

PROGRAMS_OF_A_LOG = 20
"""Programs after which another log is begun.

A log keeps the tombstones of all that programs have deleted, and an emulator looks at every
item of a partition in each of its queries: with one log, a thousand programs take hours.
"""


def performer(persistence: Persistence | None = None) -> Performer:
    """Perform on a backend whose rows are brought up to date now and then."""
    trial = Trial(packages=APP, persistence=persistence)
    steps = 0

    def between() -> None:
        nonlocal steps
        steps += 1
        if steps % 5 == 0:
            trial.tell()

    return Performer(trial.engine, between)


def programs(
    count: int, filters: Sequence[str] = COMPARISONS
) -> Iterator[tuple[int, Program]]:
    """The programs of the first seeds."""
    return ((seed, program(seed, filters=filters)) for seed in range(max(count, MORE)))


def test_sqlite_answers_as_memory_does(tmp_path: Path) -> None:
    persistence = SqlitePersistence(tmp_path)
    reference, other = performer(), performer(persistence)

    for seed, steps in programs(500):
        assert other.perform(steps) == reference.perform(steps), f"program {seed}"
    persistence.close()


def test_dynamodb_answers_as_memory_does() -> None:
    with start_emulator() as emulator:
        client = DynamoClient(
            "programs-", endpoint=emulator.endpoint, region=emulator.region
        )
        create_tables(client.raw, "programs-")
        compare_on_logs(12, lambda log: DynamoPersistence(client, log))
        client.close()


def test_dynamodbs_adapter_answers_as_memory_does_over_tables_in_the_process() -> None:
    compare_on_logs(400, lambda _: still_log())


def compare_on_logs(least: int, open_log: Callable[[str], Persistence]) -> None:
    """Have programs answered by memory and by one log after another."""
    names, reference, other = count(), performer(), performer()

    for seed, steps in programs(least):
        if seed % PROGRAMS_OF_A_LOG == 0:
            other = performer(open_log(f"log-{next(names)}"))
        assert other.perform(steps) == reference.perform(steps), f"program {seed}"


@pytest.mark.clients
def test_convexs_own_mock_answers_as_memory_does(tmp_path: Path) -> None:
    # The mock compares in filters as JavaScript does, where Convex has an order of all values.
    drawn = [steps for _, steps in programs(1000, filters=("eq", "neq"))]
    files = {name: tmp_path / f"{name}.json" for name in ("programs", "told")}
    files["programs"].write_text(json.dumps(drawn))
    reference = performer()

    drive("run_programs.mjs", {name: str(path) for name, path in files.items()}, {})
    told: list[Any] = json.loads(files["told"].read_text())

    for seed, (steps, answers) in enumerate(zip(drawn, told, strict=True)):
        assert reference.perform(steps) == answers, f"program {seed}"
