"""Every row of the protocol's table of HTTP functions."""

from __future__ import annotations

from chalicelib.engine.server import ActionCtx, Conflict, Http, Request, Response
from tests.apps.site import people

http = Http()


def told(request: Request, by: str) -> Response:
    """Answer with what arrived."""
    return Response.json(
        {
            "by": by,
            "method": request.method,
            "path": request.path,
            "url": request.url,
            "query": dict(request.query),
            "mark": request.headers.get("x-mark"),
            "accept": request.headers.get("accept"),
        }
    )


@http.get("/exact")
@http.post("/exact")
@http.put("/exact")
@http.patch("/exact")
@http.delete("/exact")
@http.options("/exact")
def exact(ctx: ActionCtx, request: Request) -> Response:
    """Answer one path, by any method."""
    return told(request, "exact")


@http.get("/exact/{rest:path}")
def below(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Answer all paths with a prefix."""
    return told(request, "prefix")


@http.get("/exact/longer/{rest:path}")
def further_below(ctx: ActionCtx, request: Request, rest: str) -> Response:
    """Answer all paths with a longer prefix."""
    return told(request, "longer prefix")


@http.get("/")
def root(ctx: ActionCtx, request: Request) -> Response:
    """Answer the root of the site."""
    return told(request, "root")


@http.post("/stream", streamed=True)
def stream(ctx: ActionCtx, request: Request) -> Response:
    """Answer with the body that came, a piece at a time, and with how it came."""
    headers = {"X-Streamed": str(request.stream is not None)}
    return Response(headers=headers, stream=list(request.chunks))


@http.get("/stream", streamed=True)
def stream_out(ctx: ActionCtx, request: Request) -> Response:
    """Answer with pieces whose length is known."""
    return Response(headers={"Content-Length": "4"}, stream=[b"ab", b"cd"])


@http.post("/mirror")
def mirror(ctx: ActionCtx, request: Request) -> Response:
    """Answer with the body that came, under the type that it came with."""
    kind = request.headers.get("content-type")
    return Response(body=request.body, headers={"Content-Type": kind} if kind else {})


@http.post("/measure")
def measure(ctx: ActionCtx, request: Request) -> Response:
    """Answer with the length of the body."""
    return Response.json(len(request.body))


@http.get("/long/{kind}/{size}")
def long(ctx: ActionCtx, request: Request, kind: str, size: int) -> Response:
    """Answer with a long text, or with as many bytes of another type."""
    if kind == "text":
        return Response.text("x" * size)
    return Response(body=bytes(size), headers={"Content-Type": "image/tiff"})


@http.get("/who")
def who(ctx: ActionCtx, request: Request) -> Response:
    """Ask who calls."""
    identity = ctx.auth.identity()
    return Response.json(identity.subject if identity is not None else None)


@http.get("/who/by-query")
def who_by_query(ctx: ActionCtx, request: Request) -> Response:
    """Have a query ask who calls."""
    return Response.json(ctx.run_query(people.name))


@http.get("/addresses")
def addresses(ctx: ActionCtx, request: Request) -> Response:
    """Tell where the deployment is, as an action, a query and a mutation see it."""
    own = [ctx.addresses.cloud, ctx.addresses.site]
    asked = ctx.run_query(people.addresses), ctx.run_mutation(people.addresses_written)
    return Response.json([own, *asked])


@http.get("/refuse")
def refuse(ctx: ActionCtx, request: Request) -> Response:
    """Raise an application's error."""
    raise Conflict("not today", stands=3)


@http.get("/crash")
def crash(ctx: ActionCtx, request: Request) -> Response:
    """Fail as a bug does."""
    raise ZeroDivisionError("password=hunter2")


@http.get("/say")
def say(ctx: ActionCtx, request: Request) -> Response:
    """Log on two levels."""
    lines = ctx.log
    lines.info("hello", 1)
    lines.warn("careful")
    return Response(status=204)


@http.get("/split")
def split(ctx: ActionCtx, request: Request) -> Response:
    """Answer with a header that would end the headers."""
    return Response(headers={"X-Mark": "a\r\n\r\nb"})


@http.get("/cookies")
def cookies(ctx: ActionCtx, request: Request) -> Response:
    """Set two cookies."""
    return Response.text(
        "set", repeated=[("Set-Cookie", "a=1"), ("set-cookie", "b=2; Path=/")]
    )


@http.get("/cookies/twice")
def cookies_twice(ctx: ActionCtx, request: Request) -> Response:
    """Name a header in both places."""
    return Response(headers={"X-Mark": "a"}, repeated=[("x-mark", "b")])


@http.get("/cookies/split")
def cookies_split(ctx: ActionCtx, request: Request) -> Response:
    """Answer with a repeated header that would end the headers."""
    return Response(repeated=[("Set-Cookie", "a=1\r\n\r\nb")])


@http.get("/odd")
def odd(ctx: ActionCtx, request: Request) -> Response:
    """Answer with a status that there is none of."""
    return Response(status=42)
