"""What goes with a workflow or a run that was removed, in small steps."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import Id, MutationCtx, internal_mutation
from chalicelib.geoflow.limits import REMOVED_AT_ONCE
from chalicelib.geoflow.schema import (
    Execution,
    ExecutionDay,
    ExecutionLog,
    File,
    Schedule,
    Workflow,
    WorkflowInvitation,
    WorkflowMember,
    WorkflowVersion,
)


@internal_mutation
def remove_rest(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Remove some of what belonged to a workflow that is gone, and go on until all is."""
    left = REMOVED_AT_ONCE
    for rows in _PARTS:
        for row in ctx.db.query(rows.eq(workflow_id)).take(left):
            left -= _remove_part(ctx, row, left)
    if left <= 0:
        ctx.scheduler.run_after(0, remove_rest, workflow_id)


@internal_mutation
def remove_log(ctx: MutationCtx, execution_id: Id[Execution]) -> None:
    """Remove some of the log of a run that is gone, and go on until all is."""
    of_run = ExecutionLog.by_execution.eq(execution_id)
    lines = ctx.db.query(of_run).take(REMOVED_AT_ONCE)
    for line in lines:
        ctx.db.delete(line.id)
    if len(lines) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, remove_log, execution_id)


_PARTS: tuple[Any, ...] = (
    WorkflowMember.by_workflow_user,
    WorkflowInvitation.by_workflow_email,
    WorkflowVersion.by_workflow_version,
    Schedule.by_workflow,
    File.by_workflow,
    Execution.by_workflow,
    ExecutionDay.by_workflow_day,  # after the runs, which are counted into them
)
"""Indexes that begin with a workflow: what is in them goes when the workflow does."""


def _remove_part(ctx: MutationCtx, row: Any, most: int) -> int:
    """Remove a document and what belongs to it; return how many went, at most ``most``.

    A file stays, and belongs to its owner alone.
    """
    if isinstance(row, File):
        ctx.db.patch(row.id, workflow_id=None)
        return 1
    gone = 0
    if isinstance(row, Execution):
        for line in ctx.db.query(ExecutionLog.by_execution.eq(row.id)).take(most):
            ctx.db.delete(line.id)
            gone += 1
    if gone < most:
        ctx.db.delete(row.id)
        gone += 1
    return gone
