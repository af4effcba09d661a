"""Two keys, one of them bad; three requests an hour for who is known, two for who is not."""

from __future__ import annotations

from chalicelib.engine.errors import OptimisticConcurrencyControlFailure
from chalicelib.engine.server import (
    ActionCtx,
    Http,
    Identity,
    Rate,
    RateLimited,
    Rates,
    Request,
    Response,
    Unauthenticated,
)


def told(ctx: ActionCtx, error: Exception, _request_id: str) -> Response | None:
    """Answer errors by their class; leave those to the engine that are nobody's."""
    match error:
        case KeyError():
            return None
        case RateLimited():
            return Response.json(error.data, status=429)
        case _:
            return Response.text(type(error).__name__, status=400)


def by_key(ctx: ActionCtx, request: Request) -> Identity | None:
    """Believe the key ``good``."""
    match request.headers.get("x-key"):
        case None:
            return None
        case "good":
            ctx.log.info("a good key")
            return Identity("keys", "ann", "keys|ann", {"name": "Ann"})
        case _:
            raise Unauthenticated("no such key")


http = Http(on_error=told, authenticate=by_key, rates=Rates(Rate(3), Rate(2)))


@http.get("/who")
def who(ctx: ActionCtx, request: Request) -> Response:
    """Say who calls, and from where."""
    identity = ctx.auth.identity()
    subject = None if identity is None else identity.subject
    return Response.json({"who": subject, "source": request.source})


@http.post("/body")
def body(ctx: ActionCtx, request: Request) -> Response:
    """Take a body."""
    return Response.json(len(request.body))


@http.get("/fails/{how}")
def fails(ctx: ActionCtx, request: Request, how: str) -> Response:
    """Fail."""
    if how == "again":
        raise OptimisticConcurrencyControlFailure("others came first")
    raise KeyError(how)
