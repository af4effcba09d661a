"""Workflows: drawn by their owners, checked before they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Unset,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_ANSWER_BYTES, MAX_LISTED, MAX_NAME_CHARS
from chalicelib.geoflow.model.definitions import check_definition
from chalicelib.geoflow.model.names import has_text
from chalicelib.geoflow.removal import remove_rest
from chalicelib.geoflow.schema import (
    Description,
    Edges,
    Name,
    Nodes,
    Permission,
    Tags,
    User,
    Workflow,
    WorkflowMember,
    WorkflowStatus,
    caller,
    oversees,
    relation_to,
    require_permission,
)
from chalicelib.geoflow.users import current_user


@query
def list_(ctx: QueryCtx) -> list[Workflow]:
    """Return the workflows that the caller may see, newest first, at most 100."""
    me = _reader(ctx)
    if me is None:
        return []
    if oversees(me):
        return ctx.db.unrestricted.query(Workflow).order("desc").take(MAX_LISTED)
    seen = ctx.db.unrestricted.query(WorkflowMember.by_user.eq(me.id)).order("desc")
    return _shared(ctx, seen.take(MAX_LISTED))


@query
def list_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[Workflow]:
    """Return the workflows that the caller may see, newest first, a page at a time."""
    return search(ctx, "", pagination_opts)


@query
def search(ctx: QueryCtx, text: str, pagination_opts: PaginationOptions) -> Page[Workflow]:
    """Return those of the caller's workflows whose name or tags have ``text`` in them.

    Upper and lower case are the same. Newest first; a page may be short, or empty, and yet
    not be the last: it ends when it has read 4 MiB of workflows.
    """
    me = _reader(ctx)
    if me is None:
        return Page(page=[], is_done=True, continue_cursor="")
    db, pagination_opts = ctx.db.unrestricted, _bounded(pagination_opts)
    if oversees(me):
        every = db.query(Workflow).order("desc")
        return every.filter(lambda one: _matches(one, text)).paginate(pagination_opts)
    seen = db.query(WorkflowMember.by_user.eq(me.id)).order("desc")

    def matches(row: WorkflowMember) -> bool:
        workflow = db.get(row.workflow_id)
        return workflow is not None and _matches(workflow, text)

    page = seen.filter(matches).paginate(pagination_opts)
    return page.map(lambda row: db.require(row.workflow_id))


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
    require_permission(ctx, "workflows.create", "none")
    check_definition(nodes or [], edges or [])
    made = ctx.db.insert(
        Workflow(
            owner=me.id,
            name=name,
            description=description,
            tags=tags or [],
            nodes=nodes or [],
            edges=edges or [],
        )
    )
    ctx.db.insert(as_member(ctx.db.require(made), me.id, "owner"))
    return made


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
    checked_workflow(ctx, "workflows.change", workflow_id)
    redefine(ctx, workflow_id, nodes, edges)
    with ctx.db.edit(workflow_id) as workflow:
        if name is not UNSET:
            workflow.name = name
        if description is not UNSET:
            workflow.description = description
        if tags is not UNSET:
            workflow.tags = tags


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


@mutation
def remove(ctx: MutationCtx, workflow_id: Id[Workflow]) -> None:
    """Remove a workflow for good, with its runs, versions and members; files stay.

    It is gone for everybody at once. What belongs to it goes after it, in small steps.
    """
    checked_workflow(ctx, "workflows.remove", workflow_id)
    ctx.db.delete(workflow_id)
    ctx.scheduler.run_after(0, remove_rest, workflow_id)


def checked_workflow(
    ctx: QueryCtx, permission: Permission, workflow_id: Id[Workflow]
) -> Workflow:
    """Return a workflow with which the caller may do that.

    Raises:
        Unauthenticated: nobody is signed in.
        NotFound: there is none that the caller may see.
        Forbidden: the caller may see it, and no more.
    """
    ctx.auth.require()
    workflow = ctx.db.require(workflow_id)
    require_permission(ctx, permission, relation_to(ctx, workflow))
    return workflow


def as_member(
    workflow: Workflow, user_id: Id[User], access: Literal["view", "edit", "owner"]
) -> WorkflowMember:
    """The row by which a workflow is among those that a user sees."""
    return WorkflowMember(
        workflow_id=workflow.id,
        user_id=user_id,
        access=access,
        made=workflow.creation_time,
    )


def _reader(ctx: QueryCtx) -> User | None:
    """The caller's user, if the caller is there and may read workflows at all."""
    ctx.auth.require()
    me = caller(ctx)
    require_permission(ctx, "workflows.read", "owner")
    return me


def _bounded(opts: PaginationOptions) -> PaginationOptions:
    """A page as it is wanted, and yet of no more bytes than an answer should have."""
    wanted = opts.maximum_bytes_read
    most = MAX_ANSWER_BYTES if wanted is UNSET else min(wanted, MAX_ANSWER_BYTES)
    return replace(opts, maximum_bytes_read=most)


def _matches(workflow: Workflow, text: str) -> bool:
    return has_text(text, workflow.name, *workflow.tags)


def _shared(ctx: QueryCtx, members: Sequence[WorkflowMember]) -> list[Workflow]:
    """The workflows of these rows: that they are there says that the caller may see them."""
    found = (ctx.db.unrestricted.get(member.workflow_id) for member in members)
    return [workflow for workflow in found if workflow is not None]


def redefine(
    ctx: MutationCtx,
    workflow_id: Id[Workflow],
    nodes: Nodes | Unset = UNSET,
    edges: Edges | Unset = UNSET,
) -> None:
    """Draw a workflow anew, which is its next version if that changes anything.

    Raises:
        Conflict: the workflow is archived.
        ValidationFailed: the definition is unsound.
    """
    with ctx.db.edit(workflow_id) as workflow:
        _refuse_archived(workflow)
        before = workflow.nodes, workflow.edges
        workflow.nodes = workflow.nodes if nodes is UNSET else nodes
        workflow.edges = workflow.edges if edges is UNSET else edges
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
    checked_workflow(ctx, "workflows.change", workflow_id)
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
