"""Who calls with an API key: found by its digest, and known as the key's owner.

See ``api_keys.py``, which makes them, for why one round of SHA-256 is enough.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from chalicelib.engine.server import (
    ActionCtx,
    Id,
    Identity,
    MutationCtx,
    QueryCtx,
    Request,
    Struct,
    Unauthenticated,
    ValidationFailed,
    internal_mutation,
    internal_query,
)
from chalicelib.geoflow.limits import KEY_USE_NOTED_MS
from chalicelib.geoflow.schema import KEY_CLAIM, SCOPES_CLAIM, WORKERS_SCOPE, ApiKey

HEADER: Final = "x-api-key"

_MS: Final = 1000


class Holder(Struct):
    """Who calls with a key, and whether the key still holds."""

    api_key_id: Id[ApiKey]
    token_identifier: str
    name: str
    scopes: list[str]
    expires: float | None
    last_used: float | None
    revoked: float | None


@internal_query
def holder(ctx: QueryCtx, digest: str) -> Holder | None:
    """Return who has the key of this digest; null if there is no such key.

    The scope of workers is an admin's to give: it goes when its owner is none any more.
    """
    db = ctx.db.unrestricted
    key = db.query(ApiKey.by_digest.eq(digest)).unique()
    owner = None if key is None else db.get(key.owner)
    if key is None or owner is None:
        return None
    may_work = owner.role == "admin"
    return Holder(
        api_key_id=key.id,
        token_identifier=owner.token_identifier,
        name=owner.name,
        scopes=[scope for scope in key.scopes if may_work or scope != WORKERS_SCOPE],
        expires=key.expires,
        last_used=key.last_used,
        revoked=key.revoked,
    )


@internal_mutation
def note_use(ctx: MutationCtx, api_key_id: Id[ApiKey]) -> None:
    """Write down that a key is in use."""
    if ctx.db.unrestricted.get(api_key_id) is not None:
        ctx.db.unrestricted.patch(api_key_id, last_used=ctx.now)


def by_key(ctx: ActionCtx, request: Request) -> Identity | None:
    """Tell whose key a request shows; None if it shows none.

    Raises:
        Unauthenticated: the key is unknown, has expired or was revoked.
        ValidationFailed: it shows a token, too.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if "authorization" in request.headers:
        raise ValidationFailed("send a token or an API key, not both")
    found = ctx.run_query(holder, digest_of(key))
    if found is None:
        raise Unauthenticated("this API key is unknown")
    if found.revoked is not None:
        raise Unauthenticated("this API key was revoked")
    if found.expires is not None and found.expires <= ctx.now:
        raise Unauthenticated("this API key has expired")
    if found.last_used is None or found.last_used + KEY_USE_NOTED_MS <= ctx.now:
        ctx.run_mutation(note_use, found.api_key_id)
    return _identity(found)


def digest_of(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()


def _identity(found: Holder) -> Identity:
    issuer, _, subject = found.token_identifier.partition("|")
    attributes = {
        "issuer": issuer,
        "subject": subject,
        "tokenIdentifier": found.token_identifier,
        "name": found.name,
        SCOPES_CLAIM: found.scopes,
        KEY_CLAIM: found.api_key_id,
    }
    end_s = None if found.expires is None else found.expires / _MS
    return Identity(issuer, subject, found.token_identifier, attributes, end_s)
