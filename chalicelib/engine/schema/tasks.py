"""What a deployment leaves to be done, as a table that everybody may read."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.schema.documents import Document, Struct


class Misfitting(Struct):
    """A document that a schema would not allow: where it is not of its type, and why."""

    document: str
    path: str
    reason: str


class SchemaTask(Document, table="_schema_tasks"):
    """One piece of work that a deployment has left: done in steps, kept until the next one.

    A ``check`` sees whether the documents of a table satisfy a schema, a ``backfill`` writes
    the rows of a new index, a ``drop`` removes those of a dropped one, whose id is
    ``number``. ``done`` counts documents (for a drop: rows), ``about`` is how many there
    seem to be. Keys of documents tell how far it is: it began at ``first``, goes on at
    ``cursor`` and ends with ``last``. It does not begin before ``due_ms``.
    """

    kind: Literal["check", "backfill", "drop"]
    table: str
    index: str | None
    number: int
    state: Literal["open", "done", "refused"]
    done: int
    about: int | None
    first: bytes | None
    cursor: bytes
    last: bytes | None
    due_ms: float
    updated_ms: float
    misfits: int
    examples: list[Misfitting]
