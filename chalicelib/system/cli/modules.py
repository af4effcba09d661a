"""What is served."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.functions.context import SystemCtx
from chalicelib.engine.functions.registration import system_query
from chalicelib.engine.functions.spec import function_spec


@system_query
def api_spec(ctx: SystemCtx) -> list[dict[str, Any]]:
    """Describe every function of the apps, internal ones and HTTP functions too."""
    return function_spec(ctx.registry)
