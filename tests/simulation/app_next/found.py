"""A query over the new index."""

from __future__ import annotations

from chalicelib.engine.server import QueryCtx, query
from tests.simulation.app_next.schema import Mark


@query
def all_(ctx: QueryCtx) -> list[str]:
    """Return the tags of all marks, in their order."""
    return [mark.tag for mark in ctx.db.query(Mark.by_tag)]
