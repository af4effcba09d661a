"""Executions: runs of workflows, started and cancelled by people, watched live."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    RateLimited,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_LISTED, MAX_UNFINISHED_PER_USER
from chalicelib.geoflow.model.runs import fresh_states, move
from chalicelib.geoflow.schema import (
    Execution,
    ExecutionStatus,
    User,
    Workflow,
    relation_to_run,
    require_permission,
)
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.versions import keep_version
from chalicelib.geoflow.workflows import checked_workflow


@query
def list_by_workflow(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[Execution]:
    """Return the runs of a workflow, newest first, at most 100.

    None, if there is no such workflow that the caller may see.
    """
    if ctx.db.get(workflow_id) is None:
        return []
    runs = ctx.db.query(Execution.by_workflow.eq(workflow_id))
    return runs.order("desc").take(MAX_LISTED)


@query
def get(ctx: QueryCtx, execution_id: Id[Execution]) -> Execution | None:
    """Return the run; null if there is none that the caller may see."""
    return ctx.db.get(execution_id)


@mutation
def start(
    ctx: MutationCtx, workflow_id: Id[Workflow], inputs: dict[str, Any] | None = None
) -> Id[Execution]:
    """Queue one run of the workflow as it is now.

    Raises:
        Conflict: the workflow is archived.
        RateLimited: the caller has 10 runs that have not finished.
    """
    me = current_user(ctx)
    workflow = checked_workflow(ctx, "workflows.run", workflow_id)
    if workflow.status == "archived":
        raise Conflict(
            f"workflow {workflow.name!r} is archived: restore it to run it",
            status=workflow.status,
        )
    _refuse_too_many(ctx, me)
    keep_version(ctx, workflow, me)
    return ctx.db.insert(
        Execution(
            workflow_id=workflow_id,
            workflow_version=workflow.version,
            owner=me.id,
            inputs=inputs or {},
            node_states=fresh_states(workflow.nodes),
        )
    )


@mutation
def cancel(ctx: MutationCtx, execution_id: Id[Execution]) -> None:
    """Stop a run; its worker learns of it at its next report.

    Raises:
        Conflict: it has finished already.
    """
    ctx.auth.require()
    require_permission(
        ctx, "executions.control", relation_to_run(ctx, ctx.db.require(execution_id))
    )
    with ctx.db.edit(execution_id) as run:
        move(run, "cancelled", ctx.now)


def _refuse_too_many(ctx: QueryCtx, me: User) -> None:
    unfinished = sum(len(_runs(ctx, me, status)) for status in _UNFINISHED)
    if unfinished >= MAX_UNFINISHED_PER_USER:
        raise RateLimited(
            f"{unfinished} of your executions wait or run, and {MAX_UNFINISHED_PER_USER} may"
            " at once: start again when one has finished, or cancel one",
            unfinished=unfinished,
            limit=MAX_UNFINISHED_PER_USER,
        )


_UNFINISHED: tuple[ExecutionStatus, ...] = ("queued", "running")


def _runs(ctx: QueryCtx, me: User, status: ExecutionStatus) -> list[Execution]:
    of_status = Execution.by_owner_status.eq(me.id).eq(status)
    return ctx.db.query(of_status).take(MAX_UNFINISHED_PER_USER)
