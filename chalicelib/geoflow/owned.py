"""What belongs to one user alone: how it is listed, found, bounded and, if secret, kept.

Credentials, webhooks and API keys are of this kind. Types are Any where a document may be of
any of their tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from chalicelib.engine.server import (
    Id,
    MutationCtx,
    NotFound,
    Page,
    PaginationOptions,
    QueryCtx,
    RateLimited,
)
from chalicelib.geoflow.limits import MAX_LISTED
from chalicelib.geoflow.schema import (
    Credential,
    Permission,
    User,
    Webhook,
    caller,
    relation_to_owner,
    require_permission,
)
from chalicelib.geoflow.secrets import SealedSecret

T = TypeVar("T")


def own(
    ctx: QueryCtx,
    permission: Permission,
    by_owner: Any,
    holds: Callable[[Any], bool] | None = None,
) -> Any:
    """Return a query of what the caller has, newest first; None for who was never here.

    ``holds`` tells which of it is there already.

    Raises:
        Unauthenticated: nobody is signed in.
        Forbidden: the caller's API key lacks the scope.
    """
    require_permission(ctx, permission, "owner")
    me = caller(ctx)
    if me is None:
        return None
    mine = ctx.db.query(by_owner.eq(me.id)).order("desc")
    return mine if holds is None else mine.filter(holds)


def listed(found: Any, told: Callable[[Any], T]) -> list[T]:
    """Return the first 100 of what :func:`own` has found."""
    return [] if found is None else [told(each) for each in found.take(MAX_LISTED)]


def paged(found: Any, opts: PaginationOptions, told: Callable[[Any], T]) -> Page[T]:
    """Return a page of what :func:`own` has found."""
    if found is None:
        return Page(page=[], is_done=True, continue_cursor="")
    page: Page[Any] = found.paginate(opts)
    return page.map(told)


def checked(ctx: MutationCtx, permission: Permission, document: Any, what: str) -> Any:
    """Return a document with which the caller may do that.

    Raises:
        Unauthenticated: nobody is signed in.
        NotFound: there is none that the caller may see.
        Forbidden: the caller may see it, and no more.
    """
    ctx.auth.require()
    found: Any = ctx.db.get(document)
    # In what an action calls no policies are asked: it is trusted, its caller is not.
    if found is None or not found.can_read(ctx):
        raise NotFound(f"there is no such {what}", id=document)
    require_permission(ctx, permission, relation_to_owner(ctx, found.owner))
    return found


def refuse_more(
    ctx: MutationCtx, by_owner: Any, owner: Id[User], most: int, what: str
) -> None:
    """Refuse one more of what a user has ``most`` of.

    Raises:
        RateLimited: they have.
    """
    mine = ctx.db.unrestricted.query(by_owner.eq(owner)).take(most)
    if len(mine) == most:
        raise RateLimited(f"you have {most} {what}: remove one first", limit=most)


def is_sealed(document: Credential | Webhook) -> bool:
    """Tell whether a document has its secret; until then nobody sees it."""
    return document.sealed is not None


def keep_secret(ctx: MutationCtx, found: Any, secret: SealedSecret) -> None:
    """Keep a sealed secret in a document that was found; another one is a rotation."""
    document: Any = found.id
    with ctx.db.edit(document) as edited:
        edited.sealed, edited.key_id = secret.sealed, secret.key_id
        edited.rotated = ctx.now if is_sealed(found) else None


def drop_unsealed(ctx: MutationCtx, document: Any) -> None:
    """Remove a document whose secret never came: its action has died."""
    found: Any = ctx.db.get(document)
    if found is not None and not is_sealed(found):
        ctx.db.delete(document)
