"""Workers: who has claimed runs, by a name that tells nothing of them."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.users import is_permitted


class Worker(Document, table="workers", undone=False):
    """Somebody who has claimed a run at least once, and need be no user of the product.

    Runs name them by the id of this: whoever sees a run learns no token identifier.
    """

    token_identifier: str = indexed()
    by_token = index(token_identifier)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let those see it who see all accounts."""
        return is_permitted(ctx, "users.read", "none")

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False
