"""One table: what ran, in order."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed


class Note(Document, table="notes"):
    """Left by a run; ``who`` is who it ran as, ``at`` its time."""

    text: str = indexed()
    who: str | None
    at: float
    by_text = index(text)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let those see it who have signed in."""
        return ctx.auth.identity() is not None

    can_write = can_read


class Secret(Document, table="secrets", undone=False):
    """A table that is closed to public functions, and that undos leave alone."""

    text: str
