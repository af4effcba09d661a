"""From Chalice's request to ours, and from our response to Chalice's."""

from typing import Any, Final
from urllib.parse import unquote

from chalice.app import APIGateway
from chalice.app import Response as ChaliceResponse

from chalicelib import bootstrap
from chalicelib.entrypoints.http import Handler, Request, Response, answer

CALLS: Final = ["POST", "OPTIONS"]
"""Methods of an endpoint that is called with a body."""

ANY_METHOD: Final = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""Methods of an endpoint that leaves it to an app what they mean."""

BODIES: Final = [
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
]
"""Content types that are let through; Chalice answers 415 to others, and knows no "any"."""

_BINARY: Final = frozenset(APIGateway().default_binary_types)


def respond(request: Any, handler: Handler) -> Any:
    """Answer ``request`` by ``handler``."""
    response = answer(handler, bootstrap.current, _request(request))
    return ChaliceResponse(
        body=_body(response),
        headers=dict(response.headers),
        status_code=response.status,
    )


def _body(response: Response) -> str | bytes:
    """Text where the body is text: Chalice takes bytes, and bytes only, for binary types."""
    kind = next((v for n, v in response.headers.items() if n.lower() == "content-type"), "")
    if kind.partition(";")[0].strip().lower() in _BINARY:
        return response.body
    try:
        return response.body.decode()
    except UnicodeDecodeError:
        return response.body


def _request(request: Any) -> Request:
    event = request.to_original_event()
    parameters = event.get("pathParameters") or {}
    return Request(
        method=request.method,
        path=event.get("path", request.path),
        query=dict(request.query_params or {}),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.raw_body or b"",
        tail=unquote(parameters.get("proxy") or ""),
    )
