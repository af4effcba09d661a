"""GeoFlow's HTTP endpoints: the table of ``rest.py``, and what is no function.

Answers and errors are those of ``answers.py``; all that is below ``/api/`` and not found, or not
by this method, is answered so, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from chalicelib.engine.server import (
    ActionCtx,
    Forbidden,
    Http,
    Id,
    Page,
    Rate,
    Rates,
    Request,
    Response,
)
from chalicelib.geoflow import files_http, portable
from chalicelib.geoflow.answers import READABLE, failure, refused, success
from chalicelib.geoflow.idempotency import perform
from chalicelib.geoflow.key_holders import by_key
from chalicelib.geoflow.limits import (
    KNOWN_REQUESTS_PER_HOUR,
    MAX_ANSWER_BYTES,
    UNKNOWN_REQUESTS_PER_HOUR,
)
from chalicelib.geoflow.model.permissions import has_scope
from chalicelib.geoflow.openapi import description_json
from chalicelib.geoflow.rest import OPERATIONS, Operation
from chalicelib.geoflow.schema import SCOPES_CLAIM, Workflow

PREFLIGHT_S: Final = 86_400
"""How long browsers may remember that they may ask, in seconds."""

http = Http(
    on_error=failure,
    authenticate=by_key,
    rates=Rates(
        known=Rate(KNOWN_REQUESTS_PER_HOUR), unknown=Rate(UNKNOWN_REQUESTS_PER_HOUR)
    ),
)


def require_scope(ctx: ActionCtx, scope: str) -> None:
    """Refuse who is not signed in, and API keys that lack a scope.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the key lacks the scope.
    """
    scopes = ctx.auth.require().attributes.get(SCOPES_CLAIM)
    if scopes is not None and not has_scope(scopes, scope):
        raise Forbidden(f"this API key lacks the scope {scope}", scope=scope)


def _answering(
    operation: Operation,
) -> Callable[[ActionCtx, Request, Mapping[str, str]], Response]:
    def answer(ctx: ActionCtx, request: Request, path: Mapping[str, str]) -> Response:
        if operation.endpoint.method not in http.methods_at(request.path):
            return _elsewhere(ctx, request)
        require_scope(ctx, operation.scope)
        arguments = operation.endpoint.arguments(request, path)
        result = operation.checked(perform(ctx, request, operation, arguments))
        response = success(ctx, result, status=operation.status)
        if isinstance(result, Page) and len(response.body) > MAX_ANSWER_BYTES:
            return _shorter(ctx, operation, arguments, result, response)
        return response

    return answer


def _shorter(
    ctx: ActionCtx,
    operation: Operation,
    arguments: dict[str, Any],
    page: Page[Any],
    response: Response,
) -> Response:
    """Ask for fewer documents, until what they are in JSON can be sent; one can always be."""
    while len(page.page) > 1 and len(response.body) > MAX_ANSWER_BYTES:
        items = len(page.page) * MAX_ANSWER_BYTES // len(response.body)
        fewer = operation.endpoint.with_page_items(arguments, max(1, items))
        page = operation.endpoint.run(ctx, fewer)
        response = success(ctx, page, status=operation.status)
    return response


for _operation in OPERATIONS:
    _endpoint = _operation.endpoint
    http.mount(_endpoint.method, _endpoint.template.text, _answering(_operation))


files_http.mount(http)


@http.get("/api/workflows/{workflow_id}/export")
def export(ctx: ActionCtx, _request: Request, workflow_id: Id[Workflow]) -> Response:
    """Give a workflow as a file: the document itself, in no envelope."""
    require_scope(ctx, "workflows:read")
    document = ctx.run_mutation(portable.export_workflow, workflow_id)
    name = quote(f"{document.workflow.name}.geoflow.json", safe="")
    headers = {
        **READABLE,
        # RFC 6266: a name for those who read ASCII alone, and the whole one.
        "Content-Disposition": (
            f"attachment; filename=\"workflow.geoflow.json\"; filename*=UTF-8''{name}"
        ),
    }
    return Response.json(document, headers=headers)


@http.get("/api/openapi.json")
def openapi(_ctx: ActionCtx, _request: Request) -> Response:
    """Describe all of this; whoever asks may know it."""
    headers = {**READABLE, "Content-Type": "application/json"}
    return Response(body=description_json(), headers=headers)


@http.get("/api/{rest:path}")
@http.post("/api/{rest:path}")
@http.put("/api/{rest:path}")
@http.patch("/api/{rest:path}")
@http.delete("/api/{rest:path}")
def elsewhere(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Say that there is nothing, or that it answers by other methods."""
    del rest
    return _elsewhere(ctx, request)


def _elsewhere(ctx: ActionCtx, request: Request) -> Response:
    allowed = _allowed(request.path)
    if not allowed:
        return refused(ctx, 404, "NOT_FOUND", f"there is nothing at {request.path}")
    return refused(
        ctx,
        405,
        "VALIDATION_ERROR",
        f"{request.method} is not for this path",
        {"allowed": allowed},
        {"Allow": ", ".join(allowed)},
    )


@http.options("/api/{rest:path}")
def preflight(_ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Tell a browser what its page may ask for."""
    del rest
    allowed = ", ".join(_allowed(request.path))
    wanted = request.headers.get("access-control-request-headers", "")
    headers = {
        **READABLE,
        "Allow": allowed,
        "Access-Control-Allow-Methods": allowed,
        "Access-Control-Allow-Headers": wanted or "Authorization, Content-Type, X-API-Key",
        "Access-Control-Max-Age": str(PREFLIGHT_S),
    }
    return Response(status=204, headers=headers)


def _allowed(path: str) -> list[str]:
    methods = {str(method) for method in http.methods_at(path)}
    if "GET" in methods:
        methods.add("HEAD")
    return sorted({*methods, "OPTIONS"}) if methods else []
