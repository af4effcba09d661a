"""Runs that tests start and finish with few words."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import Id
from chalicelib.geoflow import executions, workers, workflows
from chalicelib.geoflow.schema import Execution, Workflow
from testing import Client, TestBackend
from tests.geoflow.drawings import edges, nodes


def draw(who: Client) -> Id[Workflow]:
    return who.mutation(workflows.create, "LIDAR", nodes=nodes("a b"), edges=edges("a>b"))


def start(who: Client, **inputs: Any) -> Id[Execution]:
    return who.mutation(executions.start, draw(who), inputs)


def stored(who: Client, run: Id[Execution]) -> Execution:
    found = who.query(executions.get, run)
    assert found is not None
    return found


def claimed(worker: Client, name: str = "w1") -> Id[Execution]:
    """Claim a run that must be there."""
    given = worker.mutation(workers.claim, name)
    assert given is not None
    return given.execution_id


def sleep(backend: TestBackend, ms: float) -> None:
    """Let time pass in which nothing is served; then catch up with it.

    ``advance`` would run the crons of each half minute.
    """
    backend.clock.wait_ms(ms)
    backend.advance(minutes=1)
