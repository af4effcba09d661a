"""Notes: what one document with two indexes costs to write, and a range of them to read."""

from __future__ import annotations

from benchmarks.app.schema import Note
from chalicelib.engine.server import Id, MutationCtx, QueryCtx, mutation, query


@mutation
def add(ctx: MutationCtx, topic: str, rank: int, body: str) -> Id[Note]:
    """Insert a note."""
    return ctx.db.insert(Note(topic=topic, rank=rank, body=body))


@mutation
def rewrite(ctx: MutationCtx, note: Id[Note], body: str) -> None:
    """Change a note's text; its index keys stay."""
    ctx.db.patch(note, body=body)


@mutation
def move(ctx: MutationCtx, note: Id[Note], topic: str, rank: int) -> None:
    """Change both index keys of a note."""
    ctx.db.patch(note, topic=topic, rank=rank)


@query
def of_topic(ctx: QueryCtx, topic: str) -> list[Note]:
    """Return the first three notes of a topic: one range of less than 4 KB."""
    return ctx.db.query(Note.by_topic.eq(topic)).take(3)
