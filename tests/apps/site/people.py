"""Who calls, as a query sees it."""

from __future__ import annotations

from chalicelib.engine.server import MutationCtx, QueryCtx, mutation, query


@query
def name(ctx: QueryCtx) -> str | None:
    """Return the caller's subject."""
    identity = ctx.auth.identity()
    return identity.subject if identity is not None else None


@query
def addresses(ctx: QueryCtx) -> list[str]:
    """Tell where the deployment is, as a query sees it."""
    return [ctx.addresses.cloud, ctx.addresses.site]


@mutation
def addresses_written(ctx: MutationCtx) -> list[str]:
    """Tell where the deployment is, as a mutation sees it."""
    return [ctx.addresses.cloud, ctx.addresses.site]
