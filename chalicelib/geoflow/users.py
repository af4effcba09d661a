"""Users: made at first sight, when somebody who is signed in changes something.

Queries write nothing, so until then there is no user for them to return.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    Identity,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Unset,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.geoflow.events import emit_user
from chalicelib.geoflow.limits import MAX_NAME_CHARS, MAX_URL_CHARS
from chalicelib.geoflow.model.names import has_text
from chalicelib.geoflow.schema import (
    SCOPES_CLAIM,
    Name,
    Preferences,
    Role,
    Url,
    User,
    caller,
    require_permission,
)


@query
def me(ctx: QueryCtx) -> User | None:
    """Return the caller's user; null if nobody is signed in or has changed anything yet."""
    return caller(ctx)


@mutation
def ensure(ctx: MutationCtx) -> Id[User]:
    """Return the caller's user id; call it after signing in to have ``users:me`` at once.

    What the token says of the caller's email is kept up to date by it.
    """
    me, identity = current_user(ctx), ctx.auth.require()
    if SCOPES_CLAIM in identity.attributes:
        return me.id  # an API key says nothing of an email
    seen = _user_of(identity)
    ctx.db.unrestricted.patch(me.id, email=seen.email, verified_email=seen.verified_email)
    return me.id


@mutation
def update_profile(
    ctx: MutationCtx,
    name: Name | Unset = UNSET,
    avatar: Url | Unset | None = UNSET,
    preferences: Preferences | Unset = UNSET,
) -> None:
    """Change what is given of the caller's own profile; an avatar of null removes it."""
    me = current_user(ctx)
    require_permission(ctx, "users.change", "owner")
    with ctx.db.edit(me.id) as user:
        if name is not UNSET:
            user.name = name
        if avatar is not UNSET:
            user.avatar = avatar
        if preferences is not UNSET:
            user.preferences = preferences


@internal_mutation
def grant_role(ctx: MutationCtx, user_id: Id[User], role: Role) -> None:
    """Give a role; only who runs the deployment can call it. So the first admin is made."""
    ctx.db.patch(user_id, role=role)


@mutation
def set_role(ctx: MutationCtx, user_id: Id[User], role: Role) -> None:
    """Give somebody a role, as an admin.

    Raises:
        Conflict: it would take the role from the last admin.
        Forbidden: the caller is no admin.
    """
    require_permission(ctx, "users.grant", "none")
    with ctx.db.edit(user_id) as user:
        if user.role == "admin" and role != "admin" and not _has_other_admin(ctx, user_id):
            raise Conflict("this is the last admin: give somebody else that role first")
        user.role = role


@query
def get(ctx: QueryCtx, user_id: Id[User]) -> User | None:
    """Return a user; null if there is none that the caller may see."""
    return ctx.db.get(user_id)


@query
def search(ctx: QueryCtx, text: str, pagination_opts: PaginationOptions) -> Page[User]:
    """Return users whose name or email has ``text`` in it, newest first, as an admin.

    A page may be short, or empty, and yet not be the last.
    """
    require_permission(ctx, "users.read", "none")
    every = ctx.db.unrestricted.query(User).order("desc")
    matching = every.filter(lambda user: has_text(text, user.name, user.email or ""))
    return matching.paginate(pagination_opts)


def current_user(ctx: MutationCtx) -> User:
    """Return the caller's user, and make it if this is the first we see of the caller.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    identity = ctx.auth.require()
    return caller(ctx) or _made(ctx, identity)


def _made(ctx: MutationCtx, identity: Identity) -> User:
    made = ctx.db.require(ctx.db.insert(_user_of(identity)))
    emit_user(ctx, made)
    return made


def _has_other_admin(ctx: QueryCtx, user_id: Id[User]) -> bool:
    admins = ctx.db.unrestricted.query(User.by_role.eq("admin")).take(2)
    return any(admin.id != user_id for admin in admins)


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
        verified_email=email.lower() if email and _is_verified(claims) else None,
        avatar=avatar if avatar is not None and len(avatar) <= MAX_URL_CHARS else None,
        preferences=Preferences(),
    )


def _is_verified(claims: Mapping[str, Any]) -> bool:
    # As for pictures: OpenID Connect's `email_verified`, and the same of a custom token.
    return True in (claims.get("emailVerified"), claims.get("email_verified"))


def _text(claim: Any) -> str | None:
    return claim if isinstance(claim, str) and claim else None
