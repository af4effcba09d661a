"""The engine's tables of undos: how far one is, and what it is about."""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.schema.documents import Document, Struct
from chalicelib.engine.schema.indexes import index, indexed
from chalicelib.engine.schema.tasks import Misfitting


class UndoneTable(Struct):
    """How many documents of a table differ from what they were.

    ``deleted`` ones were there and are not, ``inserted`` ones were not and are.
    """

    table: str
    deleted: int = 0
    changed: int = 0
    inserted: int = 0


class Undo(Document, table="_undos"):
    """One undo: bringing documents back to what they were at ``target``.

    It is about what was committed up to ``until``, which is the commit that asked for it; None: no
    step was made. Times are ms since the Unix epoch: ``target_ms`` is when the commit at ``target``
    was made, null if that itself is not kept any more, ``moved_ms`` when the last step was made.
    While it reads, it has looked at the log up to ``position`` and at ``within`` writes of the
    entry that follows. ``turn`` is that of its only valid job.

    ``misfits`` are documents whose former image the schema does not allow any more, ``dangling``
    ones name files or jobs that are gone, ``left`` ones were not brought back after all. Of each
    the first ten are told. ``restored`` counts those that were written, ``marks`` those that
    are still to be looked at.
    """

    target: int
    target_ms: int | None
    until: int | None
    tables: list[str]
    batch: int
    state: Literal[
        "reading", "planned", "restoring", "canceling", "done", "canceled", "failed"
    ]
    position: int
    within: int = 0
    turn: int = 0
    overwrite: bool = False
    moved_ms: float
    found: list[UndoneTable]
    marks: int = 0
    restored: int = 0
    left: int = 0
    misfits: int = 0
    dangling: int = 0
    left_examples: list[Misfitting]
    misfit_examples: list[Misfitting]
    dangling_examples: list[Misfitting]
    why: str = ""


class UndoMark(Document, table="_undo_marks"):
    """A document that was written after the target of the undo that is under way.

    The ``write``-th write of the entry at ``first`` was the first to do so. ``was`` and ``held``
    are digests of its image at the target and at the end of what was read; None: it is not there.
    """

    document: str = indexed()
    first: int = indexed()
    write: int = indexed()
    was: str | None
    held: str | None
    by_document = index(document)
    by_first = index(first, write)
