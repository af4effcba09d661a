"""Workflows, who shares them, and their definitions as they were run or published."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from chalicelib.engine.server import (
    Document,
    Id,
    Meta,
    PolicyCtx,
    Struct,
    index,
    indexed,
)
from chalicelib.geoflow.limits import MAX_EDGES, MAX_NODES
from chalicelib.geoflow.model.permissions import Permission, Relation
from chalicelib.geoflow.schema.fields import Description, Email, Key, Name, Tags
from chalicelib.geoflow.schema.run_policies import RunPolicy
from chalicelib.geoflow.schema.users import User, caller, is_caller, is_permitted

WorkflowStatus = Literal["draft", "active", "archived"]
Access = Literal["view", "edit"]
"""What a member may do with a workflow."""


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
    run_policy: RunPolicy = RunPolicy()
    by_owner = index(owner)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "workflows.read", relation_to(ctx, self))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix; functions ask it, too, for what they do exactly."""
        return is_permitted(ctx, "workflows.change", relation_to(ctx, self))


class WorkflowMember(Document, table="workflowMembers"):
    """Somebody who sees a workflow: its owner, and all with whom it is shared.

    The owner is among them so that one index holds all that a user sees. ``made`` is when
    the workflow was made, in ms since the Unix epoch: lists are in that order.
    """

    workflow_id: Id[Workflow] = indexed()
    user_id: Id[User] = indexed()
    access: Literal["view", "edit", "owner"]
    made: float = indexed()
    by_workflow_user = index(workflow_id, user_id)
    by_user = index(user_id, made)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see the workflow see it."""
        return is_caller(ctx, self.user_id) or may(ctx, "workflows.read", self.workflow_id)

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let whoever may share the workflow change it."""
        return may(ctx, "workflows.share", self.workflow_id)


class WorkflowInvitation(Document, table="workflowInvitations"):
    """That a workflow is to be shared with whoever has an address, once they come.

    ``email`` is in lower case. ``invited_by`` must still be allowed to share it then.
    """

    workflow_id: Id[Workflow] = indexed()
    email: Email = indexed()
    access: Access
    invited_by: Id[User]
    by_workflow_email = index(workflow_id, email)
    by_email = index(email)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may share the workflow see it; its addressee is shown less of it."""
        return may(ctx, "workflows.share", self.workflow_id)

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let whoever may share the workflow change it."""
        return may(ctx, "workflows.share", self.workflow_id)


class WorkflowVersion(Document, table="workflowVersions"):
    """A definition as it was when it was published, or first run; nothing changes it.

    ``author`` is who kept it, ``note`` what they say about it.
    """

    workflow_id: Id[Workflow] = indexed()
    version: int = indexed()
    nodes: Nodes
    edges: Edges
    author: Id[User] | None = None
    note: Description | None = None
    by_workflow_version = index(workflow_id, version)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let whoever may see the workflow see it."""
        return may(ctx, "workflows.read", self.workflow_id)

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Let whoever may run the workflow keep what is run, and whoever may change it publish."""
        return any(may(ctx, each, self.workflow_id) for each in _KEEPING)


_KEEPING: Final[tuple[Permission, ...]] = ("workflows.run", "workflows.change")


def relation_to(ctx: PolicyCtx, workflow: Workflow) -> Relation:
    """What the caller is to a workflow."""
    if is_caller(ctx, workflow.owner):
        return "owner"
    me = caller(ctx)
    return "none" if me is None else relation_of(ctx, workflow, me)


def relation_of(ctx: PolicyCtx, workflow: Workflow, user: User) -> Relation:
    """What a user is to a workflow, whoever calls: for what runs in their name."""
    if workflow.owner == user.id:
        return "owner"
    member = member_of(ctx, workflow.id, user.id)
    # Who was the owner once and is no longer has no row that says so.
    return "none" if member is None or member.access == "owner" else member.access


def relation_to_id(ctx: PolicyCtx, workflow_id: Id[Workflow] | None) -> Relation:
    """What the caller is to a workflow; nothing, if there is none (any more)."""
    workflow = workflow_id and ctx.db.unrestricted.get(workflow_id)
    return relation_to(ctx, workflow) if workflow else "none"


def may(ctx: PolicyCtx, permission: Permission, workflow_id: Id[Workflow]) -> bool:
    """Tell whether the matrix allows it, by what the caller is to the workflow."""
    return is_permitted(ctx, permission, relation_to_id(ctx, workflow_id))


def member_of(
    ctx: PolicyCtx, workflow_id: Id[Workflow], user_id: Id[User]
) -> WorkflowMember | None:
    """Return how a user sees a workflow, or None."""
    of_user = WorkflowMember.by_workflow_user.eq(workflow_id).eq(user_id)
    return ctx.db.unrestricted.query(of_user).unique()
