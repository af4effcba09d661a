"""GeoFlow's tables, and who may see and change what is in them.

All times are milliseconds since the Unix epoch.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalicelib.engine.server import (
    Document,
    Id,
    Meta,
    PolicyCtx,
    Struct,
    index,
    indexed,
)
from chalicelib.geoflow.limits import (
    MAX_DESCRIPTION_CHARS,
    MAX_EDGES,
    MAX_KEY_CHARS,
    MAX_MESSAGE_CHARS,
    MAX_NAME_CHARS,
    MAX_NODES,
    MAX_TAG_CHARS,
    MAX_TAGS,
    MAX_URL_CHARS,
)

Role = Literal["member", "admin"]
WorkflowStatus = Literal["draft", "active", "archived"]
ExecutionStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
NodeStatus = Literal["pending", "running", "succeeded", "failed", "skipped"]
Trigger = Literal["manual", "schedule", "http", "api"]

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION_CHARS)]
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG_CHARS)]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_CHARS)]
Message = Annotated[str, Meta(max_length=MAX_MESSAGE_CHARS)]
Url = Annotated[str, Meta(max_length=MAX_URL_CHARS)]
Progress = Annotated[float, Meta(ge=0, le=1)]
"""A share of the work that is done, 0 to 1."""


class Preferences(Struct):
    """How a user wants the product to look."""

    theme: Literal["system", "light", "dark"] = "system"
    language: Key = "en"


class User(Document, table="users"):
    """Somebody who has signed in and done something at least once."""

    token_identifier: str = indexed()
    name: Name
    email: str | None = None
    avatar: Url | None = None
    role: Role = "member"
    preferences: Preferences
    by_token = index(token_identifier)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let people see themselves, and admins everybody."""
        identity = ctx.auth.identity()
        return identity is not None and (
            self.token_identifier == identity.token_identifier or is_admin(ctx)
        )

    can_write = can_read


class Position(Struct):
    """Where a node is drawn, in the units of the canvas."""

    x: float
    y: float


class Node(Struct):
    """One step of a workflow; what ``config`` may hold depends on its ``type``."""

    id: Key
    type: Key
    position: Position
    config: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it


class Edge(Struct):
    """What one node gives, another takes; both are named by their ids."""

    source: Key
    target: Key


Nodes = Annotated[list[Node], Meta(max_length=MAX_NODES)]
Edges = Annotated[list[Edge], Meta(max_length=MAX_EDGES)]


class Workflow(Document, table="workflows"):
    """A graph of processing steps; ``version`` goes up when the graph changes."""

    owner: Id[User] = indexed()
    name: Name
    description: Description | None = None
    status: WorkflowStatus = "draft"
    version: int = 1
    tags: Tags
    nodes: Nodes
    edges: Edges
    by_owner = index(owner)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let its owner see it, and admins."""
        return acts_for(ctx, self.owner)

    can_write = can_read


class WorkflowVersion(Document, table="workflowVersions"):
    """A definition as it was when it was first run; nothing changes it."""

    workflow_id: Id[Workflow] = indexed()
    version: int = indexed()
    nodes: Nodes
    edges: Edges
    by_workflow_version = index(workflow_id, version)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see the workflow see it."""
        workflow = ctx.db.get(self.workflow_id)
        return workflow is not None and workflow.can_read(ctx)

    can_write = can_read


class NodeState(Struct):
    """How far one node of a run has come."""

    node_id: Key
    state: NodeStatus = "pending"
    progress: Progress = 0.0
    message: Message | None = None


class Execution(Document, table="executions"):
    """One run of one version of a workflow.

    ``owner`` is who started it. ``worker_id`` is the worker that has it, or had it last, and
    ``worker`` the token identifier it reports with; they hold it until ``lease_expires``.
    ``attempts`` counts the workers that it was handed to.
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
    attempts: int = 0
    by_workflow = index(workflow_id)
    by_owner_status = index(owner, status)
    by_status_lease = index(status, lease_expires)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let who started it see it, the workflow's owner, and admins."""
        if is_caller(ctx, self.owner):
            return True
        workflow = ctx.db.get(self.workflow_id)
        return workflow.can_read(ctx) if workflow is not None else is_admin(ctx)

    can_write = can_read


def caller(ctx: PolicyCtx) -> User | None:
    """Return the user who calls; None if nobody is signed in, or was never seen before."""
    identity = ctx.auth.identity()
    if identity is None:
        return None
    return ctx.db.query(User.by_token.eq(identity.token_identifier)).unique()


def is_admin(ctx: PolicyCtx) -> bool:
    """Tell whether the caller may see and do everything."""
    me = caller(ctx)
    return me is not None and me.role == "admin"


def is_caller(ctx: PolicyCtx, user_id: Id[User]) -> bool:
    """Tell whether that user is the caller.

    Asked of every row of a list, it reads the user by id, once for all rows of one owner;
    looking for the caller by token would read a range of an index for each row.
    """
    identity, user = ctx.auth.identity(), ctx.db.get(user_id)
    if identity is None or user is None:
        return False
    return user.token_identifier == identity.token_identifier


def acts_for(ctx: PolicyCtx, user_id: Id[User]) -> bool:
    """Tell whether the caller is that user, or an admin."""
    return is_caller(ctx, user_id) or is_admin(ctx)
