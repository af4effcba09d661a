"""Undoing what was committed since some moment, for the holder of the admin key.

``plan`` reads the log and writes nothing of the apps'; ``apply`` brings documents back. Both
go on by jobs, a step each; ``status`` tells how far they are. See docs/restore.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from chalicelib.engine.database.documents import system_writer, transaction_of
from chalicelib.engine.database.undo import FOLLOWER, UndoSteps
from chalicelib.engine.database.undo_target import (
    commit_before,
    refuse_unless_kept,
    tables_to_undo,
    time_of,
)
from chalicelib.engine.errors import BelowHorizon, UndoRefused
from chalicelib.engine.functions.context import MutationCtx, QueryCtx
from chalicelib.engine.functions.registration import internal_mutation, internal_query
from chalicelib.engine.schema import Id, Undo

BATCH: Final = 200
"""Documents that one step looks at, or brings back, in one commit."""

MAX_BATCH: Final = 1000
"""The most of them that may be asked for: each is a reading or two of its own."""

_MS_PER_S: Final = 1000
_AT_WORK: Final = ("reading", "restoring", "canceling")
_OPEN: Final = (*_AT_WORK, "planned", "failed")
"""States in which another undo would meet the marks of this one."""


@internal_mutation
def plan(
    ctx: MutationCtx,
    ts: int | None = None,
    time: str | float | None = None,
    tables: list[str] | None = None,
    batch: int = BATCH,
) -> Undo:
    """Begin to find out what was written since a commit; nothing is brought back yet.

    The commit is that at ``ts``, or the last one at a ``time``: ISO 8601 with its zone, or
    milliseconds since the Unix epoch. Without ``tables`` it is about all that may be undone.

    Raises:
        UndoRefused: the log does not reach back so far, and so on; the message says which.
    """
    held = _newest(ctx)
    if held is not None and held.state in _OPEN:
        raise UndoRefused(f"another undo is {held.state}: cancel it first")
    target = _target(ctx, ts, time)
    refuse_unless_kept(ctx.db, target)
    target_ms = time_of(transaction_of(ctx.db).snapshot, target)
    ctx.history.move(FOLLOWER, target)
    undo = Undo(
        target=target,
        target_ms=target_ms,
        until=None,
        tables=tables_to_undo(ctx.db, tables),
        batch=max(1, min(batch, MAX_BATCH)),
        state="reading",
        position=target,
        moved_ms=ctx.now,
        found=[],
        left_examples=[],
        misfit_examples=[],
        dangling_examples=[],
    )
    made = system_writer(ctx.db).insert(undo)
    ctx.scheduler.run_after(0, step, made, 0)
    return _read(ctx, made)


@internal_query
def status(ctx: QueryCtx) -> Undo | None:
    """Return how far the newest undo is, or how it has ended."""
    return _newest(ctx)


@internal_mutation
def apply(ctx: MutationCtx, overwrite: bool = False, leave: bool = False) -> Undo:  # noqa: FBT001, FBT002 - named on the wire
    """Bring back what was planned.

    Documents that others have written since they were looked at are left, or brought back all
    the same: ``overwrite``. With ``leave``, those that the schema does not allow are left.

    Raises:
        UndoRefused: nothing is planned, or there are documents that the schema does not allow.
    """
    undo = _newest(ctx)
    if undo is None or undo.state != "planned":
        raise UndoRefused(
            "nothing is planned: call plan, and wait until its state is planned"
        )
    if undo.misfits and not leave:
        raise UndoRefused(
            f"{undo.misfits} documents were something that the schema does not allow any more;"
            f" nothing was written. Deploy a schema that allows them and plan again, or leave"
            f" them as they are",
            documents=[
                {"document": m.document, "path": m.path, "reason": m.reason}
                for m in undo.misfit_examples
            ],
        )
    undo.overwrite = overwrite
    return _go_on(ctx, undo, "restoring")


@internal_mutation
def cancel(ctx: MutationCtx) -> Undo:
    """End an undo. What it has brought back already stays."""
    undo = _newest(ctx)
    if undo is None or undo.state not in _OPEN:
        raise UndoRefused("no undo is under way")
    return _go_on(ctx, undo, "canceling")


@internal_mutation
def resume(ctx: MutationCtx) -> Undo:
    """Have an undo go on whose job has failed."""
    undo = _newest(ctx)
    if undo is None or undo.state not in _AT_WORK:
        raise UndoRefused("no undo is at work")
    return _go_on(ctx, undo, undo.state)


@internal_mutation
def step(ctx: MutationCtx, undo: Id[Undo], turn: int) -> None:
    """Do one step, and have a job do the next one."""
    db = system_writer(ctx.db)
    held = db.require(undo)
    if held.turn != turn or held.state not in _AT_WORK:
        return  # somebody else has taken it up
    _do(ctx, held)
    held.moved_ms = ctx.now
    db.replace(undo, held)
    if held.state in _AT_WORK:
        ctx.scheduler.run_after(0, step, undo, turn)
    elif held.state not in _OPEN:
        ctx.history.leave(FOLLOWER)


def _do(ctx: MutationCtx, undo: Undo) -> None:
    steps = UndoSteps(ctx.db, undo)
    todo = {
        "reading": steps.read,
        "restoring": steps.restore,
        "canceling": steps.forget,
    }[undo.state]
    try:
        todo()
    except BelowHorizon as error:
        undo.state, undo.why = "failed", f"{error}: cancel it, and plan again"


def _target(ctx: MutationCtx, ts: int | None, time: str | float | None) -> int:
    if (ts is None) == (time is None):
        raise UndoRefused("say where to go back to: either ts or time")
    if ts is not None:
        return ts
    return commit_before(ctx.db, _time_ms(time or 0))


def _time_ms(time: str | float) -> float:
    if not isinstance(time, str):
        return time
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        raise UndoRefused(f"{time!r} is no time: write 2026-01-31T12:00:00Z") from None
    if found.tzinfo is None:
        raise UndoRefused(f"{time!r} has no zone: write 2026-01-31T12:00:00Z")
    return found.timestamp() * _MS_PER_S


def _go_on(ctx: MutationCtx, undo: Undo, state: str) -> Undo:
    """Have a new chain of jobs do the rest, and the old one end."""
    undo.state = state  # type: ignore[assignment]  # one of those above
    undo.turn, undo.moved_ms = undo.turn + 1, ctx.now
    system_writer(ctx.db).replace(undo.id, undo)
    ctx.scheduler.run_after(0, step, undo.id, undo.turn)
    return _read(ctx, undo.id)


def _newest(ctx: QueryCtx) -> Undo | None:
    return ctx.db.system.query(Undo).order("desc").first()


def _read(ctx: MutationCtx, undo: Id[Undo]) -> Undo:
    return system_writer(ctx.db).require(undo)
