"""The table of the programs."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import UNSET, Document, PolicyCtx, Unset, index, indexed


class Thing(Document, table="things"):
    """Something with a number of its own, and two fields that may be anything or absent."""

    ref: float
    a: Any | Unset = indexed(default=UNSET)
    b: Any | Unset = indexed(default=UNSET)
    by_a = index(a)
    by_ab = index(a, b)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
