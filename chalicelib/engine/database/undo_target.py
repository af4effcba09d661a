"""Where an undo goes back to, and of which tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.engine.database.access import is_builtin
from chalicelib.engine.database.documents import Writer, tables_of, transaction_of
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.errors import UndoRefused
from chalicelib.engine.schema import is_undone


def refuse_unless_kept(db: Writer, target: int) -> None:
    """See that the log reaches back to ``target``.

    Raises:
        UndoRefused: it does not, or ``target`` is yet to come; details say how far it reaches.
    """
    snapshot = transaction_of(db).snapshot
    earliest, head = snapshot.horizon(), snapshot.head()
    if not earliest <= target <= head:
        why = f"the log does not hold {target}: it reaches from {earliest} to {head}"
        raise _too_early(snapshot, why, earliest, head)


def commit_before(db: Writer, time_ms: float) -> int:
    """The timestamp of the last commit that was made at ``time_ms`` or before.

    Clocks of committers differ by a little, and so may this.

    Raises:
        UndoRefused: the log that is kept begins later; details say where.
    """
    snapshot = transaction_of(db).snapshot
    earliest, head = snapshot.horizon(), snapshot.head()
    low, high = (
        earliest,
        head,
    )  # commits up to low were made by then, those after high later
    while low < high:
        middle = (low + high + 1) // 2
        made_ms = time_of(snapshot, middle)
        by_then = made_ms is not None and made_ms <= time_ms
        low, high = (middle, high) if by_then else (low, middle - 1)
    if low == earliest:
        why = (
            f"the log that is kept begins later than {time_ms:.0f} ms since the Unix epoch"
        )
        raise _too_early(snapshot, why, earliest, head)
    return low


def time_of(snapshot: Snapshot, ts: int) -> int | None:
    """When a commit was made, ms since the Unix epoch; None if it is not kept any more."""
    entries = snapshot.page(ts - 1, ts)
    return entries[0].wall_ms if entries else None


def _too_early(snapshot: Snapshot, why: str, earliest: int, head: int) -> UndoRefused:
    oldest_ms = time_of(snapshot, earliest + 1) if earliest < head else None
    return UndoRefused(why, earliest=earliest, latest=head, earliest_ms=oldest_ms)


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
