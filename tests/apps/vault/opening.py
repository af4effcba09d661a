"""Actions that use credentials; a real one would send them to a service."""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Id,
    MutationCtx,
    QueryCtx,
    action,
    internal_action,
    mutation,
    query,
)
from chalicelib.geoflow import credentials
from chalicelib.geoflow.schema import Credential, User


@action
def secret(ctx: ActionCtx, credential_id: Id[Credential]) -> str:
    """Return the secret, which nobody should do but a test."""
    return credentials.secret_of(ctx, credential_id)


@internal_action
def secret_for(ctx: ActionCtx, credential_id: Id[Credential], user_id: Id[User]) -> int:
    """Return the length of the secret of somebody."""
    return len(credentials.secret_of(ctx, credential_id, for_user=user_id))


@action
def reserve_only(ctx: ActionCtx, service: str, name: str) -> Id[Credential]:
    """Do what an action has done that dies before it seals."""
    return ctx.run_mutation(credentials.reserve, service, name).credential_id


@action
def is_offered(ctx: ActionCtx) -> bool:
    """Tell whether an action has a box."""
    return hasattr(ctx, "secrets")


@query
def query_is(ctx: QueryCtx) -> bool:
    """Tell whether a query has one."""
    return hasattr(ctx, "secrets") or hasattr(ctx, "outside")


@mutation
def mutation_is(ctx: MutationCtx) -> bool:
    """Tell whether a mutation has one."""
    return hasattr(ctx, "secrets") or hasattr(ctx, "outside")
