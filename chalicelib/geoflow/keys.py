"""What operators do after a change of keys: have every secret sealed with the newest.

``secrets.py`` tells what is sealed. A secret that does not open stops nothing; it is counted.
"""

from __future__ import annotations

from typing import Any

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
from chalicelib.geoflow.schema import Credential
from chalicelib.geoflow.secrets import SealedSecret, opened, seal


class HeldSecret(Struct):
    """A sealed secret, and the document that it is in."""

    credential_id: Id[Credential]
    secret: SealedSecret


class Resealed(Struct):
    """What one step did; ``is_done`` unless the rest is left to a job."""

    resealed: int
    refused: int
    is_done: bool


@internal_action
def reseal(ctx: ActionCtx, cursor: str | None = None) -> Resealed:
    """Seal secrets with the newest key, as many as one step does, and have jobs do the rest.

    It may be called at any time, and again.
    """
    page = ctx.run_query(held, PaginationOptions(num_items=RESEALED_AT_ONCE, cursor=cursor))
    done = [_resealed(ctx, each) for each in page.page]
    if not page.is_done:
        ctx.scheduler.run_after(0, reseal, page.continue_cursor)
    refused = done.count(False)
    if refused:
        ctx.log.error(refused, "secrets do not open, and stay as they are")
    return Resealed(resealed=len(done) - refused, refused=refused, is_done=page.is_done)


def _resealed(ctx: ActionCtx, found: HeldSecret) -> bool:
    secret, document = found.secret, found.credential_id
    try:
        plain = opened(ctx, "credential", document, secret)
    except SecretRefused:
        return False
    anew = seal(ctx, "credential", secret.owner, document, plain)
    ctx.run_mutation(replace, document, secret.sealed, anew)
    return True


@internal_query
def held(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[HeldSecret]:
    """Return sealed secrets, oldest first."""
    page = ctx.db.query(Credential).filter(_is_sealed).paginate(pagination_opts)
    return page.map(_held)


def _is_sealed(credential: Credential) -> bool:
    return credential.sealed is not None


def _held(credential: Credential) -> HeldSecret:
    secret = SealedSecret(
        owner=credential.owner,
        sealed=credential.sealed or b"",
        key_id=credential.key_id or "",
    )
    return HeldSecret(credential_id=credential.id, secret=secret)


@internal_mutation
def replace(
    ctx: MutationCtx, credential_id: Id[Credential], before: bytes, secret: SealedSecret
) -> None:
    """Keep a secret as it was sealed anew, unless it was changed or removed meanwhile."""
    credential: Any = ctx.db.get(credential_id)
    if credential is not None and credential.sealed == before:
        ctx.db.patch(credential_id, sealed=secret.sealed, key_id=secret.key_id)
