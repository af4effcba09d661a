"""Every kind of HTTP function there is."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Http,
    Id,
    Int64,
    Request,
    Response,
)
from tests.apps.pages import notes
from tests.apps.pages.schema import Note

http = Http()


@http.post("/notes")
def add(ctx: ActionCtx, request: Request) -> Response:
    """Keep what the body says."""
    note_id = ctx.run_mutation(notes.add, text=request.json()["text"])
    return Response.json({"id": note_id}, status=201, headers={"Location": f"/n/{note_id}"})


@http.get("/notes/{note_id}")
def show(ctx: ActionCtx, request: Request, note_id: Id[Note]) -> Response:
    """Return a note."""
    return Response.json(ctx.run_query(notes.get, note_id))


@http.delete("/notes/{note_id}")
def remove(ctx: ActionCtx, request: Request, note_id: Id[Note]) -> Response:
    """Remove a note."""
    ctx.run_mutation(notes.remove, note_id)
    return Response(status=204)


@http.get("/notes/latest")
def latest(ctx: ActionCtx, request: Request) -> Response:
    """Be more special than ``/notes/{note_id}``."""
    return Response.text("latest")


@http.get("/typed/{number}/{share}/{flag}/{choice}/{text}")
def typed(
    ctx: ActionCtx,
    request: Request,
    number: int,
    share: float,
    flag: bool,
    choice: Literal["a", "b", 3],
    text: str,
) -> Response:
    """Tell what became of the path."""
    return Response.json([number, share, flag, choice, text])


@http.get("/files/{rest:path}")
def files(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Take all that follows."""
    return Response.text(f"files:{rest}")


@http.get("/files/images/{rest:path}")
def images(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Take all that follows a longer prefix."""
    return Response.text(f"images:{rest}")


@http.route("OPTIONS", "/notes")
def preflight(ctx: ActionCtx, request: Request) -> Response:
    """Answer a browser's question."""
    return Response(status=204, headers={"Access-Control-Allow-Origin": "*"})


@http.put("/echo")
def echo(ctx: ActionCtx, request: Request) -> Response:
    """Tell what arrived."""
    identity = ctx.auth.identity()
    subject = identity.subject if identity is not None else None
    return Response.json(
        {
            "query": dict(request.query),
            "mark": request.headers.get("x-mark"),
            "text": request.text(),
            "caller": subject,
        }
    )


@http.patch("/values")
def values(ctx: ActionCtx, request: Request) -> Response:
    """Return values that JSON has no words for."""
    return Response.json({"big": Int64(5), "bytes": b"hi"})


@http.get("/refuse")
def refuse(ctx: ActionCtx, request: Request) -> Response:
    """Raise an application's error."""
    raise Conflict("not today", stands=3)


@http.get("/break")
def break_(ctx: ActionCtx, request: Request) -> Response:
    """Have a bug."""
    raise KeyError("secret")


@http.get("/nothing")
def nothing(ctx: ActionCtx, request: Request) -> Any:
    """Forget to answer."""
    return None
