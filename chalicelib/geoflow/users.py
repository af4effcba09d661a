"""Users: made at first sight, when somebody who is signed in changes something.

Queries write nothing, so until then there is no user for them to return.
"""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Id,
    Identity,
    MutationCtx,
    QueryCtx,
    Unset,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_NAME_CHARS, MAX_URL_CHARS
from chalicelib.geoflow.schema import Name, Preferences, Role, Url, User, caller


@query
def me(ctx: QueryCtx) -> User | None:
    """Return the caller's user; null if nobody is signed in or has changed anything yet."""
    return caller(ctx)


@mutation
def ensure(ctx: MutationCtx) -> Id[User]:
    """Return the caller's user id; call it after signing in to have ``users:me`` at once."""
    return current_user(ctx).id


@mutation
def update_profile(
    ctx: MutationCtx,
    name: Name | Unset = UNSET,
    avatar: Url | Unset | None = UNSET,
    preferences: Preferences | Unset = UNSET,
) -> None:
    """Change what is given of the caller's own profile; an avatar of null removes it."""
    with ctx.db.edit(current_user(ctx).id) as user:
        if name is not UNSET:
            user.name = name
        if avatar is not UNSET:
            user.avatar = avatar
        if preferences is not UNSET:
            user.preferences = preferences


@internal_mutation
def grant_role(ctx: MutationCtx, user_id: Id[User], role: Role) -> None:
    """Make somebody an admin, or a member again; only who runs the deployment can call it."""
    ctx.db.patch(user_id, role=role)


def current_user(ctx: MutationCtx) -> User:
    """Return the caller's user, and make it if this is the first we see of the caller.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    identity = ctx.auth.require()
    return caller(ctx) or ctx.db.require(ctx.db.insert(_user_of(identity)))


def _user_of(identity: Identity) -> User:
    claims = identity.attributes
    email = _text(claims.get("email"))
    # OpenID Connect's `picture` is `pictureUrl` in the identity; custom tokens keep the name.
    avatar = _text(claims.get("pictureUrl")) or _text(claims.get("picture"))
    name = _text(claims.get("name")) or email or identity.subject
    return User(
        token_identifier=identity.token_identifier,
        name=name[:MAX_NAME_CHARS],
        email=email,
        avatar=avatar if avatar is not None and len(avatar) <= MAX_URL_CHARS else None,
        preferences=Preferences(),
    )


def _text(claim: Any) -> str | None:
    return claim if isinstance(claim, str) and claim else None
