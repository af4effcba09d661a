"""Mutations and actions that are scheduled, and those that schedule them."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    Retry,
    ScheduledFunction,
    action,
    internal_action,
    internal_mutation,
    mutation,
    query,
)
from tests.apps.errands.schema import Note, Secret

RUNS: list[str] = []
"""What actions did outside of any transaction, in order: tests empty it first."""

FAILING: list[int] = []
"""How often ``stumble`` is still to fail."""


@mutation
def note(ctx: MutationCtx, text: str) -> None:
    """Leave a note."""
    who = ctx.auth.identity()
    ctx.db.insert(Note(text=text, who=who.subject if who else None, at=ctx.now))


@internal_mutation
def note_inside(ctx: MutationCtx, text: str, times: int = 1) -> None:
    """Leave some notes, and say so."""
    ctx.log.info(text)
    for _ in range(times):
        note(ctx, text)


@mutation
def hide(ctx: MutationCtx, text: str) -> int:
    """Write what no public caller may, and tell how much of that is there."""
    ctx.db.insert(Secret(text=text))
    return len(ctx.db.query(Secret).collect())


@mutation
def refuse(ctx: MutationCtx, text: str) -> None:
    """Leave a note, and take it back by failing."""
    note(ctx, text)
    raise Conflict("refused", text=text)


@internal_action
def act(ctx: ActionCtx, text: str) -> None:
    """Do something outside, and leave a note of it."""
    RUNS.append(text)
    ctx.log.info(text)
    ctx.run_mutation(note, text=text)


@internal_action
def fall(ctx: ActionCtx, text: str) -> None:
    """Do something outside, and fail."""
    RUNS.append(text)
    raise Conflict("fell", text=text)


@internal_action(retry=Retry(times=2, base_ms=1000))
def stumble(ctx: ActionCtx, text: str) -> None:
    """Fail as often as it is to."""
    RUNS.append(text)
    if FAILING:
        FAILING.pop()
        raise Conflict("stumbled")


@internal_action
def go_on(ctx: ActionCtx, job: Id[ScheduledFunction] | None = None) -> None:
    """Call a job off, then schedule more, directly and by a mutation."""
    if job is not None:
        ctx.scheduler.cancel(job)
    ctx.scheduler.run_after(0, note, text="from the action")
    ctx.run_mutation(later, text="from its mutation", delay_ms=0)


@internal_action
def give_up(ctx: ActionCtx) -> None:
    """Call its own job off while it runs, then schedule more."""
    for job in ctx.run_query(jobs_in_progress):
        ctx.scheduler.cancel(job)
    ctx.scheduler.run_after(0, note, text="from the action")
    ctx.run_mutation(later, text="from its mutation", delay_ms=0)


@query
def jobs_in_progress(ctx: QueryCtx) -> list[Id[ScheduledFunction]]:
    """The jobs that run now."""
    found = ctx.db.system.query(ScheduledFunction).collect()
    return [job.id for job in found if job.kind == "inProgress"]


@mutation
def later(ctx: MutationCtx, text: str, delay_ms: float) -> Id[ScheduledFunction]:
    """Schedule a note."""
    return ctx.scheduler.run_after(delay_ms, note, text=text)


@mutation
def at(ctx: MutationCtx, text: str, time_ms: float) -> Id[ScheduledFunction]:
    """Schedule a note for a time."""
    return ctx.scheduler.run_at(time_ms, note, text=text)


@mutation
def later_and_refuse(ctx: MutationCtx, text: str) -> None:
    """Schedule a note, and fail."""
    ctx.scheduler.run_after(0, note, text=text)
    raise Conflict("refused")


@mutation
def act_later(ctx: MutationCtx, text: str, delay_ms: float) -> Id[ScheduledFunction]:
    """Schedule an action."""
    return ctx.scheduler.run_after(delay_ms, act, text)


@mutation
def many(ctx: MutationCtx, count: int, text: str) -> None:
    """Schedule many notes."""
    for number in range(count):
        ctx.scheduler.run_after(0, note, text=f"{text}{number}" if len(text) < 9 else text)


@mutation
def schedule(ctx: MutationCtx, which: str, text: str) -> Id[ScheduledFunction]:
    """Schedule one of the other functions, by name."""
    named: dict[str, Any] = {
        "hide": hide,
        "refuse": refuse,
        "fall": fall,
        "stumble": stumble,
        "note_inside": note_inside,
        "notes": notes,
    }
    return ctx.scheduler.run_after(0, named[which], text=text)


@mutation
def schedule_more(ctx: MutationCtx, which: str) -> Id[ScheduledFunction]:
    """Schedule an action that schedules."""
    named: dict[str, Any] = {"give_up": give_up, "go_on": go_on}
    return ctx.scheduler.run_after(0, named[which])


@mutation
def cancel(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    """Call a job off."""
    ctx.scheduler.cancel(job)


@action
def act_now(ctx: ActionCtx, text: str, delay_ms: float) -> Id[ScheduledFunction]:
    """Schedule a note out of an action."""
    return ctx.scheduler.run_after(delay_ms, note, text=text)


@query
def job(ctx: QueryCtx, job: Id[ScheduledFunction]) -> ScheduledFunction | None:
    """Look at a job."""
    return ctx.db.system.get(job)


@query
def jobs(ctx: QueryCtx) -> list[ScheduledFunction]:
    """Look at all jobs."""
    return ctx.db.system.query(ScheduledFunction).collect()


@query
def notes(ctx: QueryCtx) -> list[str]:
    """Read what ran."""
    return [note.text for note in ctx.db.unrestricted.query(Note).collect()]


@query
def runners(ctx: QueryCtx) -> list[str | None]:
    """Read who it ran as."""
    return [note.who for note in ctx.db.unrestricted.query(Note).collect()]


@query
def secrets(ctx: QueryCtx) -> list[str]:
    """Read what is hidden."""
    return [secret.text for secret in ctx.db.unrestricted.query(Secret).collect()]
