"""Statements that put many entries, or many rows, at once."""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Final

from chalicelib.engine.log import Row

_PUT_ENTRIES: Final = "INSERT INTO log VALUES {}"

_PUT_ROWS: Final = """
INSERT INTO rows VALUES {} ON CONFLICT (idx, key) DO UPDATE
SET ts = excluded.ts, id = excluded.id, image = excluded.image WHERE excluded.ts > rows.ts
"""

_MOST_AT_ONCE: Final = 256
_STEP: Final = 16
"""How many rows one statement writes: as many as are left; from so many on, of them.

Each statement lets other threads run, and then waits for them; each number of rows is a
statement that is kept prepared. The first number times five columns stays far below the 32,766
values that a statement may have.
"""


def put_entries(
    connection: sqlite3.Connection, entries: Sequence[tuple[int, bytes]]
) -> None:
    """Write encoded entries at their timestamps."""
    _put(connection, _PUT_ENTRIES, entries)


def put_rows(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Write rows, each if the one that is there is older."""
    _put(connection, _PUT_ROWS, [_columns(row) for row in rows])


def _columns(row: Row) -> tuple[int, bytes, int, bytes, bytes | None]:
    return row.index, row.key, row.ts, row.id, row.image


def _put(
    connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """Run an INSERT with many rows at once."""
    at = 0
    while at < len(rows):
        left = min(len(rows) - at, _MOST_AT_ONCE)
        size = left if left < _STEP else left // _STEP * _STEP
        columns = list(chain.from_iterable(rows[at : at + size]))
        connection.execute(_statement(statement, size, len(rows[at])), columns)
        at += size


@lru_cache
def _statement(statement: str, size: int, width: int) -> str:
    one = f"({', '.join('?' * width)})"
    return statement.format(", ".join([one] * size))
