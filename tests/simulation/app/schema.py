"""One table: marks, found by key."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed

KEYS = 5
"""Different keys that the clients use: few, so that they meet."""

MANY = 3
"""Marks under one key from which ``grow`` removes the oldest and ``crowd`` complains."""


class Mark(Document, table="marks"):
    """What one mutation left behind; no two have the same tag."""

    key: int = indexed()
    tag: str
    author: str | None = indexed()
    by_key = index(key)
    by_author = index(author)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
