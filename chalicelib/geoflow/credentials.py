"""Credentials: secrets of other services, kept for actions, and shown to nobody again.

What takes a secret is an action: the arguments of mutations are kept while they wait in line,
and those of jobs are documents. A secret is sealed before anything is committed.
"""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Secret,
    Struct,
    ValidationFailed,
    action,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.limits import (
    MAX_CREDENTIALS_PER_USER,
    MAX_SECRET_CHARS,
    SEALING_MS,
)
from chalicelib.geoflow.owned import (
    checked,
    drop_unsealed,
    is_sealed,
    keep_secret,
    listed,
    own,
    paged,
    refuse_more,
)
from chalicelib.geoflow.schema import (
    Credential,
    Name,
    Permission,
    Service,
    User,
    require_permission,
)
from chalicelib.geoflow.secrets import SealedSecret, seal, secret_of
from chalicelib.geoflow.users import current_user

__all__ = ["secret_of"]


class CredentialInfo(Struct):
    """What may be known of a credential: all but its secret. Times are in ms."""

    credential_id: Id[Credential]
    owner: Id[User]
    service: str
    name: str
    created: float
    last_used: float | None
    rotated: float | None


class Reserved(Struct):
    """A credential that waits for its secret."""

    credential_id: Id[Credential]
    owner: Id[User]


@query
def list_(ctx: QueryCtx) -> list[CredentialInfo]:
    """Return the caller's credentials, newest first, at most 100."""
    mine = own(ctx, "credentials.read", Credential.by_owner, is_sealed)
    return listed(mine, _info)


@query
def list_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[CredentialInfo]:
    """Return the caller's credentials, newest first, a page at a time."""
    mine = own(ctx, "credentials.read", Credential.by_owner, is_sealed)
    return paged(mine, pagination_opts, _info)


@query
def get(ctx: QueryCtx, credential_id: Id[Credential]) -> CredentialInfo | None:
    """Return what is known of a credential; null if there is none that the caller may see."""
    found = ctx.db.get(credential_id)
    return None if found is None or not is_sealed(found) else _info(found)


@action
def create(ctx: ActionCtx, service: Service, name: Name, secret: Secret) -> Id[Credential]:
    """Keep a secret of another service under a name of the caller's.

    Raises:
        Conflict: the caller has a credential of this name for this service.
        RateLimited: the caller has 200 credentials.
        ValidationFailed: the secret is empty, or longer than 16,384 characters.
    """
    _check(secret)
    reserved = ctx.run_mutation(reserve, service, name)
    document = reserved.credential_id
    sealed = seal(ctx, "credential", reserved.owner, document, secret)
    ctx.run_mutation(keep, document, sealed)
    return document


@action
def rotate(ctx: ActionCtx, credential_id: Id[Credential], secret: Secret) -> None:
    """Put another secret in the place of a credential's.

    Raises:
        Forbidden: it is not the caller's.
        NotFound: there is none that the caller may see.
        ValidationFailed: the secret is empty, or longer than 16,384 characters.
    """
    _check(secret)
    owner = ctx.run_mutation(check_change, credential_id)
    sealed = seal(ctx, "credential", owner, credential_id, secret)
    ctx.run_mutation(keep, credential_id, sealed)


@mutation
def rename(ctx: MutationCtx, credential_id: Id[Credential], name: Name) -> None:
    """Give a credential another name.

    Raises:
        Conflict: the caller has one of this name for this service.
    """
    found = _checked(ctx, "credentials.change", credential_id)
    if name != found.name:
        _refuse_twice(ctx, found.owner, found.service, name)
        ctx.db.patch(credential_id, name=name)


@mutation
def remove(ctx: MutationCtx, credential_id: Id[Credential]) -> None:
    """Remove a credential for good; whatever used it fails from now on."""
    _checked(ctx, "credentials.remove", credential_id)
    ctx.db.delete(credential_id)


@internal_mutation
def reserve(ctx: MutationCtx, service: Service, name: Name) -> Reserved:
    """Make a credential that has no secret yet: the secret is bound to its id."""
    me = current_user(ctx)
    require_permission(ctx, "credentials.create", "none")
    _refuse_twice(ctx, me.id, service, name)
    refuse_more(ctx, Credential.by_owner, me.id, MAX_CREDENTIALS_PER_USER, "credentials")
    made = ctx.db.insert(Credential(owner=me.id, service=service, name=name))
    ctx.scheduler.run_after(SEALING_MS, drop, made)
    return Reserved(credential_id=made, owner=me.id)


@internal_mutation
def drop(ctx: MutationCtx, credential_id: Id[Credential]) -> None:
    """Remove a credential whose secret never came: its action has died."""
    drop_unsealed(ctx, credential_id)


@internal_mutation
def check_change(ctx: MutationCtx, credential_id: Id[Credential]) -> Id[User]:
    """Return the owner of a credential that the caller may change."""
    return _checked(ctx, "credentials.change", credential_id).owner


@internal_mutation
def keep(ctx: MutationCtx, credential_id: Id[Credential], secret: SealedSecret) -> None:
    """Keep a sealed secret."""
    keep_secret(ctx, _checked(ctx, "credentials.change", credential_id), secret)


def _checked(
    ctx: MutationCtx, permission: Permission, credential_id: Id[Credential]
) -> Credential:
    found: Credential = checked(ctx, permission, credential_id, "credential")
    return found


def _refuse_twice(ctx: MutationCtx, owner: Id[User], service: str, name: str) -> None:
    named = Credential.by_owner_name.eq(owner).eq(service).eq(name)
    if ctx.db.unrestricted.query(named).first() is not None:
        raise Conflict(
            f"there is a credential {name!r} for {service!r}: rotate it, or take another name"
        )


def _check(secret: str) -> None:
    if not 0 < len(secret) <= MAX_SECRET_CHARS:
        raise ValidationFailed(
            f"a secret has 1 to {MAX_SECRET_CHARS} characters, this one has {len(secret)}"
        )


def _info(credential: Credential) -> CredentialInfo:
    return CredentialInfo(
        credential_id=credential.id,
        owner=credential.owner,
        service=credential.service,
        name=credential.name,
        created=credential.creation_time,
        last_used=credential.last_used,
        rotated=credential.rotated,
    )
