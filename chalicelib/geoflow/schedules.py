"""Schedules: workflows that run by themselves, by the clocks of a time zone.

Each schedule has one job, which runs the workflow and schedules the next. Times that passed
while nothing was served are caught up with by one run.
"""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    Meta,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    RateLimited,
    Unset,
    ValidationFailed,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.limits import (
    MAX_LISTED,
    MAX_PREVIEWED,
    MAX_SCHEDULES,
    MAX_SKIPS_KEPT,
    MAX_SLEEP_MS,
)
from chalicelib.geoflow.model.cron import next_time_ms, times_ms
from chalicelib.geoflow.model.permissions import is_allowed
from chalicelib.geoflow.model.sizes import refuse_large
from chalicelib.geoflow.schema import (
    Cron,
    Key,
    Schedule,
    Skip,
    Workflow,
    caller,
    relation_of,
)
from chalicelib.geoflow.starting import begin
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.workflows import checked_workflow


@query
def list_by_workflow(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[Schedule]:
    """Return the schedules of a workflow, newest first; at most 20 there are.

    None, if there is no such workflow that the caller may see.
    """
    of_workflow = Schedule.by_workflow.eq(workflow_id)
    return ctx.db.query(of_workflow).order("desc").take(MAX_LISTED)


@query
def list_by_workflow_page(
    ctx: QueryCtx, workflow_id: Id[Workflow], pagination_opts: PaginationOptions
) -> Page[Schedule]:
    """Return what :func:`list_by_workflow` does, a page at a time."""
    of_workflow = Schedule.by_workflow.eq(workflow_id)
    return ctx.db.query(of_workflow).order("desc").paginate(pagination_opts)


@query
def list_(ctx: QueryCtx) -> list[Schedule]:
    """Return the schedules whose runs are the caller's, newest first, at most 100."""
    me = caller(ctx)
    if me is None:
        return []
    return ctx.db.query(Schedule.by_owner.eq(me.id)).order("desc").take(MAX_LISTED)


@query
def list_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[Schedule]:
    """Return the schedules whose runs are the caller's, newest first, a page at a time."""
    me = caller(ctx)
    if me is None:
        return Page(page=[], is_done=True, continue_cursor="")
    return ctx.db.query(Schedule.by_owner.eq(me.id)).order("desc").paginate(pagination_opts)


@query
def get(ctx: QueryCtx, schedule_id: Id[Schedule]) -> Schedule | None:
    """Return the schedule; null if there is none that the caller may see."""
    return ctx.db.get(schedule_id)


@query
def preview(
    ctx: QueryCtx,
    cron: Cron,
    time_zone: Key = "UTC",
    count: Annotated[int, Meta(ge=1, le=MAX_PREVIEWED)] = 5,
) -> list[float]:
    """Return the next times of a cron expression, in ms since the Unix epoch.

    Raises:
        ValidationFailed: the expression or the time zone cannot be.
    """
    ctx.auth.require()
    return list(islice(times_ms(cron, time_zone, ctx.now), count))


@mutation
def create(
    ctx: MutationCtx,
    workflow_id: Id[Workflow],
    cron: Cron,
    time_zone: Key = "UTC",
    inputs: dict[str, Any] | None = None,
    *,
    enabled: bool = True,
) -> Id[Schedule]:
    """Have a workflow run by itself, with these inputs, whenever ``cron`` matches.

    Raises:
        ValidationFailed: the expression or the time zone cannot be, or never matches, or the
            inputs are more than 64 KiB.
        Conflict: the workflow has 20 schedules.
    """
    me = current_user(ctx)
    checked_workflow(ctx, "workflows.run", workflow_id)
    _refuse_too_many(ctx, workflow_id)
    next_time_ms(cron, time_zone, ctx.now)
    refuse_large("inputs", inputs or {})
    made = ctx.db.insert(
        Schedule(
            workflow_id=workflow_id,
            owner=me.id,
            cron=cron,
            time_zone=time_zone,
            enabled=enabled,
            inputs=inputs or {},
        )
    )
    _plan(ctx, made)
    return made


@mutation
def update(
    ctx: MutationCtx,
    schedule_id: Id[Schedule],
    cron: Cron | Unset = UNSET,
    time_zone: Key | Unset = UNSET,
    inputs: dict[str, Any] | Unset = UNSET,
    enabled: bool | Unset = UNSET,  # noqa: FBT001 - a field, named on the wire
) -> None:
    """Change what is given; its runs are the caller's from now on.

    Raises:
        ValidationFailed: as :func:`create`.
    """
    me = current_user(ctx)
    schedule = _changeable(ctx, schedule_id)
    with ctx.db.edit(schedule.id) as draft:
        draft.owner = me.id
        if cron is not UNSET:
            draft.cron = cron
        if time_zone is not UNSET:
            draft.time_zone = time_zone
        if inputs is not UNSET:
            refuse_large("inputs", inputs)
            draft.inputs = inputs
        if enabled is not UNSET:
            draft.enabled = enabled
        next_time_ms(draft.cron, draft.time_zone, ctx.now)
    _plan(ctx, schedule_id)


@mutation
def remove(ctx: MutationCtx, schedule_id: Id[Schedule]) -> None:
    """Remove a schedule; what it has started goes on."""
    schedule = _changeable(ctx, schedule_id)
    _call_off(ctx, schedule)
    ctx.db.delete(schedule_id)


@internal_mutation
def fire(ctx: MutationCtx, schedule_id: Id[Schedule], due: float) -> None:
    """Run the workflow of a schedule if it is time, and plan the next time."""
    schedule = ctx.db.get(schedule_id)
    if schedule is None or schedule.next_time != due:
        return
    ctx.db.patch(schedule_id, job=None)  # this is it
    if ctx.now >= due:
        _run(ctx, schedule)
    try:
        _plan(ctx, schedule_id)
    except ValidationFailed as wrong:
        # It was right once: the time zones of today know it no longer, or time has run out.
        ctx.db.patch(schedule_id, enabled=False, next_time=None)
        _skip(ctx, schedule_id, f"it was disabled: {wrong}")


def _run(ctx: MutationCtx, schedule: Schedule) -> None:
    """Start the run, in the name of the schedule's owner, or record why there is none."""
    workflow, owner = ctx.db.get(schedule.workflow_id), ctx.db.get(schedule.owner)
    if workflow is None or owner is None:
        _skip(ctx, schedule.id, "its workflow or its owner is gone")
        return
    if not is_allowed("workflows.run", owner.role, relation_of(ctx, workflow, owner)):
        _skip(ctx, schedule.id, f"{owner.name} may no longer run this workflow")
        return
    try:
        run = begin(ctx, workflow, owner, inputs=schedule.inputs, trigger="schedule")
    except (Conflict, RateLimited) as refused:
        _skip(ctx, schedule.id, str(refused))
    else:
        ctx.db.patch(schedule.id, last_time=ctx.now, last_execution=run)


def _skip(ctx: MutationCtx, schedule_id: Id[Schedule], reason: str) -> None:
    with ctx.db.edit(schedule_id) as schedule:
        schedule.skipped += 1
        skips = [*schedule.skips, Skip(time=ctx.now, reason=reason)]
        schedule.skips = skips[-MAX_SKIPS_KEPT:]


def _plan(ctx: MutationCtx, schedule_id: Id[Schedule]) -> None:
    """Have the job of a schedule wait for the next time; for none, if it is disabled."""
    schedule = ctx.db.require(schedule_id)
    _call_off(ctx, schedule)
    due, job = None, None
    if schedule.enabled:
        due = next_time_ms(schedule.cron, schedule.time_zone, ctx.now)
        wake = min(due, ctx.now + MAX_SLEEP_MS)
        job = ctx.scheduler.run_at(wake, fire, schedule_id, due)
    ctx.db.patch(schedule_id, next_time=due, job=job)


def _call_off(ctx: MutationCtx, schedule: Schedule) -> None:
    if schedule.job is not None:
        ctx.scheduler.cancel(schedule.job)


def _changeable(ctx: MutationCtx, schedule_id: Id[Schedule]) -> Schedule:
    """Return a schedule of a workflow that the caller may run."""
    ctx.auth.require()
    schedule = ctx.db.require(schedule_id)
    checked_workflow(ctx, "workflows.run", schedule.workflow_id)
    return schedule


def _refuse_too_many(ctx: QueryCtx, workflow_id: Id[Workflow]) -> None:
    of_workflow = Schedule.by_workflow.eq(workflow_id)
    if len(ctx.db.unrestricted.query(of_workflow).take(MAX_SCHEDULES)) == MAX_SCHEDULES:
        raise Conflict(
            f"the workflow has {MAX_SCHEDULES} schedules already: change or remove one",
            limit=MAX_SCHEDULES,
        )
