"""Reads by the new index."""

from __future__ import annotations

from chalicelib.engine.server import MutationCtx, QueryCtx, mutation, query
from tests.apps.trial_next.schema import Item


@query
def groups(ctx: QueryCtx, label: str) -> list[str]:
    """Return the groups that have a label, in order."""
    rows = ctx.db.query(Item.by_label_and_group.eq(label)).collect()
    return [item.group for item in rows]


@mutation
def relabel(ctx: MutationCtx, old: str, new: str) -> int:
    """Give every item of a label another one; return how many there were."""
    rows = ctx.db.query(Item.by_label_and_group.eq(old)).collect()
    for item in rows:
        ctx.db.patch(item.id, label=new)
    return len(rows)
