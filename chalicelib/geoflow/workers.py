"""What workers call: take a queued run, say how it goes, end it.

A worker is a program outside that does the processing. For now it is a caller whose token
has the claim ``role: "worker"`` (``python -m local.token --user pdal-1 --role worker``), or a
user who is an admin; the holder of the admin key is one by acting as such a caller. Over HTTP
it is a program with an API key of the scope ``workers``, which admins make.

A worker holds a run by a lease, which each report renews (``leases.py``). A lease that expired
is held by nobody: the run goes to the next worker that asks. Reports of anybody else are
refused, and so are those about a run that was cancelled; its worker learns to stop by that, or
sooner by watching :func:`assignment`.
"""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    Id,
    MutationCtx,
    NotFound,
    QueryCtx,
    Struct,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.leases import current_worker, has_run, require_lease, require_worker
from chalicelib.geoflow.limits import LEASE_MS, MAX_LISTED
from chalicelib.geoflow.logs import note
from chalicelib.geoflow.model.runs import overall_progress, retry_wait_ms
from chalicelib.geoflow.model.sizes import refuse_large
from chalicelib.geoflow.queueing import (
    QUEUE,
    end,
    next_run,
    requeue_lost,
    try_again,
)
from chalicelib.geoflow.schema import (
    Edge,
    Execution,
    ExecutionStatus,
    Key,
    Message,
    Node,
    NodeState,
    NodeStatus,
    Progress,
    Workflow,
    WorkflowVersion,
)
from chalicelib.geoflow.transitions import moved


class Assignment(Struct):
    """A run that was handed to a worker, with all that it takes to do it.

    ``lease_expires`` is when the worker must have reported, in ms since the Unix epoch;
    ``lease_ms`` how long each report is good for. ``attempt`` is 1 the first time.
    ``timeout_ms`` is how long the worker may take in all, null if as long as it reports.
    """

    execution_id: Id[Execution]
    workflow_id: Id[Workflow]
    workflow_version: int
    nodes: list[Node]
    edges: list[Edge]
    inputs: dict[str, Any]
    attempt: int
    lease_expires: float
    lease_ms: int
    timeout_ms: float | None


class Standing(Struct):
    """How a run stands that a worker was given: go on while ``status`` is ``running``."""

    status: ExecutionStatus
    attempt: int
    error: Message | None


@query
def waiting(ctx: QueryCtx) -> int:
    """Return how many runs wait for a worker, counted up to 100: watch it, then claim.

    Runs whose lease has expired are among them within half a minute: see :func:`reclaim`.
    """
    require_worker(ctx)
    return len(ctx.db.unrestricted.query(QUEUE).take(MAX_LISTED))


@query
def assignment(
    ctx: QueryCtx, execution_id: Id[Execution], worker_id: Key
) -> Standing | None:
    """Return how a run stands that this worker has; null if it is the worker's no longer.

    Watch it, and stop when it is null or its status is not ``running``: the run was
    cancelled, took too long, or is another worker's. Renewing the lease changes nothing here.
    """
    require_worker(ctx)
    run = ctx.db.unrestricted.get(execution_id)
    if run is None or not has_run(ctx, run, worker_id):
        return None
    return Standing(status=run.status, attempt=run.attempts, error=run.error)


@mutation
def claim(ctx: MutationCtx, worker_id: Key) -> Assignment | None:
    """Take the run that has been due longest, or return null if none is.

    ``worker_id`` is a name that the worker chooses, and gives with each report.
    """
    require_worker(ctx)
    requeue_lost(ctx)
    found = next_run(ctx)
    if found is None:
        return None
    run, version = found
    with moved(ctx, run.id, "running") as taken:
        taken.worker_id, taken.worker = worker_id, current_worker(ctx)
        taken.lease_expires = ctx.now + LEASE_MS
        taken.attempts += 1
    if taken.timeout_ms is not None:
        ctx.scheduler.run_after(taken.timeout_ms, time_out, run.id, taken.attempts)
    return _assignment(taken, version, ctx.now + LEASE_MS)


