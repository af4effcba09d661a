"""The mutations of marks as requests that may be repeated, so many in a while."""

from __future__ import annotations

import json
from typing import Final

from chalicelib.engine.server import (
    ActionCtx,
    AppError,
    Endpoint,
    Http,
    Rate,
    RateLimited,
    Rates,
    Request,
    Response,
)
from chalicelib.geoflow.idempotency import perform
from chalicelib.geoflow.rest import Operation
from tests.simulation.app import marks

RATE: Final = Rate(6, window_ms=1200)
"""Few enough that some are refused, and a window that passes while others ask."""

_FUNCTIONS: Final = (("add", marks.add), ("grow", marks.grow), ("squeeze", marks.squeeze))

OPERATIONS: Final = {
    name: Operation(
        endpoint=Endpoint("POST", f"/marks/{name}", function, max_body_bytes=1000),
        scope="marks:write",
    )
    for name, function in _FUNCTIONS
}
"""By the name of the mutation."""


def told(_ctx: ActionCtx, error: Exception, _request_id: str) -> Response | None:
    """Answer what the app refuses; leave to the engine what is nobody's."""
    match error:
        case RateLimited():
            return Response.json(error.data, status=429)
        case AppError():
            return Response.json(error.data, status=409)
        case _:
            return None


http = Http(on_error=told, rates=Rates(RATE, RATE))


@http.post("/marks/{name}")
def leave(ctx: ActionCtx, request: Request, name: str) -> Response:
    """Leave a mark, once for each ``Idempotency-Key``."""
    return Response.json(perform(ctx, request, OPERATIONS[name], json.loads(request.body)))
