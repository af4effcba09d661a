"""Versions: definitions of a workflow as they were published or run, restorable."""

from __future__ import annotations

from chalicelib.engine.server import (
    Conflict,
    Id,
    MutationCtx,
    NotFound,
    Page,
    PaginationOptions,
    QueryCtx,
    mutation,
    query,
)
from chalicelib.geoflow.limits import MAX_LISTED
from chalicelib.geoflow.schema import (
    Description,
    User,
    Workflow,
    WorkflowVersion,
)
from chalicelib.geoflow.users import current_user
from chalicelib.geoflow.workflows import checked_workflow, redefine


@query
def list_(ctx: QueryCtx, workflow_id: Id[Workflow]) -> list[WorkflowVersion]:
    """Return the kept versions of a workflow, newest first, at most 100.

    None, if there is no such workflow that the caller may see.
    """
    if ctx.db.get(workflow_id) is None:
        return []
    kept = WorkflowVersion.by_workflow_version.eq(workflow_id)
    return ctx.db.unrestricted.query(kept).order("desc").take(MAX_LISTED)


@query
def list_page(
    ctx: QueryCtx, workflow_id: Id[Workflow], pagination_opts: PaginationOptions
) -> Page[WorkflowVersion]:
    """Return the kept versions of a workflow, newest first, a page at a time.

    Raises:
        NotFound: there is no such workflow that the caller may see.
    """
    ctx.db.require(workflow_id)
    kept = WorkflowVersion.by_workflow_version.eq(workflow_id)
    return ctx.db.unrestricted.query(kept).order("desc").paginate(pagination_opts)


@query
def get(ctx: QueryCtx, workflow_id: Id[Workflow], version: int) -> WorkflowVersion | None:
    """Return one version; null if it was not kept, or the caller may not see the workflow."""
    return kept_version(ctx, workflow_id, version) if ctx.db.get(workflow_id) else None


@mutation
def publish(
    ctx: MutationCtx, workflow_id: Id[Workflow], note: Description | None = None
) -> int:
    """Keep the definition as it is now, and return its version; a draft becomes active.

    What was published before is published again with the new note.

    Raises:
        Conflict: the workflow is archived.
    """
    workflow = checked_workflow(ctx, "workflows.change", workflow_id)
    if workflow.status == "archived":
        raise Conflict(f"workflow {workflow.name!r} is archived: restore it first")
    kept = keep_version(ctx, workflow, current_user(ctx))
    ctx.db.patch(kept, note=note)
    ctx.db.patch(workflow_id, status="active")
    return workflow.version


@mutation
def restore(ctx: MutationCtx, workflow_id: Id[Workflow], version: int) -> int:
    """Draw a kept version again: its definition becomes the newest; return its version.

    Raises:
        Conflict: the workflow is archived.
        NotFound: that version was not kept.
    """
    workflow = checked_workflow(ctx, "workflows.change", workflow_id)
    found = kept_version(ctx, workflow_id, version)
    if found is None:
        raise NotFound(
            f"version {version} of {workflow.name!r} was not kept: publishing or running"
            " a workflow keeps its version",
            version=version,
        )
    redefine(ctx, workflow_id, found.nodes, found.edges)
    return ctx.db.require(workflow_id).version


def keep_version(ctx: MutationCtx, workflow: Workflow, author: User) -> Id[WorkflowVersion]:
    """Keep the definition as it is, whatever is drawn next; return where it is kept."""
    kept = kept_version(ctx, workflow.id, workflow.version)
    if kept is not None:
        return kept.id
    return ctx.db.insert(
        WorkflowVersion(
            workflow_id=workflow.id,
            version=workflow.version,
            nodes=workflow.nodes,
            edges=workflow.edges,
            author=author.id,
        )
    )


def kept_version(
    ctx: QueryCtx, workflow_id: Id[Workflow], version: int
) -> WorkflowVersion | None:
    """Return a version that was kept, whoever asks."""
    of_version = WorkflowVersion.by_workflow_version.eq(workflow_id).eq(version)
    return ctx.db.unrestricted.query(of_version).unique()
