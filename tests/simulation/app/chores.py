"""Functions that are scheduled, and those that schedule them and call them off."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    ScheduledFunction,
    action,
    internal_action,
    internal_mutation,
    mutation,
)
from tests.simulation.app import marks
from tests.simulation.app.schema import Mark

LABOURS: Counter[str] = Counter()
"""How often each action has begun, by tag; each run of the simulation begins anew."""


@internal_mutation
def due(ctx: MutationCtx, key: int, tag: str) -> None:
    """Leave a mark, after a look at what is there: it may conflict."""
    ctx.db.query(Mark.by_key.eq(key)).collect()
    ctx.db.insert(Mark(key=key, tag=tag, author=None))


@internal_mutation
def refused(ctx: MutationCtx, key: int, tag: str) -> None:
    """Leave a mark, and take it back by failing."""
    due(ctx, key, tag)
    raise Conflict("refused")


@internal_mutation
def laboured(ctx: MutationCtx, key: int, tag: str) -> None:
    """Leave the mark of an action."""
    due(ctx, key, tag)


@internal_action
def labour(ctx: ActionCtx, key: int, tag: str) -> None:
    """Do something that must not be done twice, and schedule more."""
    LABOURS[tag] += 1
    ctx.run_mutation(laboured, key=key, tag=tag)
    ctx.scheduler.run_after(0, due, key=key, tag=tag + ">")


NAMED: dict[str, Any] = {"due": due, "refused": refused, "labour": labour}


@mutation
def plan(
    ctx: MutationCtx, key: int, tag: str, what: str, delay_ms: float
) -> Id[ScheduledFunction]:
    """Leave a mark, and schedule another one."""
    marks.add(ctx, key, tag)
    return ctx.scheduler.run_after(delay_ms, NAMED[what], key=key, tag=tag + ">")


@action
def plan_now(
    ctx: ActionCtx, key: int, tag: str, what: str, delay_ms: float
) -> Id[ScheduledFunction]:
    """Schedule in a transaction of its own."""
    return ctx.scheduler.run_after(delay_ms, NAMED[what], key=key, tag=tag + ">")


@mutation
def call_off(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    """Call a job off."""
    ctx.scheduler.cancel(job)
