"""Threads that share one store: what they were told has an order, whatever they were told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.backend import Backend
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.persistence import Persistence
from tests.proof.hermitage.engine import backend_over
from tests.proof.histories.checker import check
from tests.proof.histories.recorded import transaction_of
from tests.proof.histories.transactions import Transaction

THREADS, CALLS, AT_A_TIME = 16, 80, 10


@pytest.fixture(params=["memory", "sqlite"])
def persistence(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Persistence]:
    if request.param == "memory":
        yield MemoryPersistence()
        return
    with SqlitePersistence(tmp_path) as opened:
        yield opened


def steps_of(random: Random, number: int, name: str) -> tuple[Kind, list[dict[str, str]]]:
    """Draw what a call does: a reading of all lists of its time, or a transaction."""
    lists = [f"list {number // AT_A_TIME}.{n}" for n in range(4)]
    if random.random() < 0.25:
        return "query", [{"do": "read", "key": key} for key in lists]
    return "mutation", [
        {
            "do": random.choice(["append", "append", "read"]),
            "key": random.choice(lists),
            "value": f"{name}.{step}",
        }
        for step in range(random.randint(1, 4))
    ]


def work(backend: Backend, session: str, seed: int) -> list[Transaction]:
    """Call one after another, and return what came of it."""
    random, done = Random(seed), []
    for number in range(CALLS):
        name = f"{session}.{number}"
        kind, steps = steps_of(random, number, name)
        path = "lists:look" if kind == "query" else "lists:transact"
        invoked = time.monotonic()
        outcome = backend.call(Call(path, msgspec.json.encode({"steps": steps})), kind)
        line: dict[str, Any] = {"session": session, "name": name, "steps": steps}
        assert outcome.failure is None, outcome.failure.reason
        line["told"] = json.loads(outcome.value or b"null")
        line["at"] = [invoked, time.monotonic()]
        done.append(transaction_of({**line, "outcome": "ok"}))
    return done


def test_no_query_and_no_mutation_sees_a_state_that_never_was(
    persistence: Persistence,
) -> None:
    backend = backend_over(persistence, "tests.apps.histories")
    backend.deploy("test")

    with ThreadPoolExecutor(THREADS) as pool:
        seeds = range(THREADS)
        done = pool.map(lambda seed: work(backend, f"thread {seed}", seed), seeds)
        history = [transaction for some in done for transaction in some]

    assert check(history) == []
    assert len(history) == THREADS * CALLS
