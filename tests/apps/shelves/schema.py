"""Books, and what may be read of them."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Document,
    Id,
    PolicyCtx,
    Struct,
    Unset,
    index,
    indexed,
)


class Book(Document, table="books"):
    """A book on a shelf; open to everybody."""

    shelf: str = indexed()
    title: str
    loan_count: int = 0
    note: Any = None
    lent_to: str | Unset = UNSET
    by_shelf = index(shelf)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody read."""
        return True

    can_write = can_read


class Title(Struct):
    """What is on the spine of a book."""

    id: Id[Book]
    title: str


class Loan(Struct):
    """Who has a book."""

    title: str
    lent_to: str | Unset = UNSET


class Note(Struct):
    """What somebody has written into a book."""

    note: Any


class Named(Struct):
    """Which books there are."""

    id: Id[Book]


class Price(Struct):
    """What no book has."""

    price: int
