"""Executions: runs of workflows, started, watched, cancelled and done again by people."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Unset,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_LISTED
from chalicelib.geoflow.model.runs import FINISHED
from chalicelib.geoflow.removal import remove_log
from chalicelib.geoflow.schema import (
    SCOPES_CLAIM,
    Execution,
    ExecutionStatus,
    RetryPolicy,
    RunPolicy,
    Timeout,
    Trigger,
    Workflow,
    caller,
    may,
    oversees,
    relation_to,
    relation_to_run,
    require_permission,
)
from chalicelib.geoflow.starting import begin
from chalicelib.geoflow.statistics import Days, Statistics, statistics_of
from chalicelib.geoflow.transitions import moved
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.workflows import checked_workflow


@query
def list_(ctx: QueryCtx, status: ExecutionStatus | None = None) -> list[Execution]:
    """Return the runs that the caller has started, newest first, at most 100.

    Those of everybody, if the caller is an admin who has said why (``oversight:open``);
    ``status`` leaves those that have it.
    """
    runs = _runs_of_caller(ctx, status)
    return [] if runs is None else runs.order("desc").take(MAX_LISTED)


@query
def list_page(
    ctx: QueryCtx,
    pagination_opts: PaginationOptions,
    status: ExecutionStatus | None = None,
) -> Page[Execution]:
    """Return what :func:`list_` does, a page at a time."""
    runs = _runs_of_caller(ctx, status)
    return _NONE if runs is None else runs.order("desc").paginate(pagination_opts)


@query
def list_by_workflow(
    ctx: QueryCtx, workflow_id: Id[Workflow], status: ExecutionStatus | None = None
) -> list[Execution]:
    """Return the runs of a workflow, newest first, at most 100.

    None, if there is no such workflow that the caller may see; ``status`` leaves those that
    have it.
    """
    runs = _runs_of_workflow(ctx, workflow_id, status)
    return [] if runs is None else runs.order("desc").take(MAX_LISTED)


@query
def list_by_workflow_page(
    ctx: QueryCtx,
    workflow_id: Id[Workflow],
    pagination_opts: PaginationOptions,
    status: ExecutionStatus | None = None,
) -> Page[Execution]:
    """Return what :func:`list_by_workflow` does, a page at a time."""
    runs = _runs_of_workflow(ctx, workflow_id, status)
    return _NONE if runs is None else runs.order("desc").paginate(pagination_opts)


@query
def get(ctx: QueryCtx, execution_id: Id[Execution]) -> Execution | None:
    """Return the run; null if there is none that the caller may see."""
    return ctx.db.get(execution_id)


@query
def statistics(
    ctx: QueryCtx, workflow_id: Id[Workflow], days: Days = 30
) -> Statistics | None:
    """Return what became of a workflow's runs today and on the ``days`` - 1 days before.

    Null, if there is no such workflow that the caller may see. Nothing is scanned: counts
    are kept by the engine, durations in sketches by day.
    """
    if not _may_see_runs(ctx, workflow_id):
        return None
    return statistics_of(ctx, workflow_id, days)


@mutation
def start(
    ctx: MutationCtx, workflow_id: Id[Workflow], inputs: dict[str, Any] | None = None
) -> Id[Execution]:
    """Queue one run of the workflow as it is now.

    Raises:
        Conflict: the workflow is archived.
        RateLimited: the caller has 10 runs that have not finished.
        ValidationFailed: the inputs are more than 64 KiB.
    """
    me = current_user(ctx)
    workflow = checked_workflow(ctx, "workflows.run", workflow_id)
    return begin(ctx, workflow, me, inputs=inputs or {}, trigger=_trigger(ctx))


@mutation
def retry(ctx: MutationCtx, execution_id: Id[Execution]) -> Id[Execution]:
    """Queue a finished run once more: a new run of the same version, with the same inputs.

    It belongs to the caller, and names the old one as its ``retryOf``.

    Raises:
        Conflict: the run has not finished, or the workflow is archived.
        RateLimited: the caller has 10 runs that have not finished.
    """
    me = current_user(ctx)
    old = _controlled(ctx, execution_id)
    _refuse_unfinished(old)
    workflow = ctx.db.require(old.workflow_id)
    # Who has started a run, and was shut out of its workflow since, may not run it again.
    require_permission(ctx, "executions.control", relation_to(ctx, workflow))
    return begin(ctx, workflow, me, inputs=old.inputs, trigger=_trigger(ctx), again=old)


@mutation
def cancel(ctx: MutationCtx, execution_id: Id[Execution]) -> None:
    """Stop a run; its worker learns of it at once if it watches, or at its next report.

    Raises:
        Conflict: it has finished already.
    """
    _controlled(ctx, execution_id)
    with moved(ctx, execution_id, "cancelled"):
        pass


@mutation
def remove(ctx: MutationCtx, execution_id: Id[Execution]) -> None:
    """Remove a finished run for good, and its log after it, in small steps.

    Statistics go on counting it.

    Raises:
        Conflict: the run has not finished.
    """
    _refuse_unfinished(_controlled(ctx, execution_id))
    ctx.db.delete(execution_id)
    ctx.scheduler.run_after(0, remove_log, execution_id)


@mutation
def set_policy(
    ctx: MutationCtx,
    workflow_id: Id[Workflow],
    retry: RetryPolicy | Unset = UNSET,
    timeout_ms: Timeout | Unset | None = UNSET,
) -> None:
    """Settle how often a workflow's runs are tried, and how long one try may take.

    What is given is changed. Runs that were started keep the policy of then.
    """
    workflow = checked_workflow(ctx, "workflows.change", workflow_id)
    before = workflow.run_policy
    policy = RunPolicy(
        retry=before.retry if retry is UNSET else retry,
        timeout_ms=before.timeout_ms if timeout_ms is UNSET else timeout_ms,
    )
    ctx.db.patch(workflow_id, run_policy=policy)


_NONE = Page[Execution](page=[], is_done=True, continue_cursor="")


def _runs_of_caller(ctx: QueryCtx, status: ExecutionStatus | None) -> Any:
    ctx.auth.require()
    require_permission(ctx, "executions.read", "owner")
    me = caller(ctx)
    if me is None:
        return None
    db = ctx.db.unrestricted
    if oversees(me):
        return db.query(Execution if status is None else Execution.by_status.eq(status))
    if status is None:
        return db.query(Execution.by_owner.eq(me.id))
    return db.query(Execution.by_owner_status.eq(me.id).eq(status))


def _runs_of_workflow(
    ctx: QueryCtx, workflow_id: Id[Workflow], status: ExecutionStatus | None
) -> Any:
    """Who may see the runs of a workflow may see each of them: no policy is asked of each."""
    if not _may_see_runs(ctx, workflow_id):
        return None
    of_workflow = Execution.by_workflow.eq(workflow_id)
    if status is not None:
        of_workflow = Execution.by_workflow_status.eq(workflow_id).eq(status)
    return ctx.db.unrestricted.query(of_workflow)


def _may_see_runs(ctx: QueryCtx, workflow_id: Id[Workflow]) -> bool:
    return ctx.db.get(workflow_id) is not None and may(ctx, "executions.read", workflow_id)


def _controlled(ctx: MutationCtx, execution_id: Id[Execution]) -> Execution:
    """Return a run that the caller may cancel and have done again."""
    ctx.auth.require()
    run = ctx.db.require(execution_id)
    require_permission(ctx, "executions.control", relation_to_run(ctx, run))
    return run


def _refuse_unfinished(run: Execution) -> None:
    if run.status not in FINISHED:
        raise Conflict(
            f"the execution is {run.status}: cancel it, or wait until it has finished",
            status=run.status,
        )


def _trigger(ctx: QueryCtx) -> Trigger:
    """A program has an API key, which vouches for what it may do; a person has none."""
    return "api" if SCOPES_CLAIM in ctx.auth.require().attributes else "manual"
