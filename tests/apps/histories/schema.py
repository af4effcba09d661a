"""Tables of the histories, open to everybody."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed


class Element(Document, table="elements"):
    """One element of a list, at its place."""

    key: str = indexed()
    at: int = indexed()
    element: str
    by_list = index(key, at)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Register(Document, table="registers"):
    """A value under a name; another document for each value that it has."""

    name: str = indexed()
    value: str
    by_name = index(name)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
