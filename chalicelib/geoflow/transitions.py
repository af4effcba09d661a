"""The one place where a run changes its status, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.engine.server import Id, MutationCtx
from chalicelib.geoflow.events import emit_run
from chalicelib.geoflow.model.runs import FINISHED, move
from chalicelib.geoflow.schema import Execution, ExecutionStatus
from chalicelib.geoflow.statistics import count_in


@contextmanager
def moved(
    ctx: MutationCtx, execution_id: Id[Execution], to: ExecutionStatus
) -> Iterator[Execution]:
    """Give a draft of a run that has just become ``to``; it is written when the block ends.

    Row policies are not asked: whoever calls has asked whether the caller may.

    Raises:
        Conflict: a run of its status cannot become that.
        NotFound: there is no such run.
    """
    with ctx.db.unrestricted.edit(execution_id) as run:
        move(run, to, ctx.now)
        yield run
    _tell(ctx, run)
    if to in FINISHED:
        count_in(ctx, run)


def _tell(ctx: MutationCtx, run: Execution) -> None:
    """Tell webhooks; of a run that is tried again, the first beginning and the end alone."""
    if run.status == "running" and run.attempts == 1:
        emit_run(ctx, "workflow.started", run)
    elif run.status == "succeeded":
        emit_run(ctx, "workflow.completed", run)
    elif run.status == "failed":
        emit_run(ctx, "workflow.failed", run)
