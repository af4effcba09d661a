"""The descriptions of endpoints that are no functions: see ``http.py`` and ``files_http.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chalicelib.geoflow.limits import MAX_FILE_NAME_CHARS
from chalicelib.geoflow.portable import FORMAT, FORMAT_VERSION

Schema = dict[str, Any]

Respond = Callable[[str, Schema], Schema]
"""Describes an answer, by a text and the schema of its body."""

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


def other_paths(enveloped: Callable[[Schema], Schema], respond: Respond) -> Schema:
    """Return what ``paths`` says of them, without the answers that all endpoints share.

    ``enveloped`` describes an answer whose envelope holds something.
    """
    document = respond("The document, in no envelope.", _DOCUMENT)
    whole = respond("OpenAPI 3.1.", {"type": "object"})
    json_body = "application/json"
    return {
        "/api/workflows/{workflowId}/export": {
            "get": {
                "operationId": "portable_export_workflow",
                "summary": "Return a workflow as a document that import takes, as an attachment.",
                "tags": ["workflows"],
                "parameters": [_in_path("workflowId")],
                "responses": {"200": document},
            }
        },
        "/api/openapi.json": {
            "get": {
                "operationId": "openapi",
                "summary": "Return this description.",
                "tags": ["openapi.json"],
                "security": [],
                "responses": {"200": whole},
            }
        },
        "/api/files/upload": {
            "post": {
                "operationId": "files_http_upload",
                "summary": "Store a file: its bytes as the body, or a form with one file.",
                "tags": ["files"],
                "parameters": [_in_query("name", _NAME), _in_query("workflowId", _ID)],
                "requestBody": _body(
                    {"application/octet-stream": {}, "multipart/form-data": _FORM}
                ),
                "responses": {"201": enveloped(_MADE)},
            }
        },
        "/api/files/presign": {
            "post": {
                "operationId": "files_http_presign",
                "summary": "Return a link to which a large file may be PUT.",
                "tags": ["files"],
                "parameters": [_in_query("workflowId", _ID)],
                "requestBody": _body({json_body: _WANTED}),
                "responses": {"200": enveloped(_LINK)},
            }
        },
        "/api/files/finish": {
            "post": {
                "operationId": "files_http_finish",
                "summary": "Make a file of what was PUT by a link.",
                "tags": ["files"],
                "requestBody": _body({json_body: _FINISHED}),
                "responses": {"201": enveloped(_MADE)},
            }
        },
        "/api/files/{fileId}/content": {
            "get": {
                "operationId": "files_http_content",
                "summary": "Return the bytes of a file, or a range of them.",
                "tags": ["files"],
                "parameters": [_in_path("fileId")],
                "responses": {
                    "200": _bytes("The file."),
                    "206": _bytes("A part of it."),
                    "304": {"description": "It is the one that If-None-Match names."},
                    "307": {"description": "It is at another address, for a while."},
                    "416": {"description": "It has no such range."},
                },
            }
        },
        "/api/files/{fileId}/thumbnail": {
            "get": {
                "operationId": "files_http_thumbnail",
                "summary": "Return the picture of a file.",
                "tags": ["files"],
                "parameters": [_in_path("fileId")],
                "responses": {
                    "200": _bytes("The picture."),
                    "304": {"description": "It is the one that If-None-Match names."},
                    "307": {"description": "It is at another address, for a while."},
                },
            }
        },
    }


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": _ID}


def _in_query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _body(schemas: Schema) -> Schema:
    content = {kind: {"schema": schema} for kind, schema in schemas.items()}
    return {"required": True, "content": content}


def _bytes(text: str) -> Schema:
    return {"description": text, "content": {"*/*": {}}}
