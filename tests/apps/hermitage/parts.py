"""A query and a mutation that a test fills: it plays its part on the cells of one run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.engine.server import Conflict, MutationCtx, QueryCtx, mutation, query
from tests.apps.hermitage.schema import Cell

Play = Callable[["Cells"], list[Any]]

PLAYS: dict[str, Play] = {}
"""What the functions do, by the name that they are called with: tests fill it."""


class Cells:
    """The cells as one run sees them; a query has no way to write."""

    def __init__(self, ctx: QueryCtx | MutationCtx) -> None:
        self._db, self._ctx = ctx.db, ctx

    def get(self, key: int) -> int | None:
        """Return the value under a key."""
        cell = self._db.query(Cell.by_key.eq(key)).unique()
        return None if cell is None else cell.value

    def equal(self, value: int) -> dict[int, int]:
        """Return the cells of one value: an interval of the index."""
        found = self._db.query(Cell.by_value.eq(value))
        return {cell.key: cell.value for cell in found}

    def divisible(self, by: int) -> dict[int, int]:
        """Return the cells whose value a number divides: the whole table is looked through."""
        found = self._db.query(Cell.by_key).filter(lambda cell: cell.value % by == 0)
        return {cell.key: cell.value for cell in found}

    def insert(self, key: int, value: int) -> None:
        """Write a value under a new key."""
        self._writing.db.insert(Cell(key=key, value=value))

    def put(self, key: int, value: int) -> None:
        """Write a value under a key that has one."""
        cell = self._db.query(Cell.by_key.eq(key)).unique()
        if cell is not None:
            self._writing.db.patch(cell.id, value=value)

    def add_to_all(self, amount: int) -> None:
        """Raise every value."""
        for cell in self._db.query(Cell.by_key).collect():
            self._writing.db.patch(cell.id, value=cell.value + amount)

    def delete_equal(self, value: int) -> int:
        """Delete the cells of one value, and return how many there were."""
        found = self._db.query(Cell.by_value.eq(value)).collect()
        for cell in found:
            self._writing.db.delete(cell.id)
        return len(found)

    def abort(self) -> None:
        """Take everything back."""
        raise Conflict("taken back")

    @property
    def _writing(self) -> MutationCtx:
        assert isinstance(self._ctx, MutationCtx), "a query cannot write"
        return self._ctx


@query
def look(ctx: QueryCtx, part: str) -> list[Any]:
    """Play a part that only reads."""
    return PLAYS[part](Cells(ctx))


@mutation
def write(ctx: MutationCtx, part: str) -> list[Any]:
    """Play a part that writes."""
    return PLAYS[part](Cells(ctx))


@query
def everything(ctx: QueryCtx) -> list[list[int]]:
    """Return all keys and values."""
    return [[cell.key, cell.value] for cell in ctx.db.query(Cell.by_key)]
