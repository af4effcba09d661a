"""What workers call: take a queued run, say how it goes, end it.

A worker is a program outside that does the processing. For now it is a caller whose token
has the claim ``role: "worker"`` (``python -m local.token --user pdal-1 --role worker``), or a
user who is an admin; the holder of the admin key is one by acting as such a caller. Over HTTP
it is a program with an API key of the scope ``workers``, which admins make.

A worker holds a run by a lease, which each report renews. A lease that expired is held by
nobody: the run goes to the next worker that asks. Reports of anybody else are refused, and
so are those about a run that was cancelled, by which its worker learns to stop.
"""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    Conflict,
    Forbidden,
    Id,
    Identity,
    MutationCtx,
    NotFound,
    QueryCtx,
    Struct,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.limits import LEASE_MS, MAX_ATTEMPTS, MAX_LISTED
from chalicelib.geoflow.model.runs import FINISHED, move, overall_progress
from chalicelib.geoflow.schema import (
    SCOPES_CLAIM,
    WORKERS_SCOPE,
    Edge,
    Execution,
    Key,
    Message,
    Node,
    NodeState,
    NodeStatus,
    Progress,
    Workflow,
    WorkflowVersion,
    is_admin,
)


class Assignment(Struct):
    """A run that was handed to a worker, with all that it takes to do it.

    ``lease_expires`` is when the worker must have reported, in ms since the Unix epoch;
    ``lease_ms`` how long each report is good for. ``attempt`` is 1 the first time.
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


@query
def waiting(ctx: QueryCtx) -> int:
    """Return how many runs wait for a worker, counted up to 100: watch it, then claim.

    Runs whose lease has expired are among them within half a minute: see :func:`reclaim`.
    """
    require_worker(ctx)
    return len(
        ctx.db.unrestricted.query(Execution.by_status_lease.eq("queued")).take(MAX_LISTED)
    )


@mutation
def claim(ctx: MutationCtx, worker_id: Key) -> Assignment | None:
    """Take the run that has waited longest, or return null if none waits.

    ``worker_id`` is a name that the worker chooses, and gives with each report.
    """
    worker = require_worker(ctx)
    found = _next_run(ctx)
    if found is None:
        return None
    with ctx.db.unrestricted.edit(found.id) as run:
        if run.status == "running":
            move(run, "queued", ctx.now)
        move(run, "running", ctx.now)
        run.worker_id, run.worker = worker_id, worker.token_identifier
        run.lease_expires = ctx.now + LEASE_MS
        run.attempts += 1
    return _assignment(ctx, ctx.db.unrestricted.require(found.id))


@mutation
def renew(ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key) -> float:
    """Hold a run for another while without news of it; return until when, in ms."""
    _held(ctx, execution_id, worker_id)
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
    _held(ctx, execution_id, worker_id)
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
        Conflict: the run has finished, was cancelled, or the lease has expired.
        Forbidden: another worker holds the run.
        NotFound: there is no such run.
    """
    _held(ctx, execution_id, worker_id)
    with ctx.db.unrestricted.edit(execution_id) as run:
        move(run, "succeeded", ctx.now)
        run.outputs, run.progress = outputs, 1.0


@mutation
def fail(
    ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key, error: Message
) -> None:
    """End a run that cannot be done; ``error`` is for its owner to read.

    Raises:
        Conflict, Forbidden, NotFound: as :func:`complete`.
    """
    _held(ctx, execution_id, worker_id)
    with ctx.db.unrestricted.edit(execution_id) as run:
        move(run, "failed", ctx.now)
        run.error = error


@internal_mutation
def reclaim(ctx: MutationCtx) -> int:
    """Put runs back into the queue whose lease has expired; return how many were found.

    Those that too many workers have lost are failed.
    """
    lost_ones = Execution.by_status_lease.eq("running").lt(ctx.now)
    expired = ctx.db.unrestricted.query(lost_ones).take(MAX_LISTED)
    for run in expired:
        if run.attempts >= MAX_ATTEMPTS:
            _give_up(ctx, run)
            continue
        with ctx.db.unrestricted.edit(run.id) as lost:
            move(lost, "queued", ctx.now)
    return len(expired)


def require_worker(ctx: QueryCtx) -> Identity:
    """Return the identity of a caller that may process runs.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the caller is no worker.
    """
    identity = ctx.auth.require()
    scopes = identity.attributes.get(SCOPES_CLAIM)
    if scopes is not None:
        if WORKERS_SCOPE not in scopes:
            raise Forbidden(
                f"this API key lacks the scope {WORKERS_SCOPE}", scope=WORKERS_SCOPE
            )
        return identity
    if identity.attributes.get("role") != "worker" and not is_admin(ctx):
        raise Forbidden(
            'only workers may do this: the token needs the claim role: "worker"'
        )
    return identity


def _next_run(ctx: MutationCtx) -> Execution | None:
    db = ctx.db.unrestricted
    for run in db.query(Execution.by_status_lease.eq("running").lt(ctx.now)):
        if run.attempts < MAX_ATTEMPTS:
            return run
        _give_up(ctx, run)
    return db.query(Execution.by_status_lease.eq("queued")).first()


def _give_up(ctx: MutationCtx, run: Execution) -> None:
    with ctx.db.unrestricted.edit(run.id) as lost:
        move(lost, "failed", ctx.now)
        lost.error = f"{lost.attempts} workers took it on, and none was heard of again"


def _assignment(ctx: MutationCtx, run: Execution) -> Assignment:
    of_version = WorkflowVersion.by_workflow_version.eq(run.workflow_id)
    version = ctx.db.unrestricted.query(of_version.eq(run.workflow_version)).unique()
    if version is None or run.lease_expires is None:
        raise NotFound("the definition of this run is gone", execution=run.id)
    return Assignment(
        execution_id=run.id,
        workflow_id=run.workflow_id,
        workflow_version=run.workflow_version,
        nodes=version.nodes,
        edges=version.edges,
        inputs=run.inputs,
        attempt=run.attempts,
        lease_expires=run.lease_expires,
        lease_ms=LEASE_MS,
    )


def _held(ctx: MutationCtx, execution_id: Id[Execution], worker_id: str) -> None:
    """Refuse a report of a worker that does not hold the run."""
    worker = require_worker(ctx)
    run = ctx.db.unrestricted.require(execution_id)
    if run.status in FINISHED:
        raise Conflict(
            f"the execution is {run.status}: stop working on it", status=run.status
        )
    if (run.worker_id, run.worker) != (worker_id, worker.token_identifier):
        raise Forbidden(
            f"worker {worker_id!r} does not hold this execution", heldBy=run.worker_id
        )
    if run.lease_expires is None or run.lease_expires < ctx.now:
        raise Conflict(
            "the lease has expired, so that another worker may have the execution: claim"
            " again",
            leaseExpired=run.lease_expires,
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
