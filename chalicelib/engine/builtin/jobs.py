"""What the engine commits for a job: that it begins, that it has ended, that it is gone."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.database.documents import twin_id
from chalicelib.engine.errors import FunctionNotFound, WrongFunctionKind
from chalicelib.engine.functions.context import MutationCtx, QueryCtx
from chalicelib.engine.functions.jobs import DIED, Job, JobBook, Plan
from chalicelib.engine.functions.registration import (
    ActionFunction,
    MutationFunction,
    internal_mutation,
    internal_query,
)
from chalicelib.engine.functions.retries import Retry
from chalicelib.engine.functions.scheduler import table_of, target_of
from chalicelib.engine.schema import Id, ScheduledFunction, Struct
from chalicelib.engine.schema.jobs import JobState, SweptJobs


class Claim(Struct):
    """The answer to a claim: with ``run``, the action is the caller's to run.

    ``wait_ms`` is how long it is to its time, if that has not come.
    """

    wait_ms: float = 0
    run: int | None = None
    args: Any = None


class Waiting(Struct):
    """A job that has a time: what a hint about it holds."""

    job: Id[ScheduledFunction]
    path: str
    due: float
    runs: int


class Found(Struct):
    """What a sweep has to do.

    ``waiting`` jobs are due soon, or long since; ``died`` actions were not told the end of;
    the records of ``ended`` ones may go. ``left`` is the earliest due time among all these,
    ``until`` that of the last sweep; ``any`` tells whether there are jobs at all.
    """

    waiting: list[Waiting]
    died: list[Id[ScheduledFunction]]
    ended: list[Id[ScheduledFunction]]
    left: float | None
    until: float | None
    any: bool


@internal_mutation
def run(ctx: MutationCtx, job: Id[ScheduledFunction]) -> float:
    """Run a mutation that is due, and end its job, in one transaction.

    Returns:
        How long it is to its time, in milliseconds; 0 if it has run, now or before.
    """
    book = JobBook(ctx.db, ctx.now)
    found = book.waiting(job)
    if found is None:
        return 0
    if found.state.due > ctx.now:
        return found.state.due - ctx.now
    _call(ctx, found)
    # Read again: the function may have called its own job off.
    if (ran := book.waiting(job)) is not None:
        book.succeed(ran)
    return 0


@internal_mutation
def claim(ctx: MutationCtx, job: Id[ScheduledFunction]) -> Claim:
    """Take an action that is due: it is nobody else's from here on."""
    book = JobBook(ctx.db, ctx.now)
    found = book.waiting(job)
    if found is None:
        return Claim()
    if found.state.due > ctx.now:
        return Claim(wait_ms=found.state.due - ctx.now)
    return Claim(run=book.claim(found), args=found.document.args[0])


@internal_mutation
def fail(ctx: MutationCtx, job: Id[ScheduledFunction], error: str) -> None:
    """Note that a mutation has failed, of which nothing was written."""
    book = JobBook(ctx.db, ctx.now)
    if (found := book.waiting(job)) is not None:
        book.fail(found, error)


@internal_mutation
def finish(
    ctx: MutationCtx, job: Id[ScheduledFunction], run: int, error: str | None
) -> None:
    """Note how the run of an action has ended, unless it was given up before."""
    book = JobBook(ctx.db, ctx.now)
    found = book.find(job)
    if found is None or found.state.phase != "running" or found.state.runs != run:
        return
    if error is None:
        book.succeed(found)
    else:
        book.fail(found, error, _retry(ctx, found))


@internal_mutation
def postpone(ctx: MutationCtx, job: Id[ScheduledFunction], runs: int) -> None:
    """Have a job run later that met an error of the system, which says nothing about it."""
    book = JobBook(ctx.db, ctx.now)
    found = book.waiting(job)
    if found is not None and found.state.runs == runs:
        book.postpone(found, ctx.random.random())


@internal_mutation
def bury(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    """Fail an action that nobody has told the end of in time."""
    book = JobBook(ctx.db, ctx.now)
    found = book.find(job)
    if found is None or found.state.phase != "running" or found.state.due > ctx.now:
        return
    book.fail(found, DIED, _retry(ctx, found))


@internal_mutation
def schedule(
    ctx: MutationCtx,
    path: str,
    args: dict[str, Any],
    at: float,
    by: Id[ScheduledFunction] | None = None,
) -> Id[ScheduledFunction]:
    """Schedule a job for an action, which is the job ``by`` itself if it was scheduled."""
    book = JobBook(ctx.db, ctx.now)
    return book.add(Plan(path, args, at), canceled=by is not None and book.is_canceled(by))


@internal_mutation
def cancel(ctx: MutationCtx, job: Id[ScheduledFunction]) -> None:
    """Call a job off."""
    JobBook(ctx.db, ctx.now).cancel(job)


@internal_query
def look(
    ctx: QueryCtx, now: float, soon: float, since: float | None, margin: float, most: int
) -> Found:
    """Find what a sweep has to do, ``most`` of each.

    It begins at ``since``, or else ``margin`` milliseconds before the last sweep.
    """
    db = ctx.db.system
    mark = db.query(SweptJobs).first()
    last = mark.until if mark is not None else None
    start = since if since is not None else max((last or 0.0) - margin, 0.0)

    def due(phase: str, until: float) -> list[JobState]:
        named: Any = phase
        found = JobState.by_phase.eq(named).gte(start).lt(until)
        return db.query(found).take(most)

    waiting, died, ended = due("waiting", soon), due("running", now), due("ended", now)
    dues = [states[0].due for states in (waiting, died, ended) if states]

    def ids(states: list[JobState]) -> list[Id[ScheduledFunction]]:
        return [twin_id(db, state.id, ScheduledFunction) for state in states]

    return Found(
        waiting=[
            Waiting(job=job, path=state.path, due=state.due, runs=state.runs)
            for state, job in zip(waiting, ids(waiting), strict=True)
        ],
        died=ids(died),
        ended=ids(ended),
        left=min(dues, default=None),
        until=last,
        any=db.query(JobState).order("desc").first() is not None,
    )


@internal_mutation
def remove(ctx: MutationCtx, jobs: list[Id[ScheduledFunction]]) -> None:
    """Forget jobs that have ended long ago."""
    book = JobBook(ctx.db, ctx.now)
    for job in jobs:
        book.remove(job)


@internal_mutation
def swept(ctx: MutationCtx, until: float) -> None:
    """Note up to when nothing is left to be done."""
    db = JobBook(ctx.db, ctx.now).db
    mark = db.query(SweptJobs).first()
    if mark is None:
        db.insert(SweptJobs(until=until))
    elif mark.until < until:
        db.patch(mark.id, until=until)


def _call(ctx: MutationCtx, job: Job) -> None:
    """Call the function of a job in the transaction of ``ctx``, as clients' calls are."""
    path = job.state.path
    target = target_of(ctx.scheduler, path)
    if target is None:
        raise FunctionNotFound(f"Could not find function for '{path}'.")
    if not isinstance(target.function, MutationFunction):
        raise WrongFunctionKind(
            f"Trying to execute {path} as mutation, but it is defined as "
            f"{target.function.kind}."
        )
    signature = target.function.signature
    arguments = signature.decode_args(job.document.args[0], table_of(ctx.scheduler))
    signature.encode_result(target.function(ctx, **arguments))


def _retry(ctx: MutationCtx, job: Job) -> Retry | None:
    target = target_of(ctx.scheduler, job.state.path)
    function = target.function if target is not None else None
    return function.retry if isinstance(function, ActionFunction) else None
