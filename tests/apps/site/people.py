"""Who calls, as a query sees it."""

from __future__ import annotations

from chalicelib.engine.server import QueryCtx, query


@query
def name(ctx: QueryCtx) -> str | None:
    """Return the caller's subject."""
    identity = ctx.auth.identity()
    return identity.subject if identity is not None else None
