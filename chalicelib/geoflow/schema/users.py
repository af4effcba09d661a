"""Users, and what the matrix lets the one who calls do."""

from __future__ import annotations

from typing import Final, Literal

from chalicelib.engine.server import (
    Document,
    Forbidden,
    Id,
    Identity,
    PolicyCtx,
    Struct,
    index,
    indexed,
)
from chalicelib.geoflow.model.permissions import (
    Permission,
    Relation,
    Role,
    has_scope,
    is_allowed,
    is_within_oversight,
    scope_of,
)
from chalicelib.geoflow.schema.fields import Key, Name, Url

SCOPES_CLAIM: Final = "apiKeyScopes"
"""The attribute of an identity for which an API key vouches: a list of what it may do."""

KEY_CLAIM: Final = "apiKeyId"
"""The attribute that names that key. A token may have one, too: whoever trusts it looks."""


class Preferences(Struct):
    """How a user wants the product to look."""

    theme: Literal["system", "light", "dark"] = "system"
    language: Key = "en"


class User(Document, table="users"):
    """Somebody who has signed in and done something at least once.

    ``verified_email`` is the same as ``email`` if the provider vouches for it, in lower case.
    ``opened_until``: an admin has said why they see what is others', until then (ms since the
    Unix epoch); a job makes it null when it is over.
    """

    token_identifier: str = indexed()
    name: Name
    email: str | None = None
    verified_email: str | None = indexed(default=None)
    avatar: Url | None = None
    role: Role = indexed(default="editor")
    preferences: Preferences
    opened_until: float | None = None
    by_token = index(token_identifier)
    by_role = index(role)
    by_verified_email = index(verified_email)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "users.read", self._relation(ctx))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "users.change", self._relation(ctx))

    def _relation(self, ctx: PolicyCtx) -> Relation:
        identity = ctx.auth.identity()
        is_self = identity and identity.token_identifier == self.token_identifier
        return "owner" if is_self else "none"


def caller(ctx: PolicyCtx) -> User | None:
    """Return the user who calls; None if nobody is signed in, or was never seen before."""
    identity = ctx.auth.identity()
    return None if identity is None else _user_of(ctx, identity)


def is_caller(ctx: PolicyCtx, user_id: Id[User]) -> bool:
    """Tell whether that user is the caller.

    Asked of every row of a list, it reads the user by id, once for all rows of one owner;
    looking for the caller by token would read a range of an index for each row.
    """
    identity, user = ctx.auth.identity(), ctx.db.unrestricted.get(user_id)
    if identity is None or user is None:
        return False
    return user.token_identifier == identity.token_identifier


def relation_to_owner(ctx: PolicyCtx, owner: Id[User]) -> Relation:
    """What the caller is to a document that belongs to one user alone."""
    return "owner" if is_caller(ctx, owner) else "none"


def is_permitted(ctx: PolicyCtx, permission: Permission, relation: Relation) -> bool:
    """Tell whether the matrix, and the caller's API key if it is one, allow it.

    Somebody who is signed in and was not seen before has the role that everybody begins with.
    """
    identity = ctx.auth.identity()
    if identity is None or not _is_in_scope(identity, permission):
        return False
    if is_allowed(permission, "viewer", relation):
        return True  # whatever the role: then it is not looked up
    me = _user_of(ctx, identity)
    if me is None or me.role != "admin":
        return is_allowed(permission, "editor" if me is None else me.role, relation)
    return is_allowed(permission, "admin", relation) and (
        is_within_oversight(permission, relation) or oversees(me)
    )


def require_permission(ctx: PolicyCtx, permission: Permission, relation: Relation) -> None:
    """Refuse what the matrix does not allow.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the caller's role, relation or API key does not allow it.
    """
    identity = ctx.auth.require()
    if is_permitted(ctx, permission, relation):
        return
    if not _is_in_scope(identity, permission):
        scope = scope_of(permission)
        raise Forbidden(f"this API key lacks the scope {scope}", scope=scope)
    if role_of(ctx) == "admin" and is_allowed(permission, "admin", relation):
        raise Forbidden(
            "say first why you do this to what is another's: oversight:open",
            permission=permission,
        )
    raise Forbidden(
        f"you may not do this: {permission} is not for an account that is {role_of(ctx)}"
        f" and {_RELATION[relation]}",
        permission=permission,
    )


def role_of(ctx: PolicyCtx) -> Role:
    """The caller's role."""
    me = caller(ctx)
    return "editor" if me is None else me.role


def is_admin(ctx: PolicyCtx) -> bool:
    """Tell whether the caller has the role of an admin."""
    return role_of(ctx) == "admin"


def oversees(user: User) -> bool:
    """Tell whether somebody sees what is others' now: an admin who has said why."""
    return user.role == "admin" and user.opened_until is not None


_RELATION: Final = {
    "owner": "its owner",
    "edit": "a member with edit access",
    "view": "a member with view access",
    "none": "not its owner",
}


def _user_of(ctx: PolicyCtx, identity: Identity) -> User | None:
    by_token = User.by_token.eq(identity.token_identifier)
    return ctx.db.unrestricted.query(by_token).unique()


def _is_in_scope(identity: Identity, permission: Permission) -> bool:
    scopes = identity.attributes.get(SCOPES_CLAIM)
    return scopes is None or has_scope(scopes, scope_of(permission))
