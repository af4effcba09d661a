"""What the crons run."""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    MutationCtx,
    QueryCtx,
    internal_action,
    internal_mutation,
    internal_query,
)
from tests.apps.clockwork.schema import Tick


@internal_mutation
def tick(ctx: MutationCtx, name: str) -> None:
    """Note that a cron ran."""
    ctx.db.insert(Tick(name=name, at=ctx.now))


@internal_mutation
def refuse(ctx: MutationCtx) -> None:
    """Fail each time."""
    raise Conflict("refused")


@internal_action
def work(ctx: ActionCtx, name: str) -> None:
    """Note the same out of an action."""
    ctx.run_mutation(tick, name=name)


@internal_query
def times(ctx: QueryCtx, name: str) -> list[float]:
    """When a cron ran."""
    return [tick.at for tick in ctx.db.query(Tick).collect() if tick.name == name]
