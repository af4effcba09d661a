"""Logs of executions, line by line."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import Document, Id, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.executions import Execution, relation_to_run
from chalicelib.geoflow.schema.fields import Key, Message
from chalicelib.geoflow.schema.users import is_permitted

LogLevel = Literal["debug", "info", "warning", "error"]


class ExecutionLog(Document, table="executionLogs", undone=False):
    """One line of the log of a run, in the order in which they came.

    ``time`` is when it happened, by the clock of whoever says so; ``attempt`` which worker
    had the run, 1 being the first, and 0 before there was any. ``node_id`` null: it is about
    the whole run.
    """

    execution_id: Id[Execution] = indexed()
    attempt: int
    level: LogLevel = indexed()
    node_id: Key | None = None
    message: Message
    time: float
    by_execution = index(execution_id)
    by_execution_level = index(execution_id, level)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see the run see it; workers write it past this policy."""
        run = ctx.db.unrestricted.get(self.execution_id)
        return run is not None and is_permitted(
            ctx, "executions.read", relation_to_run(ctx, run)
        )
