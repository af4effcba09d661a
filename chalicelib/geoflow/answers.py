"""How GeoFlow answers over HTTP: one envelope, one table of statuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from chalicelib.engine.server import ActionCtx, AppError, Page, Response

STATUS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "VALIDATION_ERROR": 400,
        "AUTHENTICATION_ERROR": 401,
        "AUTHORIZATION_ERROR": 403,
        "NOT_FOUND": 404,
        "CONFLICT": 409,
        "PROCESSING_ERROR": 422,
        "RATE_LIMITED": 429,
        "INTERNAL_ERROR": 500,
    }
)
"""HTTP status by error code. Source: GEOFLOW.md, HTTP."""

ENGINE: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "ArgumentValidationError": (400, "VALIDATION_ERROR"),
        "BadArguments": (400, "VALIDATION_ERROR"),
        "BodyTooLarge": (413, "VALIDATION_ERROR"),
        "FunctionArgumentsTooLarge": (413, "VALIDATION_ERROR"),
        "InvalidCursor": (400, "VALIDATION_ERROR"),
        "InvalidValue": (400, "VALIDATION_ERROR"),
        "PaginationRefused": (400, "VALIDATION_ERROR"),
        "TransactionLimit": (422, "PROCESSING_ERROR"),
        "UnsupportedMediaType": (415, "VALIDATION_ERROR"),
    }
)
"""Status and code of those of the engine's errors that say what to do about a request.

HTTP has statuses of its own for some faults of a request: they keep them, under the code that
is nearest. Of all other errors of the engine nothing is told but that they are ours.
"""

RETRY_S: Final = 60
"""When to look again whether there is room for what a user may have a number of, in seconds."""

UNAVAILABLE: Final = 503
"""What passes by itself: the same request may succeed a moment later."""

READABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": (
            "Content-Disposition, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining,"
            " X-RateLimit-Reset"
        ),
    }
)
"""Pages of any origin may read all answers: nothing here follows from a cookie."""


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def success(
    ctx: ActionCtx,
    data: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] = NOTHING,
) -> Response:
    """Answer that it went well. A page is its items, and the cursor of the next one."""
    if isinstance(data, Page):
        following = None if data.is_done else data.continue_cursor
        data = {"items": data.page, "nextCursor": following}
    return _envelope(ctx, status, headers, success=True, data=data, error=None)


def failure(ctx: ActionCtx, error: Exception, request_id: str) -> Response:
    """Answer an error; one that is nobody's but ours says nothing but where to look."""
    code: Any = getattr(error, "code", None)
    if code in ENGINE:
        status, named = ENGINE[code]
        return refused(ctx, status, named, str(error))
    if isinstance(error, AppError):
        data = error.data
        status = STATUS.get(data["code"], STATUS["PROCESSING_ERROR"])
        # When there is room again, nobody knows; the rate of requests has its own header.
        wait = {"Retry-After": str(RETRY_S)} if data["code"] == "RATE_LIMITED" else NOTHING
        return refused(ctx, status, data["code"], data["message"], data["details"], wait)
    where = {"requestId": request_id}
    if getattr(error, "retryable", False):
        told = str(getattr(error, "told", "This cannot be done right now: try again."))
        headers = {"Retry-After": "1"}
        return refused(ctx, UNAVAILABLE, "INTERNAL_ERROR", told, where, headers)
    message = "Something went wrong on our side: tell us the request id."
    return refused(ctx, STATUS["INTERNAL_ERROR"], "INTERNAL_ERROR", message, where)


def refused(
    ctx: ActionCtx,
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] = NOTHING,
    headers: Mapping[str, str] = NOTHING,
) -> Response:
    """Answer that it did not go well, and why."""
    error = {"code": code, "message": message, "details": dict(details)}
    return _envelope(ctx, status, headers, success=False, data=None, error=error)


def _envelope(
    ctx: ActionCtx, status: int, headers: Mapping[str, str], **parts: Any
) -> Response:
    now = datetime.fromtimestamp(ctx.now / 1000, UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Response.json(
        {**parts, "timestamp": stamp}, status=status, headers={**READABLE, **headers}
    )
