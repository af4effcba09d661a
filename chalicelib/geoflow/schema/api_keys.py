"""API keys: what lets programs call in somebody's name, for a part of what they may do."""

from __future__ import annotations

from typing import Annotated, Final

from chalicelib.engine.server import Document, Id, Meta, PolicyCtx, index, indexed
from chalicelib.geoflow.limits import MAX_KEY_LIFETIME_DAYS, MAX_SCOPES
from chalicelib.geoflow.model.permissions import SCOPES
from chalicelib.geoflow.schema.fields import Name
from chalicelib.geoflow.schema.users import User, is_permitted, relation_to_owner

WORKERS_SCOPE: Final = "workers"
"""The scope of workers, which claim runs and report them; it follows from no permission."""

ALL_SCOPES: Final = (*SCOPES, WORKERS_SCOPE)
"""Every scope that an API key may have."""

Scope = Annotated[str, Meta(extra_json_schema={"enum": list(ALL_SCOPES)})]
Scopes = Annotated[list[Scope], Meta(min_length=1, max_length=MAX_SCOPES)]
LifetimeDays = Annotated[int, Meta(ge=1, le=MAX_KEY_LIFETIME_DAYS)]


class ApiKey(Document, table="apiKeys", undone=False):
    """A key, of which only the digest is kept: nobody can read it here and use it.

    ``digest`` is its SHA-256 in hexadecimal digits, ``prefix`` its beginning, by which people
    tell it from others. It holds until ``expires``, or until it was ``revoked``; ``last_used``
    is true to the hour. All times are ms since the Unix epoch. ``made_by`` is the key by which
    it was made, if it was made by one: it ends with that.
    """

    owner: Id[User] = indexed()
    name: Name
    prefix: str
    digest: str = indexed()
    scopes: Scopes
    expires: float | None = None
    last_used: float | None = None
    revoked: float | None = None
    made_by: Id[ApiKey] | None = indexed(default=None)
    by_owner = index(owner)
    by_digest = index(digest)
    by_maker = index(made_by)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "apiKeys.read", relation_to_owner(ctx, self.owner))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "apiKeys.remove", relation_to_owner(ctx, self.owner))
