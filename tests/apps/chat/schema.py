"""Tables of the chat, all open to everybody."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed


class Message(Document, table="messages"):
    """One line in a channel."""

    channel: str = indexed()
    author: str | None
    body: str
    by_channel = index(channel)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Counter(Document, table="counters"):
    """A number that only goes up."""

    name: str = indexed()
    count: int
    by_name = index(name)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Account(Document, table="accounts"):
    """Money, moved between accounts and never made or lost."""

    number: int = indexed()
    balance: int
    by_number = index(number)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read
