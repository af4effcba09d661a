"""What operators do after a change of keys: have every secret sealed with the newest.

``secrets.py`` tells what is sealed. A secret that does not open stops nothing; it is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from chalicelib.engine.server import (
    ActionCtx,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    SecretRefused,
    Struct,
    internal_action,
    internal_mutation,
    internal_query,
)
from chalicelib.geoflow.limits import RESEALED_AT_ONCE
from chalicelib.geoflow.owned import is_sealed
from chalicelib.geoflow.schema import Credential, Webhook
from chalicelib.geoflow.secrets import Purpose, SealedSecret, opened, seal


class HeldSecret(Struct):
    """A sealed secret, and the document that it is in."""

    document: str
    secret: SealedSecret


class Resealed(Struct):
    """What one step did; ``is_done`` unless the rest is left to a job."""

    resealed: int
    refused: int
    is_done: bool


@internal_action
def reseal(
    ctx: ActionCtx, purpose: Purpose = "credential", cursor: str | None = None
) -> Resealed:
    """Seal secrets with the newest key, as many as one step does, and have jobs do the rest.

    It begins with those of credentials, and goes on with those of webhooks. It may be called at
    any time, and again.
    """
    opts = PaginationOptions(num_items=RESEALED_AT_ONCE, cursor=cursor)
    page = ctx.run_query(held, purpose, opts)
    done = [_resealed(ctx, purpose, each) for each in page.page]
    following = _following(purpose, page)
    if following is not None:
        ctx.scheduler.run_after(0, reseal, *following)
    refused = done.count(False)
    if refused:
        ctx.log.error(refused, "secrets do not open, and stay as they are")
    return Resealed(
        resealed=len(done) - refused, refused=refused, is_done=following is None
    )


def _following(
    purpose: Purpose, page: Page[HeldSecret]
) -> tuple[Purpose, str | None] | None:
    """Where the next step begins; None if there is nothing left."""
    if not page.is_done:
        return purpose, page.continue_cursor
    return ("webhook", None) if purpose == "credential" else None


def _resealed(ctx: ActionCtx, purpose: Purpose, found: HeldSecret) -> bool:
    secret, document = found.secret, found.document
    try:
        plain = opened(ctx, purpose, document, secret)
    except SecretRefused:
        return False
    anew = seal(ctx, purpose, secret.owner, document, plain)
    replace = _REPLACE[purpose]
    ctx.run_mutation(replace, document, secret.sealed, anew)
    return True


@internal_query
def held(
    ctx: QueryCtx, purpose: Purpose, pagination_opts: PaginationOptions
) -> Page[HeldSecret]:
    """Return sealed secrets, oldest first."""
    kind: Any = Credential if purpose == "credential" else Webhook
    page: Page[Any] = ctx.db.query(kind).filter(is_sealed).paginate(pagination_opts)
    return page.map(_held)


def _held(document: Credential | Webhook) -> HeldSecret:
    secret = SealedSecret(
        owner=document.owner,
        sealed=document.sealed or b"",
        key_id=document.key_id or "",
    )
    return HeldSecret(document=document.id, secret=secret)


@internal_mutation
def replace_in_credential(
    ctx: MutationCtx, document: Id[Credential], before: bytes, secret: SealedSecret
) -> None:
    """Keep a secret as it was sealed anew, unless it was changed or removed meanwhile."""
    credential = ctx.db.get(document)
    if credential is not None and credential.sealed == before:
        ctx.db.patch(document, sealed=secret.sealed, key_id=secret.key_id)


@internal_mutation
def replace_in_webhook(
    ctx: MutationCtx, document: Id[Webhook], before: bytes, secret: SealedSecret
) -> None:
    """Do the same for a webhook."""
    webhook = ctx.db.get(document)
    if webhook is not None and webhook.sealed == before:
        ctx.db.patch(document, sealed=secret.sealed, key_id=secret.key_id)


_REPLACE: Final[Mapping[Purpose, Any]] = MappingProxyType(
    {"credential": replace_in_credential, "webhook": replace_in_webhook}
)
