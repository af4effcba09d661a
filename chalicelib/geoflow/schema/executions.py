"""Executions: runs of workflows."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.engine.server import Document, Id, PolicyCtx, Struct, index, indexed
from chalicelib.geoflow.model.permissions import Relation
from chalicelib.geoflow.schema.fields import Key, Message, Progress
from chalicelib.geoflow.schema.run_policies import RetryPolicy, Timeout
from chalicelib.geoflow.schema.users import User, is_caller, is_permitted
from chalicelib.geoflow.schema.workflows import Workflow, relation_to_id

ExecutionStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
NodeStatus = Literal["pending", "running", "succeeded", "failed", "skipped"]
Trigger = Literal["manual", "schedule", "http", "api"]


class NodeState(Struct):
    """How far one node of a run has come."""

    node_id: Key
    state: NodeStatus = "pending"
    progress: Progress = 0.0
    message: Message | None = None


class Execution(Document, table="executions", undone=False):
    """One run of one version of a workflow.

    ``owner`` is who started it. ``worker_id`` is the worker that has it, or had it last, and
    ``worker`` the id of who reports with it (:class:`Worker`); it is theirs until
    ``lease_expires``.

    A queued run may be claimed from ``due`` on; while it waits for that it is ``delayed``.
    ``attempts`` counts the workers that it was handed to, ``failures`` those that reported
    that it may go better another time, ``losses`` those that were not heard of again.
    ``retry_of`` is the run that somebody had done again by hand.
    """

    workflow_id: Id[Workflow] = indexed()
    workflow_version: int
    owner: Id[User] = indexed()
    status: ExecutionStatus = indexed(default="queued")
    trigger: Trigger = "manual"
    inputs: dict[str, Any]
    outputs: dict[str, Any] | None = None
    progress: Progress = 0.0
    node_states: list[NodeState]
    error: Message | None = None
    started: float | None = None
    finished: float | None = None
    worker_id: Key | None = None
    worker: str | None = None
    lease_expires: float | None = indexed(default=None)
    delayed: bool = indexed(default=False)
    due: float = indexed(default=0.0)
    attempts: int = 0
    failures: int = 0
    losses: int = 0
    retry: RetryPolicy = RetryPolicy()
    timeout_ms: Timeout | None = None
    retry_of: Id[Execution] | None = None
    by_workflow = index(workflow_id)
    by_workflow_status = index(workflow_id, status)
    by_owner = index(owner)
    by_owner_status = index(owner, status)
    by_status = index(status)
    by_status_lease = index(status, lease_expires)
    by_queue = index(status, delayed, due)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "executions.read", relation_to_run(ctx, self))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "executions.control", relation_to_run(ctx, self))


def relation_to_run(ctx: PolicyCtx, run: Execution) -> Relation:
    """What the caller is to a run: its own, or as to the workflow."""
    if is_caller(ctx, run.owner):
        return "owner"
    return relation_to_id(ctx, run.workflow_id)