@mutation
def renew(ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key) -> float:
    """Hold a run for another while without news of it; return until when, in ms.

    It is the heartbeat of a worker whose node takes longer than a third of the lease.
    """
    require_lease(ctx, execution_id, worker_id)
    expires = ctx.now + LEASE_MS
    ctx.db.unrestricted.patch(execution_id, lease_expires=expires)
    return expires


@mutation
def progress(
    ctx: MutationCtx,
    execution_id: Id[Execution],
    worker_id: Key,
    node_id: Key,
    state: NodeStatus,
    progress: Progress,
    message: Message | None = None,
) -> None:
    """Report how far one node has come; that renews the lease.

    Raises:
        NotFound: the run has no such node.
        Conflict, Forbidden: as :func:`complete`.
    """
    require_lease(ctx, execution_id, worker_id)
    with ctx.db.unrestricted.edit(execution_id) as run:
        node = _node(run, node_id)
        node.state, node.progress, node.message = state, progress, message
        run.progress = overall_progress(run.node_states)
        run.lease_expires = ctx.now + LEASE_MS


@mutation
def complete(
    ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key, outputs: dict[str, Any]
) -> None:
    """End a run well.

    Raises:
        ValidationFailed: the outputs are more than 64 KiB.
        Conflict: the run has finished, was cancelled, or the lease has expired.
        Forbidden: another worker holds the run.
        NotFound: there is no such run.
    """
    require_lease(ctx, execution_id, worker_id)
    refuse_large("outputs", outputs)
    with moved(ctx, execution_id, "succeeded") as run:
        run.outputs, run.progress = outputs, 1.0


@mutation
def fail(
    ctx: MutationCtx,
    execution_id: Id[Execution],
    worker_id: Key,
    error: Message,
    *,
    retryable: bool = False,
) -> None:
    """Say that a run could not be done; ``error`` is for its owner to read.

    ``retryable``: it may go better another time. Then it goes back to the queue, to be tried
    again as the retry policy of its workflow says, until that has no further try.

    Raises:
        Conflict, Forbidden, NotFound: as :func:`complete`.
    """
    held = require_lease(ctx, execution_id, worker_id)
    wait_ms = retry_wait_ms(held) if retryable else None
    if wait_ms is None:
        end(ctx, held, error)
    else:
        try_again(ctx, held, error, wait_ms)


@mutation
def give_back(ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key) -> None:
    """Put a run back into the queue, in its old place, for another worker to begin afresh.

    A worker that is stopped does that, so that nobody waits for its lease to be over.

    Raises:
        Conflict, Forbidden, NotFound: as :func:`complete`.
    """
    held = require_lease(ctx, execution_id, worker_id)
    with moved(ctx, execution_id, "queued"):
        pass
    note(ctx, held, "info", f"worker {worker_id} gave it back")


@internal_mutation
def time_out(ctx: MutationCtx, execution_id: Id[Execution], attempt: int) -> None:
    """Fail a run whose worker has had it for as long as its workflow allows."""
    run = ctx.db.get(execution_id)
    if run is None or (run.status, run.attempts) != ("running", attempt):
        return
    seconds = (run.timeout_ms or 0) / 1000
    end(ctx, run, f"it took longer than the {seconds:g} s that its workflow allows")


@internal_mutation
def reclaim(ctx: MutationCtx) -> int:
    """Put runs back into the queue whose lease has expired; return how many were found.

    Those that have lost too many workers are failed.
    """
    return requeue_lost(ctx)


def _assignment(
    run: Execution, version: WorkflowVersion, lease_expires: float
) -> Assignment:
    return Assignment(
        execution_id=run.id,
        workflow_id=run.workflow_id,
        workflow_version=run.workflow_version,
        nodes=version.nodes,
        edges=version.edges,
        inputs=run.inputs,
        attempt=run.attempts,
        lease_expires=lease_expires,
        lease_ms=LEASE_MS,
        timeout_ms=run.timeout_ms,
    )


def _node(run: Execution, node_id: str) -> NodeState:
    for node in run.node_states:
        if node.node_id == node_id:
            return node
    raise NotFound(
        f"the execution has no node {node_id!r}",
        node=node_id,
        nodes=[node.node_id for node in run.node_states],
    )
