"""Files: their metadata, where the bytes are, and what is known of the geodata in them."""

from __future__ import annotations

from typing import Annotated, Literal

from chalicelib.engine.server import (
    Document,
    Id,
    Meta,
    PolicyCtx,
    StoredFile,
    Struct,
    index,
    indexed,
)
from chalicelib.geoflow.model.permissions import Relation
from chalicelib.geoflow.schema.fields import FileName, Key, Message
from chalicelib.geoflow.schema.users import User, is_caller, is_permitted
from chalicelib.geoflow.schema.workflows import Workflow, relation_to_id

FileState = Literal["pending", "ready", "unreadable"]
"""Whether somebody has looked into the file yet, and whether there was geodata in it."""

Bounds = Annotated[list[float], Meta(min_length=4, max_length=4)]
"""West, south, east, north; west is greater than east across the 180th meridian (RFC 7946)."""


class Crs(Struct):
    """A coordinate reference system: as ``EPSG`` and ``3857`` if an authority lists it."""

    authority: Key | None
    code: Key | None
    name: Message


class RasterSize(Struct):
    """Pixels across and down, and bands."""

    width: int
    height: int
    bands: int


class Geodata(Struct):
    """What was found in a file. ``bbox`` is in its own system, ``bbox_wgs84`` in degrees.

    ``layers`` and ``feature_count`` are of vectors, ``raster`` of images, ``point_count`` of
    point clouds. ``bbox_wgs84`` needs a known system.
    """

    format: Key
    crs: Crs | None = None
    bbox: Bounds | None = None
    bbox_wgs84: Bounds | None = None
    layers: int | None = None
    feature_count: int | None = None
    raster: RasterSize | None = None
    point_count: int | None = None


class File(Document, table="files"):
    """A file of a user, which may belong to a workflow.

    ``size`` (bytes) and ``sha256`` (base64) are those of the stored bytes. ``state`` tells
    whether ``geodata`` was found, ``reason`` why it was not. It is ``pending_since`` then,
    in ms since the Unix epoch.
    """

    owner: Id[User] = indexed()
    workflow_id: Id[Workflow] | None = indexed(default=None)
    name: FileName
    content_type: Message
    size: int
    sha256: str
    storage_id: Id[StoredFile] = indexed()
    state: FileState = indexed(default="pending")
    pending_since: float = indexed()
    reason: Message | None = None
    geodata: Geodata | None = None
    thumbnail_id: Id[StoredFile] | None = indexed(default=None)
    by_owner = index(owner)
    by_workflow = index(workflow_id)
    by_storage = index(storage_id)
    by_thumbnail = index(thumbnail_id)
    by_state = index(state, pending_since)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix."""
        return is_permitted(ctx, "files.read", relation_to_file(ctx, self))

    def can_write(self, ctx: PolicyCtx) -> bool:
        """Ask the matrix; functions ask it, too, for what they do exactly."""
        return is_permitted(ctx, "files.change", relation_to_file(ctx, self))


def relation_to_file(ctx: PolicyCtx, file: File) -> Relation:
    """What the caller is to a file: its owner, or as to its workflow, if there is one."""
    if is_caller(ctx, file.owner):
        return "owner"
    return relation_to_id(ctx, file.workflow_id)
