"""How runs begin, whoever or whatever begins them."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    Conflict,
    Id,
    MutationCtx,
    NotFound,
    QueryCtx,
    RateLimited,
    Struct,
)
from chalicelib.geoflow.limits import MAX_UNFINISHED_PER_USER
from chalicelib.geoflow.model.runs import fresh_states
from chalicelib.geoflow.model.sizes import refuse_large
from chalicelib.geoflow.schema import (
    Execution,
    ExecutionStatus,
    Trigger,
    User,
    Workflow,
    WorkflowVersion,
)
from chalicelib.geoflow.versions import keep_version, kept_version


def refuse_start(ctx: QueryCtx, workflow: Workflow, owner: User) -> None:
    """Refuse to begin a run that cannot be now.

    Raises:
        Conflict: the workflow is archived.
        RateLimited: the owner has 10 runs that have not finished.
    """
    if workflow.status == "archived":
        raise Conflict(
            f"workflow {workflow.name!r} is archived: restore it to run it",
            status=workflow.status,
        )
    unfinished = sum(_number(ctx, owner, status) for status in _UNFINISHED)
    if unfinished >= MAX_UNFINISHED_PER_USER:
        raise RateLimited(
            f"{unfinished} of your executions wait or run, and {MAX_UNFINISHED_PER_USER} may"
            " at once: start again when one has finished, or cancel one",
            unfinished=unfinished,
            limit=MAX_UNFINISHED_PER_USER,
        )


def begin(
    ctx: MutationCtx,
    workflow: Workflow,
    owner: User,
    *,
    inputs: dict[str, Any],
    trigger: Trigger,
    again: Execution | None = None,
) -> Id[Execution]:
    """Queue a run of the workflow as it is; or of the version that ``again`` was of.

    Raises:
        Conflict, RateLimited: as :func:`refuse_start`.
        NotFound: the version of ``again`` is gone.
        ValidationFailed: the inputs are more than 64 KiB.
    """
    refuse_start(ctx, workflow, owner)
    refuse_large("inputs", inputs)
    version = (
        _version_now(ctx, workflow, owner) if again is None else _version_of(ctx, again)
    )
    return ctx.db.insert(
        Execution(
            workflow_id=workflow.id,
            workflow_version=version.version,
            owner=owner.id,
            trigger=trigger,
            inputs=inputs,
            node_states=fresh_states(version.nodes),
            due=ctx.now,
            retry=workflow.run_policy.retry,
            timeout_ms=workflow.run_policy.timeout_ms,
            retry_of=None if again is None else again.id,
        )
    )


def _version_now(ctx: MutationCtx, workflow: Workflow, author: User) -> WorkflowVersion:
    return ctx.db.unrestricted.require(keep_version(ctx, workflow, author))


def _version_of(ctx: QueryCtx, run: Execution) -> WorkflowVersion:
    found = kept_version(ctx, run.workflow_id, run.workflow_version)
    if found is None:
        raise NotFound("the definition of this run is gone", execution=run.id)
    return found


class _AnyRun(Struct):
    """That there is a run, and nothing about it."""

    id: Id[Execution]


_UNFINISHED: tuple[ExecutionStatus, ...] = ("queued", "running")


def _number(ctx: QueryCtx, owner: User, status: ExecutionStatus) -> int:
    """How many runs somebody has, up to the limit; also those that an API key may not see."""
    of_status = Execution.by_owner_status.eq(owner.id).eq(status)
    # That a run gets on, while this one is started, is no conflict.
    runs = ctx.db.unrestricted.query(of_status).only(_AnyRun)
    return len(runs.take(MAX_UNFINISHED_PER_USER))
