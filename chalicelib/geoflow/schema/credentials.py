"""Credentials: secrets of other services, sealed."""

from __future__ import annotations

from chalicelib.engine.server import Document, Id, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.fields import Name, Service
from chalicelib.geoflow.schema.users import User, is_permitted, relation_to_owner


class Credential(Document, table="credentials"):
    """A secret of another service, which no client ever sees again.

    ``sealed`` opens for this owner and this id alone, with the key that ``key_id`` names; it is
    absent for the moment in which the secret is being sealed. ``rotated`` is when the secret was
    last changed, ``last_used`` when an action last opened it.
    """

    owner: Id[User] = indexed()
    service: Service = indexed()
    name: Name = indexed()
    sealed: bytes | None = None
    key_id: str | None = None
    last_used: float | None = None
    rotated: float | None = None
    by_owner = index(owner)
    by_owner_name = index(owner, service, name)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "credentials.read", relation_to_owner(ctx, self.owner))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let those change it who may change or remove it; functions ask exactly."""
        relation = relation_to_owner(ctx, self.owner)
        return is_permitted(ctx, "credentials.change", relation) or is_permitted(
            ctx, "credentials.remove", relation
        )
