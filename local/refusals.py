"""What API Gateway answers itself, instead of a handler."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from local.http import HttpRequest, HttpResponse, refusal

TOO_LARGE: Final = refusal(413, "Request Too Long", "RequestTooLongException")
NO_ROUTE: Final = refusal(
    403, "Missing Authentication Token", "MissingAuthenticationTokenException"
)
TIMED_OUT: Final = refusal(504, "Endpoint request timed out", "InternalServerException")
FAILED: Final = refusal(502, "Internal server error", "InternalServerErrorException")
OVERLOADED: Final = "TooManyConcurrentRequests"
BUSY: Final = HttpResponse(
    status=503,
    headers=(
        ("content-type", "application/json"),
        ("retry-after", "1"),
        ("x-amzn-ErrorType", "ServiceUnavailableException"),
    ),
    body=json.dumps(
        {"code": OVERLOADED, "message": "Too many requests wait already: try again."}
    ).encode(),
)


def preflight(request: HttpRequest, methods: Mapping[str, Any]) -> HttpResponse | None:
    """Answer OPTIONS for a resource with Chalice's ``cors``, as its generated mock does."""
    entry = next(iter(methods.values()), None)
    cors = getattr(entry, "cors", None)
    if request.method != "OPTIONS" or not cors:
        return None
    headers = dict(cors.get_access_control_headers())
    headers["Access-Control-Allow-Methods"] = ",".join([*sorted(methods), "OPTIONS"])
    return HttpResponse(status=200, headers=tuple(headers.items()))


def readable_by_browsers(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Add CORS headers to the gateway's own errors: else a page sees "failed to fetch"."""
    origin = request.header("origin")
    if origin is None or not any(
        name == "x-amzn-ErrorType" for name, _ in response.headers
    ):
        return response
    allowed = (
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    )
    return replace(response, headers=response.headers + allowed)
