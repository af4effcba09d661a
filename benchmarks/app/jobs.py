"""Jobs that leave a trace of each run, and those that schedule thousands of them."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random

from benchmarks.app.schema import Run
from chalicelib.engine.server import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    ScheduledFunction,
    Struct,
    internal_action,
    internal_mutation,
    mutation,
    query,
)

PAGE = 2500
WORK_S = 0.1
"""How long an action takes: long enough that a kill meets some of them."""


class Ended(Struct):
    """A job: its number, its state, how late it ended in milliseconds, when it was made."""

    number: int
    action: bool
    kind: str
    late_ms: float | None
    made: float


@internal_mutation
def run(ctx: MutationCtx, number: int) -> None:
    """Leave a trace in the database."""
    ctx.db.insert(Run(number=number))


@internal_action
def act(ctx: ActionCtx, number: int, trace: str) -> None:
    """Leave a trace in a file, which no database takes back, and one in the database."""
    with Path(trace).open("a") as file:
        file.write(f"{number}\n")
    time.sleep(WORK_S)
    ctx.run_mutation(run, number=number)


@mutation
def plan(
    ctx: MutationCtx,
    first: int,
    count: int,
    from_ms: float,
    until_ms: float,
    trace: str,
    every: int,
) -> None:
    """Schedule jobs at random times; one in ``every`` is an action."""
    random: Random = ctx.random
    for number in range(first, first + count):
        at_ms = random.uniform(from_ms, until_ms)
        if number % every:
            ctx.scheduler.run_at(at_ms, run, number=number)
        else:
            ctx.scheduler.run_at(at_ms, act, number=number, trace=trace)


@query
def ended(ctx: QueryCtx, after: float) -> list[Ended]:
    """A page of jobs in the order in which they were scheduled."""
    jobs = ctx.db.system.query(ScheduledFunction.by_creation_time.gt(after)).take(PAGE)
    return [_ended(job) for job in jobs]


@query
def runs(ctx: QueryCtx, least: int) -> list[int]:
    """A page of the numbers that left traces, with those of double runs twice."""
    found = ctx.db.query(Run.by_number.gte(least)).take(PAGE)
    return [one.number for one in found]


def _ended(job: ScheduledFunction) -> Ended:
    completed = job.completed_time
    return Ended(
        number=job.args[0]["number"],
        action=job.name.endswith(":act"),
        kind=job.kind,
        late_ms=completed - job.scheduled_time if isinstance(completed, float) else None,
        made=job.creation_time,
    )
