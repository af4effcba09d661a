"""HTTP functions of the trial."""

from __future__ import annotations

from chalicelib.engine.server import ActionCtx, Http, Request, Response

http = Http()

PNG = b"\x89PNG\r\n\x1a\n\xff"


@http.get("/picture")
def picture(ctx: ActionCtx, request: Request) -> Response:
    """Answer with bytes that are no text."""
    return Response(body=PNG, headers={"content-type": "image/png"})


@http.get("/who")
def who(ctx: ActionCtx, request: Request) -> Response:
    """Answer with the caller's subject."""
    identity = ctx.auth.identity()
    return Response.json(identity.subject if identity is not None else None)


@http.get("/crash")
def crash(ctx: ActionCtx, request: Request) -> Response:
    """Fail as a bug does."""
    raise ZeroDivisionError("password=hunter2")


@http.get("/blank")
def blank(ctx: ActionCtx, request: Request) -> Response:
    """Answer with a picture that has no bytes, and so could be text."""
    return Response(headers={"content-type": "image/png"})
