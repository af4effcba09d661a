"""Workflows: drawn by their owners, checked before they are kept."""

from __future__ import annotations

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    Unset,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_LISTED, MAX_NAME_CHARS
from chalicelib.geoflow.model.definitions import check_definition
from chalicelib.geoflow.schema import (
    Description,
    Edges,
    Name,
    Nodes,
    Tags,
    Workflow,
    WorkflowStatus,
    caller,
)
from chalicelib.geoflow.users import current_user


@query
def list_(ctx: QueryCtx) -> list[Workflow]:
    """Return the workflows that the caller may see, newest first, at most 100."""
    ctx.auth.require()
    me = caller(ctx)
    if me is None:
        return []
    if me.role == "admin":
        # Admins see every row: asking the policy of each would find that out a row at a time.
        return ctx.db.unrestricted.query(Workflow).order("desc").take(MAX_LISTED)
    return ctx.db.query(Workflow.by_owner.eq(me.id)).order("desc").take(MAX_LISTED)


@query
def get(ctx: QueryCtx, workflow_id: Id[Workflow]) -> Workflow | None:
    """Return the workflow; null if there is none that the caller may see."""
    return ctx.db.get(workflow_id)


@mutation
def create(
    ctx: MutationCtx,
    name: Name,
    description: Description | None = None,
    tags: Tags | None = None,
    nodes: Nodes | None = None,
    edges: Edges | None = None,
) -> Id[Workflow]:
    """Keep a new draft that belongs to the caller."""
    me = current_user(ctx)
    check_definition(nodes or [], edges or [])
    return ctx.db.insert(
        Workflow(
            owner=me.id,
            name=name,
            description=description,
            tags=tags or [],
            nodes=nodes or [],
            edges=edges or [],
        )
    )


@mutation
def update(
    ctx: MutationCtx,
    workflow_id: Id[Workflow],
    name: Name | Unset = UNSET,
    description: Description | Unset | None = UNSET,
    tags: Tags | Unset = UNSET,
    nodes: Nodes | Unset = UNSET,
    edges: Edges | Unset = UNSET,
) -> None:
    """Change what is given; a changed definition is a new version.

    Runs that have started keep the version that they started with.
    """
    current_user(ctx)
    with ctx.db.edit(workflow_id) as workflow:
        _refuse_archived(workflow)
        if name is not UNSET:
            workflow.name = name
        if description is not UNSET:
            workflow.description = description
        if tags is not UNSET:
            workflow.tags = tags
        _redefine(workflow, nodes, edges)


@mutation
def activate(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Declare a draft ready for use."""
    _set_status(ctx, workflow_id, "active", allowed_from=("draft", "active"))


@mutation
def archive(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Put a workflow away: it can be read, but neither changed nor run."""
    _set_status(ctx, workflow_id, "archived", allowed_from=("draft", "active", "archived"))


@mutation
def restore(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Take an archived workflow back, as a draft."""
    _set_status(ctx, workflow_id, "draft", allowed_from=("archived",))


@mutation
def duplicate(
    ctx: MutationCtx, workflow_id: Id[Workflow], name: Name | None = None
) -> Id[Workflow]:
    """Make a draft of the caller's own out of any workflow that the caller may see."""
    original = ctx.db.require(workflow_id)
    return create(
        ctx,
        name or f"{original.name} (copy)"[:MAX_NAME_CHARS],
        original.description,
        original.tags,
        original.nodes,
        original.edges,
    )


def _redefine(workflow: Workflow, nodes: Nodes | Unset, edges: Edges | Unset) -> None:
    before = workflow.nodes, workflow.edges
    if nodes is not UNSET:
        workflow.nodes = nodes
    if edges is not UNSET:
        workflow.edges = edges
    if (workflow.nodes, workflow.edges) != before:
        check_definition(workflow.nodes, workflow.edges)
        workflow.version += 1


def _set_status(
    ctx: MutationCtx,
    workflow_id: Id[Workflow],
    status: WorkflowStatus,
    *,
    allowed_from: tuple[WorkflowStatus, ...],
) -> None:
    current_user(ctx)
    with ctx.db.edit(workflow_id) as workflow:
        if workflow.status not in allowed_from:
            raise Conflict(
                f"a workflow that is {workflow.status} cannot become {status}",
                status=workflow.status,
                wanted=status,
            )
        workflow.status = status


def _refuse_archived(workflow: Workflow) -> None:
    if workflow.status == "archived":
        raise Conflict(
            f"workflow {workflow.name!r} is archived: restore it first",
            status=workflow.status,
        )
