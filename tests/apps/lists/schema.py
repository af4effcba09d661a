"""Tables of the lists."""

from __future__ import annotations

from chalicelib.engine.server import UNSET, Document, PolicyCtx, Unset, index, indexed


class Line(Document, table="lines"):
    """One line of a list; a hidden one is seen by its owner alone."""

    topic: str = indexed()
    rank: float = indexed()
    text: str
    tag: str | Unset | None = indexed(default=UNSET)
    owner: str | None = None
    by_rank = index(topic, rank)
    by_tag = index(tag)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let the owner of a hidden line read it, and everybody the others."""
        if self.owner is None:
            return True
        me = ctx.auth.identity()
        return me is not None and me.subject == self.owner

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let everybody write."""
        return True


class Long(Document, table="longs"):
    """A line whose keys are longer than what is stored of them."""

    key: str = indexed()
    by_key = index(key)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
