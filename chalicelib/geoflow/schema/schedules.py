"""Schedules: when workflows run by themselves."""

from __future__ import annotations

from typing import Annotated, Any

from chalicelib.engine.server import (
    Document,
    Id,
    Meta,
    PolicyCtx,
    ScheduledFunction,
    Struct,
    index,
    indexed,
)
from chalicelib.geoflow.limits import MAX_CRON_CHARS
from chalicelib.geoflow.schema.executions import Execution
from chalicelib.geoflow.schema.fields import Key, Message
from chalicelib.geoflow.schema.users import User
from chalicelib.geoflow.schema.workflows import Workflow, may

Cron = Annotated[str, Meta(min_length=1, max_length=MAX_CRON_CHARS)]
"""A cron expression: minute, hour, day of month, month, day of week."""


class Skip(Struct):
    """A run that a schedule had to leave out: when, and why."""

    time: float
    reason: Message


class Schedule(Document, table="schedules"):
    """When a workflow runs by itself: ``cron`` is read in ``time_zone``, an IANA name.

    ``owner`` is who changed it last: its runs are theirs, and count among theirs. ``next_time``
    is when it runs next, null while it is not ``enabled``; ``last_time`` when it last ran, as
    ``last_execution``. ``skipped`` counts the runs that were left out, ``skips`` are the
    latest of them. ``job`` is the call that waits for the next time.
    """

    workflow_id: Id[Workflow] = indexed()
    owner: Id[User] = indexed()
    cron: Cron
    time_zone: Key = "UTC"
    enabled: bool = True
    inputs: dict[str, Any]
    next_time: float | None = None
    last_time: float | None = None
    last_execution: Id[Execution] | None = None
    skipped: int = 0
    skips: list[Skip] = []  # noqa: RUF012 - msgspec copies it
    job: Id[ScheduledFunction] | None = None
    by_workflow = index(workflow_id)
    by_owner = index(owner)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see the workflow see it."""
        return may(ctx, "workflows.read", self.workflow_id)

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let whoever may run the workflow change it."""
        return may(ctx, "workflows.run", self.workflow_id)
