"""Telling webhooks: an event is emitted inside the mutation that causes it.

Deliveries and their jobs are written in the same transaction: they exist exactly if what they
tell of has happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chalicelib.engine.server import Id, MutationCtx
from chalicelib.geoflow.deliveries import new_event_id, queue
from chalicelib.geoflow.limits import MAX_LISTED, MAX_TOLD_CHARS, MAX_WEBHOOKS_PER_USER
from chalicelib.geoflow.schema import Execution, User, Webhook, WebhookEvent

Data = dict[str, Any]
"""What an event tells, as receivers get it: names are in camel case."""


def emit(
    ctx: MutationCtx, event: WebhookEvent, data: Data, *, owners: Iterable[Id[User]]
) -> int:
    """Tell the webhooks of some users of an event; return how many are told."""
    event_id = new_event_id(ctx)
    told = [webhook for owner in owners for webhook in _listening(ctx, owner, event)]
    for webhook in told:
        queue(ctx, webhook, event, event_id, data)
    return len(told)


def emit_run(ctx: MutationCtx, event: WebhookEvent, run: Execution) -> int:
    """Tell the owner of a run's workflow how the run goes."""
    workflow = ctx.db.unrestricted.get(run.workflow_id)
    if workflow is None:
        return 0  # it was removed, and so will its runs be
    data: Data = {
        "workflowId": workflow.id,
        "workflowName": workflow.name,
        "workflowVersion": run.workflow_version,
        "executionId": run.id,
        "status": run.status,
        "trigger": run.trigger,
        "started": run.started,
        "finished": run.finished,
        "error": None if run.error is None else run.error[:MAX_TOLD_CHARS],
    }
    return emit(ctx, event, data, owners=(workflow.owner,))


def emit_user(ctx: MutationCtx, user: User) -> int:
    """Tell the admins that somebody has come."""
    admins = ctx.db.unrestricted.query(User.by_role.eq("admin")).take(MAX_LISTED)
    data: Data = {"userId": user.id, "name": user.name, "email": user.email}
    return emit(ctx, "user.created", data, owners=[admin.id for admin in admins])


def _listening(ctx: MutationCtx, owner: Id[User], event: WebhookEvent) -> list[Webhook]:
    enabled = Webhook.by_owner_enabled.eq(owner).eq(True)  # noqa: FBT003 - the value of a field
    found = ctx.db.unrestricted.query(enabled).take(MAX_WEBHOOKS_PER_USER)
    return [each for each in found if event in each.events and each.sealed is not None]
