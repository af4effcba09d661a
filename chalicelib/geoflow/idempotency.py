"""``Idempotency-Key``: a request that is repeated has its effect once, and one answer.

A mutation commits its effect and its answer together, in one transaction: whoever repeats the
request finds both or neither, whatever became of the invocation that ran it, and of two that
come at once the second finds what the first has committed. An action cannot be taken back, so
that it is announced before it runs: one that has died is never run again.

Only what went well is kept. What was refused had no effect, and may be sent again.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from chalicelib.engine.server import (
    ActionCtx,
    AppError,
    ArgumentValidationError,
    Conflict,
    MutationCtx,
    Request,
    Response,
    Struct,
    ValidationFailed,
    internal_mutation,
)
from chalicelib.geoflow.limits import (
    MAX_IDEMPOTENCY_KEY_CHARS,
    MAX_KEPT_ANSWER_CHARS,
    REMOVED_AT_ONCE,
    REPEATABLE_MS,
)
from chalicelib.geoflow.rest import BY_NAME, Operation
from chalicelib.geoflow.schema import KeptRequest

HEADER: Final = "idempotency-key"

_KEY: Final = re.compile(f"[!-~]{{1,{MAX_IDEMPOTENCY_KEY_CHARS}}}")


class Named(Struct):
    """A request that may be repeated: see :class:`KeptRequest`."""

    digest: str
    fingerprint: str


class Answer(Struct):
    """What was answered: JSON; None if nothing may keep it."""

    data: str | None


def named(
    ctx: ActionCtx, request: Request, *, content: bytes | None = None
) -> Named | None:
    """Return the name that a client has given its request; None if it has given none.

    ``content`` stands for a body that is not looked into. The digests are of the key, too: who
    reads them and guesses a body learns nothing.

    Raises:
        ValidationFailed: the key is empty, too long, or no printable ASCII.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method not in {"POST", "PUT", "PATCH", "DELETE"}:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed(
            f"an Idempotency-Key is 1 to {MAX_IDEMPOTENCY_KEY_CHARS} characters of printable"
            " ASCII, without spaces"
        )
    caller = ctx.auth.require().token_identifier
    said = [request.method, request.path, sorted(request.query.items())]
    body = request.body if content is None else content
    message = json.dumps(said).encode() + b"\n" + body
    return Named(
        digest=sha256(f"{caller}\n{key}".encode()).hexdigest(),
        fingerprint=hmac.digest(key.encode(), message, "sha256").hex(),
    )


def perform(
    ctx: ActionCtx, request: Request, operation: Operation, arguments: dict[str, Any]
) -> Any:
    """Run an operation, or return what it answered before."""
    name = named(ctx, request)
    if name is None:
        return operation.endpoint.run(ctx, arguments)
    if operation.endpoint.function.kind == "mutation":
        kept = ctx.run_mutation(run_once, name, operation.name, arguments)
        return _data(kept)
    return once(
        ctx,
        name,
        lambda: operation.endpoint.run(ctx, arguments),
        is_secret=operation.is_secret,
    )


def once(
    ctx: ActionCtx, name: Named, run: Callable[[], Any], *, is_secret: bool = False
) -> Any:
    """Run something that is no mutation, or return what it answered before.

    Raises:
        AppError: it was refused; the request may be sent again.
        Conflict: it runs now, has died while it ran, or its answer was kept nowhere.
    """
    kept = ctx.run_mutation(claim, name)
    if kept is not None:
        return _data(kept)
    try:
        result = run()
    except (AppError, ArgumentValidationError):
        ctx.run_mutation(release, name)
        raise
    ctx.run_mutation(finish, name, None if is_secret else _written(result))
    return result


@internal_mutation
def run_once(
    ctx: MutationCtx, name: Named, operation: str, arguments: dict[str, Any]
) -> Answer:
    """Run a mutation and keep its answer, in one transaction; or return what was kept."""
    kept = _kept(ctx, name)
    if kept is not None:
        return kept
    result = BY_NAME[operation].endpoint.run(ctx, arguments)
    data = _written(result)
    _keep(ctx, name, "done", data)
    return Answer(data=data)


@internal_mutation
def claim(ctx: MutationCtx, name: Named) -> Answer | None:
    """Announce that a request runs; or return what was answered to it."""
    kept = _kept(ctx, name)
    if kept is None:
        _keep(ctx, name, "running", None)
    return kept


@internal_mutation
def finish(ctx: MutationCtx, name: Named, data: str | None) -> None:
    """Keep the answer of a request that was announced."""
    found = _found(ctx, name)
    if found is not None:
        ctx.db.unrestricted.patch(found.id, state="done", data=data)


@internal_mutation
def release(ctx: MutationCtx, name: Named) -> None:
    """Forget a request that was refused."""
    found = _found(ctx, name)
    if found is not None:
        ctx.db.unrestricted.delete(found.id)


@internal_mutation
def sweep(ctx: MutationCtx) -> int:
    """Remove some of the requests that are older than a day; return how many."""
    old = ctx.db.unrestricted.query(KeptRequest.by_expires.lt(ctx.now))
    expired = old.take(REMOVED_AT_ONCE)
    for request in expired:
        ctx.db.unrestricted.delete(request.id)
    if len(expired) == REMOVED_AT_ONCE:
        ctx.scheduler.run_after(0, sweep)
    return len(expired)


def _kept(ctx: MutationCtx, name: Named) -> Answer | None:
    """Return what was answered to a request, or None if it is new.

    Raises:
        Conflict: it runs now, or nobody knows how it ended.
        AppError: the key belongs to another request.
    """
    found = _found(ctx, name)
    if found is None:
        return None
    if not hmac.compare_digest(found.fingerprint, name.fingerprint):
        raise AppError(
            "this Idempotency-Key was used for another request: take a new one for each"
        )
    if found.state == "running":
        raise Conflict(
            "this request runs already, or has broken off: look before you send it again"
            " with a new Idempotency-Key",
            state="running",
        )
    return Answer(data=found.data)


def _found(ctx: MutationCtx, name: Named) -> KeptRequest | None:
    found = ctx.db.unrestricted.query(KeptRequest.by_digest.eq(name.digest)).unique()
    if found is not None and found.expires <= ctx.now:
        ctx.db.unrestricted.delete(found.id)
        return None
    return found


def _keep(ctx: MutationCtx, name: Named, state: Any, data: str | None) -> None:
    ctx.db.unrestricted.insert(
        KeptRequest(
            digest=name.digest,
            fingerprint=name.fingerprint,
            state=state,
            data=data,
            expires=ctx.now + REPEATABLE_MS,
        )
    )


def _written(result: Any) -> str | None:
    """Write a result as clients get it, if it is not too long to be kept."""
    text = Response.json(result).body.decode()
    return text if len(text) <= MAX_KEPT_ANSWER_CHARS else None


def _data(kept: Answer) -> Any:
    if kept.data is None:
        raise Conflict(
            "this was done before, and its answer is kept nowhere, since it held a secret or"
            " was long",
            state="done",
        )
    return json.loads(kept.data)
