"""What the runs of a workflow came to, day by day."""

from __future__ import annotations

from chalicelib.engine.server import Document, Id, PolicyCtx, index, indexed
from chalicelib.geoflow.schema.fields import Key
from chalicelib.geoflow.schema.workflows import Workflow, may


class ExecutionDay(Document, table="executionDays", undone=False):
    """How many runs of a workflow finished on one day, and how long they took.

    ``day`` is a date in UTC such as "2026-11-25". ``durations`` is a sketch of how long those
    took that succeeded (``model/sketch.py``).
    """

    workflow_id: Id[Workflow] = indexed()
    day: Key = indexed()
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    durations: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it
    by_workflow_day = index(workflow_id, day)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see all runs of the workflow see it; nobody writes it by hand."""
        return may(ctx, "executions.read", self.workflow_id)
