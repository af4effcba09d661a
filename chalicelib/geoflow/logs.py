"""Logs of executions: appended by workers in batches, read in pages, followed live."""

from __future__ import annotations

from typing import Annotated

from chalicelib.engine.server import (
    Id,
    Meta,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    ValidationFailed,
    mutation,
    query,
)
from chalicelib.geoflow.leases import renew_when_half_over, require_lease
from chalicelib.geoflow.limits import (
    MAX_LOG_BYTES_AT_ONCE,
    MAX_LOG_LINES,
    MAX_LOG_LINES_AT_ONCE,
    MAX_MESSAGE_CHARS,
    MAX_TAIL,
)
from chalicelib.geoflow.schema import Execution, ExecutionLog, Key, LogLevel, Message


class LogLine(Struct):
    """One line as a worker tells it; ``time`` null or absent: now, in ms since the epoch."""

    message: Message
    level: LogLevel = "info"
    node_id: Key | None = None
    time: float | None = None


Lines = Annotated[list[LogLine], Meta(max_length=MAX_LOG_LINES_AT_ONCE)]
TailLength = Annotated[int, Meta(ge=1, le=MAX_TAIL)]


@mutation
def append(
    ctx: MutationCtx, execution_id: Id[Execution], worker_id: Key, lines: Lines
) -> int:
    """Add lines to the log of a run that this worker holds; return how many were kept.

    Fewer than given, and a last line that says so, if the log is full: 100,000 lines. It
    renews the lease when half of it is over.

    Raises:
        ValidationFailed: the messages are more than 256 KiB together.
        Conflict, Forbidden, NotFound: as ``workers:complete``.
    """
    run = require_lease(ctx, execution_id, worker_id)
    _refuse_too_large(lines)
    of_run = ExecutionLog.by_execution.eq(execution_id)
    there = ctx.db.unrestricted.query(of_run).count()
    room = max(0, MAX_LOG_LINES - there)
    for line in lines[:room]:
        _write(ctx, run, line)
    if there < MAX_LOG_LINES <= there + len(lines):
        note(ctx, run, "warning", "the log is full: what comes after this is left out")
    renew_when_half_over(ctx, run)
    return min(room, len(lines))


@query
def list_page(
    ctx: QueryCtx,
    execution_id: Id[Execution],
    pagination_opts: PaginationOptions,
    level: LogLevel | None = None,
    node_id: Key | None = None,
) -> Page[ExecutionLog]:
    """Return the log of a run from its beginning, a page at a time.

    ``level`` and ``node_id`` leave only lines of that level, or about that node. Nothing, if
    there is no such run that the caller may see.
    """
    if ctx.db.get(execution_id) is None:
        return Page(page=[], is_done=True, continue_cursor="")
    of_run = (
        ExecutionLog.by_execution.eq(execution_id)
        if level is None
        else ExecutionLog.by_execution_level.eq(execution_id).eq(level)
    )
    lines = ctx.db.unrestricted.query(of_run)
    if node_id is not None:
        lines = lines.filter(lambda line: line.node_id == node_id)
    return lines.paginate(pagination_opts)


@query
def tail(
    ctx: QueryCtx, execution_id: Id[Execution], limit: TailLength = 100
) -> list[ExecutionLog]:
    """Return the last lines of a run's log, the oldest of them first: watch it to follow.

    Nothing, if there is no such run that the caller may see.
    """
    if ctx.db.get(execution_id) is None:
        return []
    of_run = ExecutionLog.by_execution.eq(execution_id)
    newest = ctx.db.unrestricted.query(of_run).order("desc").take(limit)
    return newest[::-1]


def note(ctx: MutationCtx, run: Execution, level: LogLevel, message: str) -> None:
    """Add a line of the backend's own to a run's log: what became of the run, and why."""
    _write(ctx, run, LogLine(message=message[:MAX_MESSAGE_CHARS], level=level))


def _write(ctx: MutationCtx, run: Execution, line: LogLine) -> None:
    ctx.db.unrestricted.insert(
        ExecutionLog(
            execution_id=run.id,
            attempt=run.attempts,
            level=line.level,
            node_id=line.node_id,
            message=line.message,
            time=ctx.now if line.time is None else line.time,
        )
    )


def _refuse_too_large(lines: list[LogLine]) -> None:
    size = sum(len(line.message.encode()) for line in lines)
    if size > MAX_LOG_BYTES_AT_ONCE:
        raise ValidationFailed(
            f"the messages have {size} bytes, and {MAX_LOG_BYTES_AT_ONCE} may come at once:"
            " send them in more batches",
            bytes=size,
            limit=MAX_LOG_BYTES_AT_ONCE,
        )
