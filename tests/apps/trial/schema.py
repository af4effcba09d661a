"""Tables of the trial."""

from __future__ import annotations

from chalicelib.engine.server import Document, Int64, PolicyCtx, index, indexed


class Item(Document, table="items"):
    """Something with a label, in a group; open to everybody."""

    group: str = indexed()
    label: str = indexed()
    by_group = index(group)
    by_label = index(label)
    by_group_and_label = index(group, label)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Diary(Document, table="diaries"):
    """A text that its author alone may see."""

    author: str | None
    text: str
    mood: Int64 | None = None

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let the author read, and no one else."""
        identity = ctx.auth.identity()
        return identity is not None and identity.subject == self.author

    can_write = can_read
