"""Where an undo goes back to, and of which tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.engine.database.documents import (
    Writer,
    is_builtin,
    tables_of,
    transaction_of,
)
from chalicelib.engine.database.history import History
from chalicelib.engine.errors import UndoRefused
from chalicelib.engine.schema import is_undone


def refuse_unless_kept(history: History, db: Writer, target: int) -> None:
    """See that the log reaches back to ``target``.

    Raises:
        UndoRefused: it does not, or ``target`` is yet to come; details say how far it reaches.
    """
    snapshot = transaction_of(db).snapshot
    earliest, head = snapshot.horizon(), snapshot.view.settled
    if earliest <= target <= head:
        return
    oldest = history.after(earliest, 1) if earliest < head else ()
    raise UndoRefused(
        f"the log does not hold {target}: it reaches from {earliest} to {head}",
        earliest=earliest,
        latest=head,
        earliest_ms=oldest[0].time_ms if oldest else None,
    )


def commit_before(history: History, db: Writer, time_ms: float) -> int:
    """The timestamp of the last commit that was made at ``time_ms`` or before.

    Clocks of committers differ by a little, and so may this.

    Raises:
        UndoRefused: the log that is kept begins later.
    """
    snapshot = transaction_of(db).snapshot
    earliest, head = snapshot.horizon(), snapshot.view.settled

    def made_ms(ts: int) -> int:
        return history.after(ts - 1, 1)[0].time_ms

    low, high = (
        earliest,
        head,
    )  # commits up to low were made by then, those after high later
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if made_ms(middle) <= time_ms else (low, middle - 1)
    if low == earliest:
        first_ms = made_ms(earliest + 1) if earliest < head else None
        raise UndoRefused(
            f"the log that is kept begins later than {time_ms:.0f}: with the commit of"
            f" {first_ms}, ms since the Unix epoch",
            earliest=earliest,
            latest=head,
            earliest_ms=first_ms,
        )
    return low


def tables_to_undo(db: Writer, names: Sequence[str] | None) -> list[str]:
    """The tables that an undo is about: those that are named, or all that may be undone.

    Raises:
        UndoRefused: there is no such table, or it is one of the engine's own.
    """
    known, code = transaction_of(db).catalogue.tables, tables_of(db)
    if names is None:
        return sorted(n for n in known if not is_builtin(n) and _may_be_undone(code, n))
    for name in names:
        if name not in known or is_builtin(name):
            raise UndoRefused(f"there is no table {name} that can be undone", table=name)
    return sorted(set(names))


def _may_be_undone(code: Mapping[str, Any], name: str) -> bool:
    return name not in code or is_undone(code[name].document)
