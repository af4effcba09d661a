"""Workflows as documents that other deployments take: exported, and taken back."""

from __future__ import annotations

from typing import Final

from chalicelib.engine.server import (
    Id,
    MutationCtx,
    Struct,
    ValidationFailed,
    mutation,
)
from chalicelib.geoflow.accesses import note
from chalicelib.geoflow.limits import MAX_NAME_CHARS
from chalicelib.geoflow.schema import (
    Description,
    Edges,
    Key,
    Name,
    Nodes,
    Tags,
    Workflow,
    require_permission,
)
from chalicelib.geoflow.workflows import create

FORMAT: Final = "geoflow.workflow"
"""What every such document says it is."""

FORMAT_VERSION: Final = 1
"""The form of the documents that are written here; others are refused, and none is guessed.

1: ``workflow`` has ``name``, ``description``, ``tags``, ``nodes`` and ``edges``.
"""


class Drawing(Struct):
    """What of a workflow means the same everywhere: neither ids nor owners nor runs."""

    name: Name
    description: Description | None = None
    tags: Tags = []  # noqa: RUF012 - msgspec copies it
    nodes: Nodes = []  # noqa: RUF012
    edges: Edges = []  # noqa: RUF012


class PortableWorkflow(Struct):
    """A workflow as it is exported."""

    format: str
    format_version: int
    workflow: Drawing


@mutation
def export_workflow(ctx: MutationCtx, workflow_id: Id[Workflow]) -> PortableWorkflow:
    """Return a workflow as a document that :func:`import_workflow` takes, here or elsewhere.

    A mutation, since each export is in the audit: a query would leave no trace.

    Raises:
        NotFound: there is none that the caller may see.
    """
    ctx.auth.require()
    found = ctx.db.require(workflow_id)
    note(ctx, "export", "workflows", workflow_id)
    return PortableWorkflow(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        workflow=Drawing(
            name=found.name,
            description=found.description,
            tags=found.tags,
            nodes=found.nodes,
            edges=found.edges,
        ),
    )


@mutation
def import_workflow(
    ctx: MutationCtx,
    format: Key,  # noqa: A002 - the name in the document
    format_version: int,
    workflow: Drawing,
) -> Id[Workflow]:
    """Make a draft of the caller's own out of a document that was exported.

    Raises:
        ValidationFailed: it is of another format or version, or cannot be run.
    """
    require_permission(ctx, "workflows.create", "none")
    if (format, format_version) != (FORMAT, FORMAT_VERSION):
        raise ValidationFailed(
            f"this is {format!r} version {format_version}: {FORMAT!r} version"
            f" {FORMAT_VERSION} is what can be taken",
            format=FORMAT,
            formatVersion=FORMAT_VERSION,
        )
    return create(
        ctx,
        workflow.name[:MAX_NAME_CHARS],
        workflow.description,
        workflow.tags,
        workflow.nodes,
        workflow.edges,
    )
