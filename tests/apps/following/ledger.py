"""Notes, and the ledger of what the log says of them."""

from __future__ import annotations

from chalicelib.engine.server import (
    Document,
    MutationCtx,
    QueryCtx,
    internal_mutation,
    internal_query,
)


class Note(Document, table="notes"):
    """What was said."""

    text: str


class Line(Document, table="lines"):
    """What the log said: the text, and how many lines there were before."""

    text: str
    number: int


@internal_mutation
def add(ctx: MutationCtx, text: str) -> None:
    """Keep a note."""
    ctx.db.insert(Note(text=text))


@internal_mutation
def follow(ctx: MutationCtx, limit: int) -> int:
    """Copy what the log says next; return how many entries that were."""
    position = ctx.history.position("ledger")
    entries = ctx.history.after(position, limit)
    number = ctx.db.query(Line).count()
    for entry in entries:
        for change in entry.changes:
            if change.table == "notes" and change.after is not None:
                ctx.db.insert(Line(text=change.after["text"], number=number))
                number += 1
    if entries:
        ctx.history.move("ledger", entries[-1].ts)
    return len(entries)


@internal_query
def lines(ctx: QueryCtx) -> list[str]:
    """Return the ledger."""
    return [line.text for line in ctx.db.query(Line)]


@internal_query
def notes(ctx: QueryCtx) -> list[str]:
    """Return the notes in the order of their making."""
    return [note.text for note in ctx.db.query(Note)]
