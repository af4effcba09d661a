"""How actions open what is sealed, and how operators have it sealed anew.

Queries and mutations have no key. What goes through them is sealed: what they store, what they
return, and so what stands in the log, in jobs and in answers that are kept.
"""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import (
    ActionCtx,
    Id,
    MutationCtx,
    NotFound,
    Struct,
    internal_mutation,
)
from chalicelib.geoflow import accesses
from chalicelib.geoflow.model.permissions import Relation, is_allowed
from chalicelib.geoflow.schema import (
    Credential,
    User,
    relation_to_owner,
    require_permission,
)

Purpose = Literal["credential", "webhook"]
"""What a secret is for: one that was sealed for the one does not open for the other."""


class SealedSecret(Struct):
    """A secret on its way to or from a document."""

    owner: Id[User]
    sealed: bytes
    key_id: str


def seal(
    ctx: ActionCtx, purpose: Purpose, owner: Id[User], document: str, secret: str
) -> SealedSecret:
    """Seal a secret for one owner and one document."""
    made = ctx.secrets.seal(secret.encode(), _context(purpose, owner, document))
    return SealedSecret(owner=owner, sealed=made.data, key_id=made.key_id)


def opened(ctx: ActionCtx, purpose: Purpose, document: str, secret: SealedSecret) -> str:
    """Open a secret.

    Raises:
        SecretRefused: it is of another owner or document, or was changed.
    """
    context = _context(purpose, secret.owner, document)
    return ctx.secrets.open(secret.sealed, context).decode()


def secret_of(
    ctx: ActionCtx, credential_id: Id[Credential], *, for_user: Id[User] | None = None
) -> str:
    """Return the secret of a credential, and leave a note of that for the audit.

    It is used for who calls; a job, behind which there is nobody, says for whom (``for_user``).
    What is returned must not be returned to a client, logged, or given to a mutation.

    Raises:
        Unauthenticated: nobody is signed in, and nobody was named.
        Forbidden: it is not theirs, or their role may not use credentials.
        NotFound: there is no such credential.
    """
    found = ctx.run_mutation(use, credential_id, for_user)
    return opened(ctx, "credential", credential_id, found)


@internal_mutation
def use(
    ctx: MutationCtx, credential_id: Id[Credential], for_user: Id[User] | None
) -> SealedSecret:
    """Check that a credential may be used, and note that it is."""
    credential = ctx.db.require(credential_id)
    if for_user is None:
        ctx.auth.require()
        if not credential.can_read(ctx):
            raise NotFound("there is no such credential", credential=credential_id)
        relation = relation_to_owner(ctx, credential.owner)
        require_permission(ctx, "credentials.use", relation)
    else:
        _require_user(ctx, credential, for_user)
    if credential.sealed is None or credential.key_id is None:
        raise NotFound("this credential has no secret yet", credential=credential_id)
    ctx.db.patch(credential_id, last_used=ctx.now)
    accesses.note(ctx, "secret.use", "credentials", credential_id)
    return SealedSecret(
        owner=credential.owner, sealed=credential.sealed, key_id=credential.key_id
    )


def _require_user(ctx: MutationCtx, credential: Credential, user_id: Id[User]) -> None:
    user = ctx.db.require(user_id)
    relation: Relation = "owner" if credential.owner == user_id else "none"
    if not is_allowed("credentials.use", user.role, relation):
        raise NotFound("there is no such credential of theirs", credential=credential.id)


def _context(purpose: Purpose, owner: str, document: str) -> dict[str, str]:
    return {"purpose": purpose, "owner": owner, "id": document}
