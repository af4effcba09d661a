"""The tables that every deployment has. Apps read them through ``ctx.db.system``."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from chalicelib.engine.schema.documents import Document, Unset, indexes_of
from chalicelib.engine.schema.jobs import CronJob, JobState, ScheduledFunction, SweptJobs
from chalicelib.engine.schema.tables import TableSchema


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
        ("_job_states", JobState),
        ("_cron_jobs", CronJob),
        ("_swept_jobs", SweptJobs),
    )
}
"""Their schemas by name."""
