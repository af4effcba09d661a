"""From Chalice's request to ours, and from our response to Chalice's."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote, urlencode

from chalice.app import Response as ChaliceResponse
from typing_extensions import override

from chalicelib import bootstrap
from chalicelib.entrypoints.http import Handler, Request, Response, answer

CALLS: Final = ["POST", "OPTIONS"]
"""Methods of an endpoint that is called with a body."""

ANY_METHOD: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""Methods of an endpoint that leaves it to an app what they mean."""

BODIES: Final = ["*/*"]
"""Content types that are let through: any. A body is bytes, and the handler's business."""

EVERY_TYPE: Final = ["*/*"]
"""What API Gateway is told to take for binary: everything. Bodies of a type that it takes for
text would be mangled, and which type a file has is not known beforehand."""


class _Answer(ChaliceResponse):
    """A response that says itself whether its body is text."""

    @override
    def to_dict(self, binary_types: Any = None) -> dict[str, Any]:
        """Return the answer to API Gateway: bytes in base64, text as it is."""
        is_text = isinstance(self.body, str)
        answer: dict[str, Any] = super().to_dict(None if is_text else EVERY_TYPE)
        return answer


def respond(request: Any, handler: Handler) -> Any:
    """Answer ``request`` by ``handler``."""
    response = answer(handler, bootstrap.current, _request(request))
    return _Answer(
        body=_body(response),
        headers={**response.headers, **_lists(response.repeated)},
        status_code=response.status,
    )


def _lists(repeated: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """What API Gateway has in ``multiValueHeaders``; names are the same in any case."""
    lists: dict[str, list[str]] = {}
    for name, value in repeated:
        lists.setdefault(name.title(), []).append(value)
    return lists


def _body(response: Response) -> str | bytes:
    """Text where the body is text: base64 would make it a third longer."""
    if response.stream is not None:
        return b"".join(response.stream)
    kind = next((v for n, v in response.headers.items() if n.lower() == "content-type"), "")
    if not kind.startswith(("text/", "application/json")):
        return response.body
    try:
        return response.body.decode()
    except UnicodeDecodeError:
        return response.body


def _request(request: Any) -> Request:
    event = request.to_original_event()
    parameters = event.get("pathParameters") or {}
    query = event.get("multiValueQueryStringParameters") or {}
    # The context is the gateway's own: nothing in it comes from the client.
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return Request(
        method=request.method,
        path=event.get("path", request.path),
        query={name: values[-1] for name, values in query.items()},
        query_string=urlencode(query, doseq=True),
        headers={
            name.lower(): ", ".join(values)
            for name, values in (event.get("multiValueHeaders") or {}).items()
        },
        body=request.raw_body or b"",
        peer=identity.get("sourceIp") or "",
        tail=unquote(parameters.get("proxy") or ""),
    )
