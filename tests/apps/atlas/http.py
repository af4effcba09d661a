"""HTTP functions: they are in the function spec, and no TypeScript reaches them."""

from __future__ import annotations

from chalicelib.engine.server import ActionCtx, Http, Id, Request, Response
from tests.apps.atlas.schema import Place

http = Http()


@http.get("/map")
def whole(ctx: ActionCtx, request: Request) -> Response:
    """Answer with the map."""
    return Response.json(None)


@http.post("/places/{place_id}/redraw")
def redraw(ctx: ActionCtx, request: Request, place_id: Id[Place]) -> Response:
    """Draw one place anew."""
    return Response.json(place_id)


@http.get("/tiles/{rest:path}")
def tile(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Answer with a part of the map."""
    return Response.json(rest)
