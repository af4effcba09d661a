"""The tables that every deployment has. Apps read them through ``ctx.db.system``."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from chalicelib.engine.schema.documents import Document, Id, Unset, indexes_of
from chalicelib.engine.schema.indexes import index, indexed
from chalicelib.engine.schema.jobs import CronJob, JobState, ScheduledFunction, SweptJobs
from chalicelib.engine.schema.tables import TableSchema
from chalicelib.engine.schema.tasks import SchemaTask
from chalicelib.engine.schema.undos import Undo, UndoMark


class StoredFile(Document, table="_storage"):
    """What is known of a stored file: base64 of its SHA-256, and its size in bytes."""

    sha256: str
    size: float
    content_type: str | Unset = UNSET


class StoredBlob(Document, table="_blobs"):
    """Where the bytes of a stored file are: under ``key``, a UUID, which its URL names too."""

    key: str = indexed()
    file: Id[StoredFile] = indexed()
    by_key = index(key)
    by_file = index(file)


class UnclaimedBlob(Document, table="_unclaimed_blobs"):
    """Bytes that belong to no file: not yet, since they are coming, or no longer.

    From ``due`` on, milliseconds since the Unix epoch, they may be doomed. Once ``doomed``
    they are deleted, and never become a file's; when they are ``deleted``, they are deleted
    once more, at the new ``due``: a write that was under way may have come after the first time.
    """

    key: str = indexed()
    due: float = indexed()
    doomed: bool = False
    deleted: bool = False
    by_key = index(key)
    by_due = index(due)


class LogFollower(Document, table="_log_followers"):
    """Up to which timestamp somebody who follows the log has dealt with it.

    The log is trimmed no further than that.
    """

    name: str = indexed()
    position: float
    by_name = index(name)


BUILTIN_TABLES: Final = {
    name: TableSchema(name, document, indexes_of(document))
    for name, document in (
        ("_scheduled_functions", ScheduledFunction),
        ("_storage", StoredFile),
        ("_job_states", JobState),
        ("_cron_jobs", CronJob),
        ("_swept_jobs", SweptJobs),
        ("_blobs", StoredBlob),
        ("_unclaimed_blobs", UnclaimedBlob),
        ("_schema_tasks", SchemaTask),
        ("_log_followers", LogFollower),
        ("_undos", Undo),
        ("_undo_marks", UndoMark),
    )
}
"""Their schemas by name."""
