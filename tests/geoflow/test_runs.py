"""The table of transitions, whole."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from chalicelib.engine.errors import Conflict
from chalicelib.geoflow.model.runs import FINISHED, TRANSITIONS, move, overall_progress
from chalicelib.geoflow.schema import Execution, ExecutionStatus, NodeState

STATUSES: tuple[ExecutionStatus, ...] = get_args(ExecutionStatus)
ALLOWED = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
}


def run_that_is(status: ExecutionStatus) -> Execution:
    return Execution(
        workflow_id="w",  # type: ignore[arg-type]  # any text will do
        workflow_version=1,
        owner="o",  # type: ignore[arg-type]
        status=status,
        inputs={},
        node_states=[NodeState(node_id="a", state="running", progress=0.5)],
        lease_expires=99.0,
    )


@pytest.mark.parametrize(("before", "after"), list(product(STATUSES, STATUSES)))
def test_a_run_moves_as_the_table_says_and_no_other_way(
    before: ExecutionStatus, after: ExecutionStatus
) -> None:
    run = run_that_is(before)

    if (before, after) in ALLOWED:
        move(run, after, 5.0)
        assert run.status == after
    else:
        with pytest.raises(Conflict, match=f"{before} cannot become {after}"):
            move(run, after, 5.0)
        assert run == run_that_is(before)


def test_the_table_knows_every_status() -> None:
    assert set(TRANSITIONS) == set(STATUSES)
    assert {"succeeded", "failed", "cancelled"} == FINISHED


@pytest.mark.parametrize("end", sorted(FINISHED))
def test_an_end_is_timed_and_frees_the_lease(end: ExecutionStatus) -> None:
    run = run_that_is("running")

    move(run, end, 5.0)

    assert (run.finished, run.lease_expires) == (5.0, None)


def test_progress_is_the_mean_and_none_without_nodes() -> None:
    states = [
        NodeState(node_id="a", state="skipped"),
        NodeState(node_id="b", state="running", progress=0.5),
        NodeState(node_id="c", state="failed", progress=0.3),
        NodeState(node_id="d"),
    ]

    assert overall_progress(states) == pytest.approx(1.8 / 4)
    assert overall_progress([]) == 0.0
