"""What was read that is sensitive: notes for the audit."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import Document, PolicyCtx
from chalicelib.geoflow.schema.fields import Message
from chalicelib.geoflow.schema.users import is_permitted

AccessKind = Literal["secret.use", "export", "download", "admin.read", "admin.open"]


class SensitiveAccess(Document, table="sensitiveAccesses", undone=False):
    """That somebody read something; who, and from where, is in the entry of the log.

    It stands here until the audit has taken it over. ``table`` and ``document`` name what was
    read, ``detail`` says for what.
    """

    kind: AccessKind
    table: str
    document: str
    detail: Message | None = None

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "audit.read", "none")

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let nobody."""
        del ctx
        return False
