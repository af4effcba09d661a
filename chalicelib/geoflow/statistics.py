"""What the runs of a workflow came to: kept day by day, so that nothing is scanned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from chalicelib.engine.server import Id, Meta, MutationCtx, QueryCtx, Struct
from chalicelib.geoflow.limits import MAX_STATISTICS_DAYS
from chalicelib.geoflow.model.sketch import bucket_of, merged, quantile
from chalicelib.geoflow.schema import Execution, ExecutionDay, ExecutionStatus, Workflow

_MS: Final = 1000

Days = Annotated[int, Meta(ge=1, le=MAX_STATISTICS_DAYS)]


class DayStatistics(Struct):
    """What finished on one day (a date in UTC); durations are those of what succeeded."""

    day: str
    succeeded: int
    failed: int
    cancelled: int
    p50_ms: float | None
    p95_ms: float | None


class Statistics(Struct):
    """What became of a workflow's runs.

    ``queued`` and ``running`` are those of now; the others finished since the beginning of
    the day ``since``, in UTC. ``p50_ms`` and ``p95_ms`` tell how long those took that
    succeeded, from when a worker took them on, to 2 %; null if there were none. ``history``
    has the days on which something finished, the oldest first.
    """

    since: str
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    p50_ms: float | None
    p95_ms: float | None
    history: list[DayStatistics]


def count_in(ctx: MutationCtx, run: Execution) -> None:
    """Count a run that has just finished into its day."""
    day, db = _day_of(ctx.now), ctx.db.unrestricted
    of_day = ExecutionDay.by_workflow_day.eq(run.workflow_id).eq(day)
    found = db.query(of_day).unique()
    kept = (
        found.id if found else db.insert(ExecutionDay(workflow_id=run.workflow_id, day=day))
    )
    with db.edit(kept) as counts:
        match run.status:
            case "succeeded":
                counts.succeeded += 1
                _add_duration(counts, ctx.now - (run.started or ctx.now))
            case "failed":
                counts.failed += 1
            case _:
                counts.cancelled += 1


def statistics_of(ctx: QueryCtx, workflow_id: Id[Workflow], days: int) -> Statistics:
    """Return the statistics of today and the ``days`` - 1 days before; whoever asks."""
    since = _day_of(ctx.now, back=days - 1)
    window = ExecutionDay.by_workflow_day.eq(workflow_id).gte(since)
    kept = ctx.db.unrestricted.query(window).collect()
    whole = _summed(since, kept)
    return Statistics(
        since=since,
        queued=_count(ctx, workflow_id, "queued"),
        running=_count(ctx, workflow_id, "running"),
        succeeded=whole.succeeded,
        failed=whole.failed,
        cancelled=whole.cancelled,
        p50_ms=whole.p50_ms,
        p95_ms=whole.p95_ms,
        history=[_summed(each.day, [each]) for each in kept],
    )


def _count(ctx: QueryCtx, workflow_id: Id[Workflow], status: ExecutionStatus) -> int:
    of_status = Execution.by_workflow_status.eq(workflow_id).eq(status)
    return ctx.db.unrestricted.query(of_status).count()


def _summed(day: str, kept: Sequence[ExecutionDay]) -> DayStatistics:
    durations = merged(each.durations for each in kept)
    return DayStatistics(
        day=day,
        succeeded=sum(each.succeeded for each in kept),
        failed=sum(each.failed for each in kept),
        cancelled=sum(each.cancelled for each in kept),
        p50_ms=quantile(durations, 0.5),
        p95_ms=quantile(durations, 0.95),
    )


def _add_duration(counts: ExecutionDay, duration_ms: float) -> None:
    bucket = bucket_of(duration_ms)
    counts.durations[bucket] = counts.durations.get(bucket, 0) + 1


def _day_of(time_ms: float, *, back: int = 0) -> str:
    day = datetime.fromtimestamp(time_ms / _MS, UTC).date() - timedelta(days=back)
    return day.isoformat()
