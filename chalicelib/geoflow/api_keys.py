"""API keys: made, listed, revoked; and who calls with one.

A key is made by an action, shown by its answer, and kept nowhere: the log and every result
have its SHA-256 alone. One round of that is enough. A key is 256 bits of chance, so that no
list of likely keys could be tried against a stolen digest, which is what slow digests of
passwords are for. A key is found by its digest in an index; how long that takes tells nothing
of the key, since nobody can choose keys by what their digest begins with.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Forbidden,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    Unauthenticated,
    ValidationFailed,
    action,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.key_holders import digest_of
from chalicelib.geoflow.limits import (
    DAY_MS,
    MAX_KEYS_PER_USER,
)
from chalicelib.geoflow.model.permissions import has_scope
from chalicelib.geoflow.owned import checked, listed, own, paged, refuse_more
from chalicelib.geoflow.schema import (
    ALL_SCOPES,
    KEY_CLAIM,
    SCOPES_CLAIM,
    WORKERS_SCOPE,
    ApiKey,
    LifetimeDays,
    Name,
    Scopes,
    User,
    require_permission,
    role_of,
)
from chalicelib.geoflow.users import current_user

KEY_PREFIX: Final = "gf_"
"""What every key begins with, so that people and scanners of repositories know one."""

PREFIX_CHARS: Final = len(KEY_PREFIX) + 8
"""How much of a key may be shown: of its 43 characters of chance, 8 are 48 of 256 bits."""

KEY_BYTES: Final = 32

_MS: Final = 1000


class NewApiKey(Struct):
    """A key that was just made. ``key`` is shown now, and never again."""

    api_key_id: Id[ApiKey]
    key: str
    prefix: str
    scopes: list[str]
    expires: float | None


class ApiKeyInfo(Struct):
    """What may be known of a key: neither the key nor its digest. Times are in ms."""

    api_key_id: Id[ApiKey]
    owner: Id[User]
    name: str
    prefix: str
    scopes: list[str]
    created: float
    expires: float | None
    last_used: float | None
    revoked: float | None
    made_by: Id[ApiKey] | None


@action
def create(
    ctx: ActionCtx,
    name: Name,
    scopes: Scopes,
    lifetime_days: LifetimeDays | None = None,
) -> NewApiKey:
    """Make a key that may do what its scopes say, in the caller's name; it is shown once.

    Without a lifetime it holds until it is revoked. One that a key makes ends with that key.

    Raises:
        Forbidden: it could do more, or hold longer, than the key that makes it, or is one of
            workers and the caller no admin.
        RateLimited: the caller has 100 keys.
        ValidationFailed: a scope is none.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    prefix = key[:PREFIX_CHARS]
    expires = None if lifetime_days is None else ctx.now + lifetime_days * DAY_MS
    kept = sorted(set(scopes))
    made = ctx.run_mutation(add, name, prefix, digest_of(key), kept, expires)
    return NewApiKey(api_key_id=made, key=key, prefix=prefix, scopes=kept, expires=expires)


@query
def list_(ctx: QueryCtx) -> list[ApiKeyInfo]:
    """Return the caller's keys, newest first, at most 100."""
    return listed(own(ctx, "apiKeys.read", ApiKey.by_owner), _info)


@query
def list_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[ApiKeyInfo]:
    """Return the caller's keys, newest first, a page at a time."""
    return paged(own(ctx, "apiKeys.read", ApiKey.by_owner), pagination_opts, _info)


@query
def get(ctx: QueryCtx, api_key_id: Id[ApiKey]) -> ApiKeyInfo | None:
    """Return what is known of a key; null if there is none that the caller may see."""
    found = ctx.db.get(api_key_id)
    return None if found is None else _info(found)


@mutation
def revoke(ctx: MutationCtx, api_key_id: Id[ApiKey]) -> None:
    """End a key, at once and for good, and those that were made by it; they stay in the list.

    Raises:
        Conflict: it was revoked before.
    """
    found = _checked(ctx, api_key_id)
    if found.revoked is not None:
        raise Conflict("this key has been revoked already", revoked=found.revoked)
    ctx.db.patch(api_key_id, revoked=ctx.now)
    _end_made_by(ctx, api_key_id)


