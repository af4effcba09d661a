"""Notes, so that HTTP functions have something to read and write."""

from __future__ import annotations

from chalicelib.engine.server import Id, MutationCtx, NotFound, QueryCtx, mutation, query
from tests.apps.pages.schema import Note


@mutation
def add(ctx: MutationCtx, text: str) -> Id[Note]:
    """Keep a note."""
    return ctx.db.insert(Note(text=text))


@query
def get(ctx: QueryCtx, note_id: Id[Note]) -> Note:
    """Return a note, or fail."""
    note = ctx.db.get(note_id)
    if note is None:
        raise NotFound("no such note", id=note_id)
    return note


@mutation
def remove(ctx: MutationCtx, note_id: Id[Note]) -> None:
    """Remove a note."""
    ctx.db.delete(note_id)
