"""What a deployment commits for crons: the table becomes what the code says."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.database.documents import twin_id
from chalicelib.engine.functions.context import MutationCtx
from chalicelib.engine.functions.cron_times import first_time_ms
from chalicelib.engine.functions.jobs import JobBook, Plan, canonical_name, document_name
from chalicelib.engine.functions.registration import internal_mutation
from chalicelib.engine.schema import Struct
from chalicelib.engine.schema.jobs import (
    CronExpression,
    CronJob,
    Daily,
    Hourly,
    Interval,
    JobState,
    Monthly,
    Weekly,
)


class CronSpec(Struct):
    """A cron as the code has it."""

    name: str
    path: str
    args: dict[str, Any]
    schedule: Interval | Hourly | Daily | Weekly | Monthly | CronExpression


@internal_mutation
def deploy(ctx: MutationCtx, crons: list[CronSpec]) -> None:
    """Add, change and remove crons; those that are as before go on as before."""
    book = JobBook(ctx.db, ctx.now)
    deployed = book.db.query(CronJob.by_name.gte("")).collect()
    held = {cron.name: cron for cron in deployed}
    wanted = {spec.name for spec in crons}
    for name, cron in held.items():
        if name not in wanted:
            # In this order: the run of a cron that is there has a successor.
            book.db.delete(cron.id)
            book.cancel(cron.job)
    for spec in crons:
        old = held.get(spec.name)
        if old is None:
            _add(book, spec, ctx.now)
        elif not _is_same(old, spec):
            _change(book, old, spec, ctx.now)


def _is_same(cron: CronJob, spec: CronSpec) -> bool:
    return (cron.function, cron.args, cron.schedule) == (
        document_name(spec.path),
        [spec.args],
        spec.schedule,
    )


def _add(book: JobBook, spec: CronSpec, now_ms: float) -> None:
    first_ms = first_time_ms(spec.schedule, now_ms)
    plan = Plan(spec.path, spec.args, first_ms)
    # The two name each other, so one of them has to be written twice.
    job = book.add(plan)
    cron = book.db.insert(
        CronJob(
            name=spec.name,
            function=document_name(spec.path),
            args=[spec.args],
            schedule=spec.schedule,
            next_run=first_ms,
            job=job,
        )
    )
    book.db.patch(twin_id(book.db, job, JobState), cron=cron)


def _change(book: JobBook, cron: CronJob, spec: CronSpec, now_ms: float) -> None:
    """Change a cron. A run under way ends first; one that waits gives way to a new one."""
    found = book.find(cron.job)
    rescheduled = cron.schedule != spec.schedule
    with book.db.edit(cron.id) as draft:
        draft.function, draft.args = document_name(spec.path), [spec.args]
        draft.schedule = spec.schedule
        if found is not None and found.state.phase == "running":
            return
        if rescheduled:
            draft.next_run = first_time_ms(spec.schedule, now_ms)
        plan = Plan(canonical_name(draft.function), spec.args, draft.next_run)
        draft.job = book.add(plan, cron=cron.id)
    # The cron names the new job by now, so this one has no successor.
    book.cancel(cron.job)
