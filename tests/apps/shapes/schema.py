"""Tables that hold anything, and one that points to others."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Document,
    Id,
    PolicyCtx,
    StoredFile,
    Unset,
    index,
    indexed,
)


class Box(Document, table="boxes"):
    """Something with anything in it."""

    content: Any | Unset = indexed(default=UNSET)
    by_content = index(content)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Label(Document, table="labels"):
    """Something that points to boxes, and may point to a file."""

    box: Id[Box]
    others: list[Id[Box]]
    notes: dict[str, Id[Box] | None]
    file: Id[StoredFile] | Unset = UNSET

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
