"""The one table of the pages, open to everybody."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx


class Note(Document, table="notes"):
    """A text."""

    text: str

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
