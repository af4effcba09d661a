"""Tables of the benchmarks, all open to everybody."""

from __future__ import annotations

from chalicelib.engine.server import Document, PolicyCtx, index, indexed


def everybody(_document: Document, _ctx: PolicyCtx) -> bool:
    """Let everybody read and write."""
    return True


class Account(Document, table="accounts"):
    """Money, moved between accounts and never made or lost."""

    number: int = indexed()
    balance: int
    by_number = index(number)

    can_read = can_write = everybody


class Note(Document, table="notes"):
    """A document of 1 KB with two indexes."""

    topic: str = indexed()
    rank: int = indexed()
    body: str
    by_topic = index(topic)
    by_rank = index(rank)

    can_read = can_write = everybody


class Board(Document, table="boards"):
    """A line of text that many watch."""

    name: str = indexed()
    text: str
    edits: int = 0
    by_name = index(name)

    can_read = can_write = everybody


class Run(Document, table="runs"):
    """The trace that a job leaves."""

    number: int = indexed()
    by_number = index(number)

    can_read = can_write = everybody
