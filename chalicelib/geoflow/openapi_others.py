"""The descriptions of endpoints that are no functions: see ``http.py`` and ``files_http.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chalicelib.geoflow.limits import MAX_FILE_NAME_CHARS
from chalicelib.geoflow.portable import FORMAT, FORMAT_VERSION

Schema = dict[str, Any]

Respond = Callable[[str, Schema], Schema]
"""Describes an answer, by a text and the schema of its body."""


@dataclass(frozen=True, slots=True)
class _Enveloped:
    """An answer whose envelope holds something."""

    schema: Schema


@dataclass(frozen=True, slots=True)
class _Plain:
    """An answer in no envelope: JSON of a schema, bytes, or nothing at all."""

    text: str
    schema: Schema | None = None
    has_bytes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Other:
    """One line of the table."""

    path: str
    method: str = "get"
    name: str
    summary: str
    tag: str = "files"
    parameters: tuple[Schema, ...] = ()
    body: Mapping[str, Schema] | None = None
    answers: Mapping[int, _Enveloped | _Plain]
    is_open: bool = False


_ID: Final[Schema] = {"type": "string", "minLength": 31, "maxLength": 37}
_MADE: Final[Schema] = {
    "type": "object",
    "properties": {"fileId": {"type": "string"}},
    "required": ["fileId"],
    "additionalProperties": False,
}
_LINK: Final[Schema] = {
    "type": "object",
    "properties": {
        "url": {"type": "string"},
        "method": {"const": "PUT"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "uploadToken": {"type": "string"},
    },
    "required": ["url", "method", "headers", "uploadToken"],
    "additionalProperties": False,
}
_DOCUMENT: Final[Schema] = {
    "type": "object",
    "properties": {
        "format": {"const": FORMAT},
        "formatVersion": {"const": FORMAT_VERSION},
        "workflow": {"$ref": "#/components/schemas/Drawing"},
    },
    "required": ["format", "formatVersion", "workflow"],
    "additionalProperties": False,
}
_NAME: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": MAX_FILE_NAME_CHARS}
_FORM: Final[Schema] = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "name": _NAME,
        "workflowId": _ID,
    },
    "required": ["file"],
}
_WANTED: Final[Schema] = {
    "type": "object",
    "properties": {
        "sha256": {"type": "string", "description": "SHA-256 of the file, in base64."},
        "contentType": {"type": ["string", "null"]},
    },
    "required": ["sha256"],
}
_FINISHED: Final[Schema] = {
    "type": "object",
    "properties": {
        "uploadToken": {"type": "string"},
        "name": _NAME,
        "contentType": {"type": ["string", "null"]},
        "workflowId": {"type": ["string", "null"]},
    },
    "required": ["uploadToken", "name"],
}


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _ID}


def _in_query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_JSON: Final = "application/json"
_SAME: Final = _Plain("It is the one that If-None-Match names.")
_MOVED: Final = _Plain("It is at another address, for a while.")

_OTHERS: Final = (
    _Other(
        path="/api/workflows/{workflowId}/export",
        name="portable_export_workflow",
        summary="Return a workflow as a document that import takes, as an attachment.",
        tag="workflows",
        parameters=(_in_path("workflowId"),),
        answers={200: _Plain("The document, in no envelope.", _DOCUMENT)},
    ),
    _Other(
        path="/api/openapi.json",
        name="openapi",
        summary="Return this description.",
        tag="openapi.json",
        answers={200: _Plain("OpenAPI 3.1.", {"type": "object"})},
        is_open=True,
    ),
    _Other(
        path="/api/files/upload",
        method="post",
        name="files_http_upload",
        summary="Store a file: its bytes as the body, or a form with one file.",
        parameters=(_in_query("name", _NAME), _in_query("workflowId", _ID)),
        body={"application/octet-stream": {}, "multipart/form-data": _FORM},
        answers={201: _Enveloped(_MADE)},
    ),
    _Other(
        path="/api/files/presign",
        method="post",
        name="files_http_presign",
        summary="Return a link to which a large file may be PUT.",
        parameters=(_in_query("workflowId", _ID),),
        body={_JSON: _WANTED},
        answers={200: _Enveloped(_LINK)},
    ),
    _Other(
        path="/api/files/finish",
        method="post",
        name="files_http_finish",
        summary="Make a file of what was PUT by a link.",
        body={_JSON: _FINISHED},
        answers={201: _Enveloped(_MADE)},
    ),
    _Other(
        path="/api/files/{fileId}/content",
        name="files_http_content",
        summary="Return the bytes of a file, or a range of them.",
        parameters=(_in_path("fileId"),),
        answers={
            200: _Plain("The file.", has_bytes=True),
            206: _Plain("A part of it.", has_bytes=True),
            304: _SAME,
            307: _MOVED,
            416: _Plain("It has no such range."),
        },
    ),
    _Other(
        path="/api/files/{fileId}/thumbnail",
        name="files_http_thumbnail",
        summary="Return the picture of a file.",
        parameters=(_in_path("fileId"),),
        answers={200: _Plain("The picture.", has_bytes=True), 304: _SAME, 307: _MOVED},
    ),
)


def other_paths(enveloped: Callable[[Schema], Schema], respond: Respond) -> Schema:
    """Return what ``paths`` says of them, without the answers that all endpoints share.

    ``enveloped`` describes an answer whose envelope holds something.
    """

    def described(answer: _Enveloped | _Plain) -> Schema:
        if isinstance(answer, _Enveloped):
            return enveloped(answer.schema)
        if answer.schema is not None:
            return respond(answer.text, answer.schema)
        content: Schema = {"content": {"*/*": {}}} if answer.has_bytes else {}
        return {"description": answer.text, **content}

    return {
        other.path: {
            other.method: {
                **_request(other),
                "responses": {str(k): described(v) for k, v in other.answers.items()},
            }
        }
        for other in _OTHERS
    }


def _request(other: _Other) -> Schema:
    """What is said of an endpoint besides its answers; what there is not is left out."""
    told: Schema = {
        "operationId": other.name,
        "summary": other.summary,
        "tags": [other.tag],
    }
    if other.parameters:
        told["parameters"] = list(other.parameters)
    if other.body is not None:
        content = {kind: {"schema": schema} for kind, schema in other.body.items()}
        told["requestBody"] = {"required": True, "content": content}
    if other.is_open:
        told["security"] = []
    return told
