"""Where the deployment is."""

from __future__ import annotations

from chalicelib.engine.functions.context import SystemCtx
from chalicelib.engine.functions.registration import system_query


@system_query
def cloud_url(ctx: SystemCtx) -> str:
    """Return where clients reach functions; empty if the deployment was not told."""
    return ctx.registry.addresses.cloud


@system_query
def site_url(ctx: SystemCtx) -> str:
    """Return where they reach HTTP functions; empty if the deployment was not told."""
    return ctx.registry.addresses.site
