"""The tables that every deployment has. Apps read them through ``ctx.db.system``."""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET

from chalicelib.engine.schema.documents import Document, Struct, Unset, indexes_of
from chalicelib.engine.schema.indexes import index, indexed
from chalicelib.engine.schema.tables import TableSchema


class Pending(Struct, tag_field="kind", tag="pending"):
    """The job waits for its time."""


class InProgress(Struct, tag_field="kind", tag="inProgress"):
    """An action has begun; it is not begun again."""


class Success(Struct, tag_field="kind", tag="success"):
    """The function has returned."""


class Failed(Struct, tag_field="kind", tag="failed"):
    """The function has raised; ``error`` is what its caller would have been told."""

    error: str


class Canceled(Struct, tag_field="kind", tag="canceled"):
    """Somebody has called it off."""


class ScheduledFunction(Document, table="_scheduled_functions"):
    """A deferred call, from when it is scheduled until a while after it has ended.

    ``name`` is the path of the function, ``args`` holds its arguments object, times are
    milliseconds since the Unix epoch.
    """

    name: str
    args: list[Any]
    scheduled_time: float = indexed()
    completed_time: float | Unset = UNSET
    state: Pending | InProgress | Success | Failed | Canceled
    by_scheduled_time = index(scheduled_time)


class StoredFile(Document, table="_storage"):
    """What is known of a stored file: base64 of its SHA-256, and its size in bytes."""

    sha256: str
    size: float
    content_type: str | Unset = UNSET


BUILTIN_TABLES: Final = {
    name: TableSchema(name, document, indexes_of(document))
    for name, document in (
        ("_scheduled_functions", ScheduledFunction),
        ("_storage", StoredFile),
    )
}
"""Their schemas by name."""
