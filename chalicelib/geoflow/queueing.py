"""The queue of runs: which is next, and which come back to it."""

from __future__ import annotations

from chalicelib.engine.server import Id, MutationCtx, internal_mutation
from chalicelib.geoflow.limits import MAX_LISTED, MAX_LOSSES, MAX_UNFINISHED_PER_USER
from chalicelib.geoflow.logs import note
from chalicelib.geoflow.model.permissions import is_allowed
from chalicelib.geoflow.schema import (
    Execution,
    User,
    Workflow,
    WorkflowVersion,
    relation_of,
)
from chalicelib.geoflow.transitions import moved
from chalicelib.geoflow.versions import kept_version

QUEUE = Execution.by_queue.eq("queued").eq(False)  # noqa: FBT003 - the value of a field
"""The runs that may be claimed, those first that have been due longest."""


def next_run(ctx: MutationCtx) -> tuple[Execution, WorkflowVersion] | None:
    """Return the run to hand to a worker next, and what it is to do; None if none waits.

    Those that come before it and may not be done any more are cancelled.
    """
    for run in ctx.db.unrestricted.query(QUEUE):
        version = kept_version(ctx, run.workflow_id, run.workflow_version)
        lost = _lost(ctx, run)
        if version is not None and lost is None:
            return run, version
        _drop(ctx, run, lost or "the definition of it is gone")
    return None


def drop_lost(ctx: MutationCtx, workflow_id: Id[Workflow], user_id: Id[User]) -> None:
    """Cancel the runs that somebody has waiting, if they may no longer run the workflow."""
    waiting = Execution.by_owner_status.eq(user_id).eq("queued")
    for run in ctx.db.unrestricted.query(waiting).take(MAX_UNFINISHED_PER_USER):
        lost = _lost(ctx, run) if run.workflow_id == workflow_id else None
        if lost is not None:
            _drop(ctx, run, lost)


def requeue_lost(ctx: MutationCtx) -> int:
    """Put runs back into the queue whose lease has expired; return how many were found.

    They keep their place: they were due before. Those that have lost too many are failed.
    """
    lost_ones = Execution.by_status_lease.eq("running").lt(ctx.now)
    lost = ctx.db.unrestricted.query(lost_ones).take(MAX_LISTED)
    for run in lost:
        if run.losses + 1 >= MAX_LOSSES:
            end(ctx, run, f"{MAX_LOSSES} workers took it on, and none was heard of again")
            continue
        with moved(ctx, run.id, "queued") as requeued:
            requeued.losses += 1
        note(ctx, run, "warning", f"worker {run.worker_id} was not heard of again")
    return len(lost)


def try_again(ctx: MutationCtx, run: Execution, error: str, wait_ms: float) -> None:
    """Put a run back into the queue that has failed, to be claimed again after a while."""
    with moved(ctx, run.id, "queued") as waiting:
        waiting.error = error
        waiting.failures += 1
        waiting.due, waiting.delayed = ctx.now + wait_ms, True
    note(ctx, run, "warning", f"{error} (it is tried again in {wait_ms / 1000:g} s)")
    ctx.scheduler.run_after(wait_ms, release, run.id, waiting.due)


def end(ctx: MutationCtx, run: Execution, error: str) -> None:
    """Fail a run for good; ``error`` is for its owner to read."""
    with moved(ctx, run.id, "failed") as failed:
        failed.error = error
    note(ctx, run, "error", error)


@internal_mutation
def release(ctx: MutationCtx, execution_id: Id[Execution], due: float) -> None:
    """Let a run be claimed that has waited for its next try."""
    run = ctx.db.get(execution_id)
    if run is not None and (run.status, run.due) == ("queued", due):
        ctx.db.patch(execution_id, delayed=False)


def _lost(ctx: MutationCtx, run: Execution) -> str | None:
    """Why a run may not be done any more; None if it may.

    It is its owner's, who must still be allowed to run the workflow when a worker begins.
    """
    workflow = ctx.db.unrestricted.get(run.workflow_id)
    owner = ctx.db.unrestricted.get(run.owner)
    if workflow is None:
        return "its workflow was removed"  # and it soon will be; nobody need wait behind it
    if owner is None:
        return "who started it is gone"
    if not is_allowed("workflows.run", owner.role, relation_of(ctx, workflow, owner)):
        return f"{owner.name} may no longer run this workflow"
    return None


def _drop(ctx: MutationCtx, run: Execution, reason: str) -> None:
    with moved(ctx, run.id, "cancelled") as dropped:
        dropped.error = reason
