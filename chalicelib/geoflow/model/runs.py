"""How a run may go on: one table of transitions, and what each step does to the document."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from chalicelib.engine.server import Conflict
from chalicelib.geoflow.limits import MAX_RETRY_DELAY_MS
from chalicelib.geoflow.schema import Execution, ExecutionStatus, Node, NodeState

TRANSITIONS: Final[Mapping[ExecutionStatus, frozenset[ExecutionStatus]]] = MappingProxyType(
    {
        "queued": frozenset({"running", "cancelled"}),
        # Back to the queue: its worker was lost, or it is to be tried again.
        "running": frozenset({"succeeded", "failed", "cancelled", "queued"}),
        "succeeded": frozenset(),
        "failed": frozenset(),
        "cancelled": frozenset(),
    }
)
"""What an execution of each status may become."""

FINISHED: Final = frozenset(status for status, after in TRANSITIONS.items() if not after)
"""Statuses that are never left."""


def move(run: Execution, to: ExecutionStatus, now_ms: float) -> None:
    """Give a run its next status, and settle its times and its lease.

    Raises:
        Conflict: the table has no such transition.
    """
    if to not in TRANSITIONS[run.status]:
        raise Conflict(
            f"an execution that is {run.status} cannot become {to}",
            status=run.status,
            wanted=to,
        )
    run.status = to
    match to:
        case "queued":
            run.worker_id = run.worker = run.lease_expires = run.started = None
            run.node_states = [NodeState(node_id=node.node_id) for node in run.node_states]
            run.progress = 0.0
        case "running":
            run.started, run.error = now_ms, None
        case _:
            run.finished, run.lease_expires = now_ms, None


def retry_wait_ms(run: Execution) -> float | None:
    """Return how long to wait after another failure until the next try; None: there is none.

    In milliseconds. The failure in question is not among ``run.failures`` yet.
    """
    if run.failures + 1 >= run.retry.tries:
        return None
    # The factor is bounded and so is the exponent, by the most tries: this is no overflow.
    waited = run.retry.delay_ms * run.retry.factor**run.failures
    return min(waited, MAX_RETRY_DELAY_MS)


def fresh_states(nodes: Sequence[Node]) -> list[NodeState]:
    """Return the states of a definition's nodes before anything has run."""
    return [NodeState(node_id=node.id) for node in nodes]


def overall_progress(states: Sequence[NodeState]) -> float:
    """Return how much of a run is done: the mean of its nodes, 0 to 1."""
    return sum(map(_done, states)) / len(states) if states else 0.0


def _done(node: NodeState) -> float:
    return 1.0 if node.state in {"succeeded", "skipped"} else node.progress
