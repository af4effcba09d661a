"""The same table, with one index more, one less, and keys that are known to be few."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import Document, PolicyCtx, index, indexed


class Mark(Document, table="marks"):
    """What one mutation left behind."""

    key: Literal[0, 1, 2, 3, 4] = indexed()
    tag: str = indexed()
    author: str | None
    by_key = index(key)
    by_tag = index(tag)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
