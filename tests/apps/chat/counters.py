"""Counters: a lost or doubled mutation shows as a wrong number."""

from __future__ import annotations

from chalicelib.engine.server import (
    Conflict,
    MutationCtx,
    QueryCtx,
    mutation,
    query,
)
from tests.apps.chat.schema import Counter


@query
def get(ctx: QueryCtx, name: str) -> int:
    """Return where the counter stands; one that was never incremented stands at 0."""
    counter = ctx.db.query(Counter.by_name.eq(name)).unique()
    return counter.count if counter is not None else 0


@mutation
def increment(ctx: MutationCtx, name: str) -> int:
    """Add one, and return the sum."""
    counter = ctx.db.query(Counter.by_name.eq(name)).unique()
    if counter is None:
        ctx.db.insert(Counter(name=name, count=1))
        return 1
    ctx.db.patch(counter.id, count=counter.count + 1)
    return counter.count + 1


@mutation
def refuse(ctx: MutationCtx, name: str) -> int:
    """Add one, then fail with data: the counter must stand where it stood."""
    stands = increment(ctx, name)
    raise Conflict("not today", stands=stands)
