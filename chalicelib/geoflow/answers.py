"""How GeoFlow answers over HTTP: one envelope, one table of statuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from chalicelib.engine.server import (
    ActionCtx,
    AppError,
    ArgumentValidationError,
    Response,
)

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


def success(ctx: ActionCtx, data: Any, *, status: int = 200) -> Response:
    """Answer that it went well."""
    return _envelope(ctx, status, success=True, data=data, error=None)


def failure(ctx: ActionCtx, error: Exception, request_id: str) -> Response:
    """Answer an error; one that is no application's own says nothing but where to look."""
    match error:
        case AppError():
            told = error.data
        case ArgumentValidationError():
            told = _told("VALIDATION_ERROR", str(error), {})
        case _:
            message = "Something went wrong on our side: tell us the request id."
            told = _told("INTERNAL_ERROR", message, {"requestId": request_id})
    status = STATUS.get(told["code"], STATUS["PROCESSING_ERROR"])
    return _envelope(ctx, status, success=False, data=None, error=told)


def _told(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "message": message, "details": details}


def _envelope(ctx: ActionCtx, status: int, **parts: Any) -> Response:
    now = datetime.fromtimestamp(ctx.now / 1000, UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Response.json({**parts, "timestamp": stamp}, status=status)