@mutation
def remove(ctx: MutationCtx, api_key_id: Id[ApiKey]) -> None:
    """End a key, and forget it; those that were made by it are revoked."""
    _checked(ctx, api_key_id)
    _end_made_by(ctx, api_key_id)
    ctx.db.delete(api_key_id)


@internal_mutation
def add(
    ctx: MutationCtx,
    name: Name,
    prefix: str,
    digest: str,
    scopes: Scopes,
    expires: float | None,
) -> Id[ApiKey]:
    """Keep the digest of a key that was made."""
    me = current_user(ctx)
    require_permission(ctx, "apiKeys.create", "owner")
    _check_scopes(ctx, scopes)
    _check_end(ctx, expires)
    maker = _maker(ctx, me)
    refuse_more(ctx, ApiKey.by_owner, me.id, MAX_KEYS_PER_USER, "API keys")
    return ctx.db.insert(
        ApiKey(
            owner=me.id,
            name=name,
            prefix=prefix,
            digest=digest,
            scopes=scopes,
            expires=expires,
            made_by=maker,
        )
    )


def _check_scopes(ctx: MutationCtx, scopes: Sequence[str]) -> None:
    """Refuse scopes that there are not, and those that the caller could not use."""
    unknown = sorted(set(scopes) - set(ALL_SCOPES))
    if unknown:
        raise ValidationFailed(
            f"there is no scope {unknown[0]!r}", unknown=unknown, scopes=list(ALL_SCOPES)
        )
    own = ctx.auth.require().attributes.get(SCOPES_CLAIM)
    missing = [scope for scope in scopes if own is not None and not has_scope(own, scope)]
    if missing:
        raise Forbidden(
            "an API key makes no keys that may do more than it", missing=missing
        )
    if WORKERS_SCOPE in scopes and role_of(ctx) != "admin":
        raise Forbidden("only admins make keys for workers", scope=WORKERS_SCOPE)


def _check_end(ctx: MutationCtx, expires: float | None) -> None:
    """Refuse a key that a key makes to outlive it: whoever found it would have it for good."""
    maker = ctx.auth.require()
    if SCOPES_CLAIM not in maker.attributes or maker.expires_at is None:
        return
    if expires is None or expires / _MS > maker.expires_at:
        raise Forbidden(
            "an API key makes no keys that hold longer than it",
            expires=maker.expires_at * _MS,
        )


def _maker(ctx: MutationCtx, me: User) -> Id[ApiKey] | None:
    """The key that calls, if it is one.

    Read in this transaction: a key that is revoked meanwhile makes no more.

    Raises:
        Unauthenticated: it was.
    """
    named = ctx.auth.require().attributes.get(KEY_CLAIM)
    if not isinstance(named, str):
        return None
    maker = ctx.db.normalize_id(ApiKey, named)
    found = None if maker is None else ctx.db.unrestricted.get(maker)
    if found is None or found.owner != me.id or found.revoked is not None:
        raise Unauthenticated("this API key was revoked")
    return found.id


def _end_made_by(ctx: MutationCtx, maker: Id[ApiKey]) -> None:
    """Revoke what a key has made, and what that has made: all are of one user, at most 100."""
    for key in ctx.db.unrestricted.query(ApiKey.by_maker.eq(maker)).take(MAX_KEYS_PER_USER):
        if key.revoked is None:
            ctx.db.unrestricted.patch(key.id, revoked=ctx.now)
        _end_made_by(ctx, key.id)


def _checked(ctx: MutationCtx, api_key_id: Id[ApiKey]) -> ApiKey:
    """Return a key that the caller may end.

    Raises:
        Unauthenticated, NotFound, Forbidden: as :func:`checked`.
    """
    found: ApiKey = checked(ctx, "apiKeys.remove", api_key_id, "API key")
    return found


def _info(key: ApiKey) -> ApiKeyInfo:
    return ApiKeyInfo(
        api_key_id=key.id,
        owner=key.owner,
        name=key.name,
        prefix=key.prefix,
        scopes=key.scopes,
        created=key.creation_time,
        expires=key.expires,
        last_used=key.last_used,
        revoked=key.revoked,
        made_by=key.made_by,
    )
