"""The description of the REST view, as OpenAPI 3.1: made of the same table that serves it."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from chalicelib.geoflow.limits import MAX_IDEMPOTENCY_KEY_CHARS
from chalicelib.geoflow.openapi_others import other_paths
from chalicelib.geoflow.rest import OPERATIONS, Operation

VERSION: Final = "1.0.0"
"""The version of what the endpoints take and answer."""

Schema = dict[str, Any]

_TIME: Final[Schema] = {"type": "string", "format": "date-time"}

_ERRORS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "Something about the request is not as it should be.",
        401: "No token and no key, or none that holds.",
        403: "Known, and not allowed.",
        404: "There is none that the caller may see.",
        405: "The path answers by other methods.",
        409: "It is in a state that does not allow this.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "It cannot be processed, or its Idempotency-Key was used for another request.",
        429: "Asked too often: see Retry-After.",
        500: "A fault of ours.",
        503: "Not possible right now: try again.",
    }
)
"""What each status says; every endpoint may answer each of them."""

_CODES: Final = (
    "VALIDATION_ERROR",
    "AUTHENTICATION_ERROR",
    "AUTHORIZATION_ERROR",
    "NOT_FOUND",
    "CONFLICT",
    "PROCESSING_ERROR",
    "RATE_LIMITED",
    "INTERNAL_ERROR",
)

_LEFT: Final[Schema] = {
    f"X-RateLimit-{name}": {"description": text, "schema": {"type": "integer"}}
    for name, text in (
        ("Limit", "Requests within an hour that the caller may send."),
        ("Remaining", "How many of them are left."),
        ("Reset", "When there will be more, in seconds since 1970."),
    )
}


@functools.cache
def description_json() -> bytes:
    """Return the whole description as JSON."""
    return json.dumps(description()).encode()


def description() -> Schema:
    """Return the whole description."""
    components: dict[str, Schema] = {"Error": _error()}
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.endpoint.template.text, {})
        path[operation.endpoint.method.lower()] = _operation(operation, components)
    for text, methods in other_paths(_answer, _response).items():
        for described in methods.values():
            described["responses"] |= _refusals()
        paths.setdefault(text, {}).update(methods)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GeoFlow",
            "version": VERSION,
            "description": "Workflows over geodata: drawn, shared, run and watched.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "responses": {_name(status): _refusal(status) for status in _ERRORS},
            "headers": _LEFT,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{"token": []}, {"key": []}],
    }


def _operation(operation: Operation, components: dict[str, Schema]) -> Schema:
    endpoint = operation.endpoint
    schemas, required = endpoint.schemas(components)
    summary, _, more = inspect.cleandoc(endpoint.function.__doc__ or "").partition("\n")
    described: Schema = {
        "operationId": _operation_id(operation),
        "summary": summary,
        "description": f"{more.strip()}\n\nScope of API keys: `{operation.scope}`.".strip(),
        "tags": [endpoint.template.text.split("/")[2]],
        "parameters": list(_parameters(operation, schemas, required)),
        "responses": {
            str(operation.status): _answer(_data(operation, components)),
            **_refusals(),
        },
    }
    if endpoint.body_names:
        described["requestBody"] = _body(endpoint.body_names, schemas, required)
    return described


def _parameters(
    operation: Operation, schemas: Mapping[str, Schema], required: frozenset[str]
) -> Iterator[Schema]:
    endpoint = operation.endpoint
    for name in endpoint.template.names:
        schema = _as_text(schemas[name])
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name in endpoint.query_names:
        is_needed = name in required
        schema = _as_text(schemas[name])
        yield {"name": name, "in": "query", "required": is_needed, "schema": schema}
    if endpoint.method != "GET":
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A name of the request: repeated within a day, it is done once.",
            "schema": {
                "type": "string",
                "pattern": "^[!-~]+$",
                "minLength": 1,
                "maxLength": MAX_IDEMPOTENCY_KEY_CHARS,
            },
        }


def _as_text(schema: Schema) -> Schema:
    """Leave null out: who wants it leaves the parameter out."""
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    return options[0] if len(options) == 1 else schema


def _body(
    names: tuple[str, ...], schemas: Mapping[str, Schema], required: frozenset[str]
) -> Schema:
    needed = [name for name in names if name in required]
    schema = {
        "type": "object",
        "properties": {name: schemas[name] for name in names},
        "required": needed,
        "additionalProperties": False,
    }
    return {"required": bool(needed), "content": {"application/json": {"schema": schema}}}


def _data(operation: Operation, components: dict[str, Schema]) -> Schema:
    """The schema of what the envelope holds: of pages, their items and the next cursor."""
    schema = operation.endpoint.result_schema(components)
    if operation.endpoint.is_paginated:
        page = components.pop(schema["$ref"].rpartition("/")[2])
        return {
            "type": "object",
            "properties": {
                "items": page["properties"]["page"],
                "nextCursor": {"type": ["string", "null"]},
            },
            "required": ["items", "nextCursor"],
            "additionalProperties": False,
        }
    return schema


def _answer(data: Schema) -> Schema:
    schema = {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "data": data,
            "error": {"type": "null"},
            "timestamp": _TIME,
        },
        "required": ["success", "data", "error", "timestamp"],
        "additionalProperties": False,
    }
    return _response("It went well.", schema)


def _response(text: str, schema: Schema) -> Schema:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _LEFT}
    content = {"application/json": {"schema": schema}}
    return {"description": text, "headers": headers, "content": content}


def _error() -> Schema:
    told = {
        "type": "object",
        "properties": {
            "code": {"enum": list(_CODES)},
            "message": {"type": "string"},
            "details": {"type": "object"},
        },
        "required": ["code", "message", "details"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "success": {"const": False},
            "data": {"type": "null"},
            "error": told,
            "timestamp": _TIME,
        },
        "required": ["success", "data", "error", "timestamp"],
        "additionalProperties": False,
    }


def _refusal(status: int) -> Schema:
    refusal = _response(_ERRORS[status], {"$ref": "#/components/schemas/Error"})
    if status in {429, 503}:
        refusal["headers"]["Retry-After"] = {
            "description": "Seconds to wait.",
            "schema": {"type": "integer"},
        }
    return refusal


def _refusals() -> Schema:
    return {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in _ERRORS
    }


def _name(status: int) -> str:
    return f"Refused{status}"


def _operation_id(operation: Operation) -> str:
    function = operation.endpoint.function
    module = function.__module__.rpartition(".")[2]
    return f"{module}_{function.__name__}".rstrip("_")
