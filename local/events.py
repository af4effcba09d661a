"""The events that API Gateway sends to Lambda, and the answers that it takes."""

import base64
import json
import time
import uuid
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from local.chance import ChancePool
from local.connections import ConnectionInfo
from local.http import HttpRequest, HttpResponse
from local.routes import Match

API_ID: Final = "local"
ACCOUNT_ID: Final = "000000000000"

Event = dict[str, Any]

_ID_BYTES: Final = 11
_chance: Final = ChancePool()


class MalformedResult(Exception):
    """A handler answered an HTTP request with something that is no response."""


def gateway_id() -> str:
    """Return an id in the shape of API Gateway's, such as ``L0SM9cOFvHcCIhw=``."""
    return base64.urlsafe_b64encode(_chance.take(_ID_BYTES)).decode()


@lru_cache(maxsize=2)
def request_time(epoch_s: int) -> str:
    """Return a time in the format of access logs, ``09/Apr/2026:12:34:56 +0000``."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(epoch_s))


def now_ms() -> int:
    """Return the wall clock's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _identity(source_ip: str, user_agent: str | None) -> dict[str, str | None]:
    return {
        "cognitoIdentityPoolId": None,
        "accountId": None,
        "cognitoIdentityId": None,
        "caller": None,
        "sourceIp": source_ip,
        "principalOrgId": None,
        "accessKey": None,
        "cognitoAuthenticationType": None,
        "cognitoAuthenticationProvider": None,
        "userArn": None,
        "userAgent": user_agent,
        "user": None,
    }


# ---------------------------------------------------------------- REST


def rest_event(
    request: HttpRequest, match: Match, *, stage: str, binary_types: Collection[str]
) -> Event:
    """Return the proxy event of a REST API (version 1) for a request.

    Path and path parameters stay percent-encoded, the query is decoded: so does AWS.
    """
    headers = _many(forwarded(request))
    query = _many(parse_qsl(request.query, keep_blank_values=True))
    body, encoded = _event_body(request, binary_types)
    return {
        "resource": match.resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()}
        or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(match.parameters) or None,
        "stageVariables": None,
        "requestContext": _rest_context(request, match, stage),
        "body": body,
        "isBase64Encoded": encoded,
    }


def _rest_context(request: HttpRequest, match: Match, stage: str) -> Event:
    arrived_ms = now_ms()
    return {
        "resourceId": "local",
        "resourcePath": match.resource,
        "httpMethod": request.method,
        "extendedRequestId": gateway_id(),
        "requestTime": request_time(arrived_ms // 1000),
        "path": f"/{stage}{request.path}",
        "accountId": ACCOUNT_ID,
        "protocol": "HTTP/1.1",
        "stage": stage,
        "domainPrefix": "localhost",
        "requestTimeEpoch": arrived_ms,
        "requestId": str(uuid.UUID(bytes=_chance.take(16), version=4)),
        "identity": _identity(request.source_ip, request.header("user-agent")),
        "domainName": request.header("host") or f"localhost:{request.port}",
        "apiId": API_ID,
    }


def forwarded(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the headers with those that a gateway adds."""
    hops = [value for name, value in request.headers if name == "x-forwarded-for"]
    added = {
        "x-forwarded-for": ", ".join([*hops, request.source_ip]),
        "x-forwarded-port": request.header("x-forwarded-port") or str(request.port),
        "x-forwarded-proto": request.header("x-forwarded-proto") or "http",
    }
    return [pair for pair in request.headers if pair[0] not in added] + [*added.items()]


def _many(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _event_body(
    request: HttpRequest, binary_types: Collection[str]
) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    media_type = (request.header("content-type") or "").split(";")[0].strip().lower()
    if "*/*" in binary_types or media_type in binary_types:
        return base64.b64encode(request.body).decode(), True
    # API Gateway mangles bytes of a type that it was not told to be binary: so do we.
    return request.body.decode("utf-8", "replace"), False


def proxy_response(result: object) -> HttpResponse:
    """Return the response that a handler's result describes.

    Raises:
        MalformedResult: it describes none; API Gateway answers 502.
    """
    if not isinstance(result, dict):
        raise MalformedResult("not a dictionary")
    try:
        return HttpResponse(
            status=int(result["statusCode"]),
            headers=_response_headers(result),
            body=_response_body(result),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedResult(str(error)) from error


def payload_bytes(result: Mapping[str, Any]) -> int:
    """Count the bytes of the body as Lambda hands it over: base64 counts as it is."""
    body = result.get("body") or ""
    return len(body if isinstance(body, bytes) else str(body).encode())


def _response_headers(result: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    many = dict(result.get("multiValueHeaders") or {})
    single = {
        name: [value]
        for name, value in (result.get("headers") or {}).items()
        if name not in many
    }
    headers = [
        (str(name), str(value))
        for name, values in (single | many).items()
        for value in values
    ]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return tuple(headers)


def _response_body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if result.get("isBase64Encoded"):
        return base64.b64decode(body, validate=True)
    return body if isinstance(body, bytes) else str(body).encode()


# ---------------------------------------------------------------- WebSocket


def message_event(info: ConnectionInfo, body: str, *, stage: str, domain: str) -> Event:
    """Return the event of a text message, on the route ``$default``."""
    context = _socket_context(info, stage=stage, domain=domain)
    context |= {
        "routeKey": "$default",
        "messageId": gateway_id(),
        "eventType": "MESSAGE",
        "messageDirection": "IN",
    }
    return {"requestContext": context, "body": body, "isBase64Encoded": False}


def disconnect_event(
    info: ConnectionInfo, code: int, reason: str, *, stage: str, domain: str
) -> Event:
    """Return the event of a socket that closed, on the route ``$disconnect``."""
    context = _socket_context(info, stage=stage, domain=domain)
    context |= {
        "routeKey": "$disconnect",
        "disconnectStatusCode": code,
        "messageId": None,
        "eventType": "DISCONNECT",
        "messageDirection": "IN",
        "disconnectReason": reason,
    }
    headers = {"Host": domain, "X-Forwarded-For": info.source_ip, "x-api-key": ""}
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def _socket_context(info: ConnectionInfo, *, stage: str, domain: str) -> Event:
    arrived_ms, request_id = now_ms(), gateway_id()
    return {
        "extendedRequestId": request_id,
        "requestTime": request_time(arrived_ms // 1000),
        "stage": stage,
        "connectedAt": info.connected_ms,
        "requestTimeEpoch": arrived_ms,
        "identity": _identity(info.source_ip, info.user_agent or None),
        "requestId": request_id,
        "domainName": domain,
        "connectionId": info.connection_id,
        "apiId": API_ID,
    }


def error_frame(event: Event, message: str) -> bytes:
    """Return what API Gateway tells a client whose message was not handled."""
    context = event["requestContext"]
    return json.dumps(
        {
            "message": message,
            "connectionId": context["connectionId"],
            "requestId": context["requestId"],
        },
        separators=(",", ":"),
    ).encode()
