"""Who holds a run: one worker, by a lease that each of its reports renews."""

from __future__ import annotations

from chalicelib.engine.server import (
    Conflict,
    Forbidden,
    Id,
    Identity,
    MutationCtx,
    QueryCtx,
)
from chalicelib.geoflow.limits import LEASE_MS
from chalicelib.geoflow.model.runs import FINISHED
from chalicelib.geoflow.schema import (
    SCOPES_CLAIM,
    WORKERS_SCOPE,
    Execution,
    Worker,
    is_admin,
)


def require_worker(ctx: QueryCtx) -> Identity:
    """Return the identity of a caller that may process runs.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the caller is no worker.
    """
    identity = ctx.auth.require()
    scopes = identity.attributes.get(SCOPES_CLAIM)
    if scopes is not None:
        if WORKERS_SCOPE not in scopes:
            raise Forbidden(
                f"this API key lacks the scope {WORKERS_SCOPE}", scope=WORKERS_SCOPE
            )
        return identity
    if identity.attributes.get("role") != "worker" and not is_admin(ctx):
        raise Forbidden(
            'only workers may do this: the token needs the claim role: "worker"'
        )
    return identity


def has_run(ctx: QueryCtx, run: Execution, worker_id: str) -> bool:
    """Tell whether a run was handed to this worker last, and to the caller as that."""
    me = _known(ctx)
    return me is not None and (run.worker_id, run.worker) == (worker_id, me.id)


def current_worker(ctx: MutationCtx) -> Id[Worker]:
    """Return by which id runs name the caller, and make it at the first of them."""
    me = _known(ctx)
    if me is not None:
        return me.id
    token_identifier = ctx.auth.require().token_identifier
    return ctx.db.unrestricted.insert(Worker(token_identifier=token_identifier))


def _known(ctx: QueryCtx) -> Worker | None:
    by_token = Worker.by_token.eq(ctx.auth.require().token_identifier)
    return ctx.db.unrestricted.query(by_token).unique()


def require_lease(
    ctx: MutationCtx, execution_id: Id[Execution], worker_id: str
) -> Execution:
    """Return a run that this worker holds.

    Raises:
        Conflict: the run has finished, was cancelled, or the lease has expired.
        Forbidden: another worker holds the run.
        NotFound: there is no such run.
    """
    require_worker(ctx)
    run = ctx.db.unrestricted.require(execution_id)
    if run.status in FINISHED:
        raise Conflict(
            f"the execution is {run.status}: stop working on it", status=run.status
        )
    if not has_run(ctx, run, worker_id):
        raise Forbidden(
            f"worker {worker_id!r} does not hold this execution", heldBy=run.worker_id
        )
    if run.lease_expires is None or run.lease_expires < ctx.now:
        raise Conflict(
            "the lease has expired, so that another worker may have the execution: claim"
            " again",
            leaseExpired=run.lease_expires,
        )
    return run


def renew_when_half_over(ctx: MutationCtx, run: Execution) -> None:
    """Renew the lease of a run if less than half of it is left.

    Reports that change nothing of the run itself do that: those who watch the run are not
    told anew with each of them.
    """
    if (run.lease_expires or 0) - ctx.now < LEASE_MS / 2:
        ctx.db.unrestricted.patch(run.id, lease_expires=ctx.now + LEASE_MS)
