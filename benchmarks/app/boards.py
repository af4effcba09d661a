"""Boards: one line that many sockets watch."""

from __future__ import annotations

from benchmarks.app.schema import Board
from chalicelib.engine.server import MutationCtx, QueryCtx, mutation, query


@query
def read(ctx: QueryCtx, name: str) -> str | None:
    """Return what is on a board."""
    board = ctx.db.query(Board.by_name.eq(name)).unique()
    return board.text if board is not None else None


@mutation
def write(ctx: MutationCtx, name: str, text: str) -> None:
    """Put ``text`` on a board, and count that: the document changes, even if the text stays."""
    board = ctx.db.query(Board.by_name.eq(name)).unique()
    if board is None:
        ctx.db.insert(Board(name=name, text=text))
    else:
        ctx.db.patch(board.id, text=text, edits=board.edits + 1)
