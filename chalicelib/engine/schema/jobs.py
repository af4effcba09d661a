"""The engine's tables of jobs and crons. Apps read the first through ``ctx.db.system``."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, field

from chalicelib.engine.schema.documents import Document, Id, Struct, Unset
from chalicelib.engine.schema.indexes import index, indexed


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

    ``name`` is the function as in ``module.js:fn``, ``args`` holds its arguments object, times
    are milliseconds since the Unix epoch.
    """

    name: str
    args: list[Any]
    scheduled_time: float
    completed_time: float | Unset = UNSET
    state: Pending | InProgress | Success | Failed | Canceled

    @property
    def kind(self) -> Literal["pending", "inProgress", "success", "failed", "canceled"]:
        """The state by its name."""
        tag: Any = self.state.__struct_config__.tag
        return tag  # type: ignore[no-any-return]  # one of those above

    @property
    def error(self) -> str | None:
        """What a failed function has raised, as text."""
        return self.state.error if isinstance(self.state, Failed) else None


class JobState(Document, table="_job_states"):
    """What the engine keeps of a job beside its document; both have one internal id.

    ``due`` is when something has to happen: while ``waiting`` the next run, while ``running``
    (an action that was claimed) the burial if nobody has told its end, once it has ``ended``
    the removal of both documents. ``runs`` counts the claims of an action, and how often a
    mutation was put off.
    """

    path: str
    phase: Literal["waiting", "running", "ended"] = indexed()
    due: float = indexed()
    runs: int = 0
    cron: Id[CronJob] | None = None
    by_phase = index(phase, due)


class SweptJobs(Document, table="_swept_jobs"):
    """Up to when the sweeps have left nothing to be done: its only document."""

    until: float


class Interval(Struct, tag_field="type", tag="interval"):
    """Every so many seconds from the deployment on."""

    seconds: int


class Hourly(Struct, tag_field="type", tag="hourly"):
    """Each hour at a minute."""

    minute: int = field(name="minuteUTC")


class Daily(Struct, tag_field="type", tag="daily"):
    """Each day at a time."""

    hour: int = field(name="hourUTC")
    minute: int = field(name="minuteUTC")


Weekday = Literal[
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]


class Weekly(Struct, tag_field="type", tag="weekly"):
    """Each week on a day, at a time."""

    day: Weekday = field(name="dayOfWeek")
    hour: int = field(name="hourUTC")
    minute: int = field(name="minuteUTC")


class Monthly(Struct, tag_field="type", tag="monthly"):
    """Each month that has such a day, at a time."""

    day: int
    hour: int = field(name="hourUTC")
    minute: int = field(name="minuteUTC")


class CronExpression(Struct, tag_field="type", tag="cron"):
    """Whenever a cron expression matches: minute, hour, day, month, weekday."""

    expression: str = field(name="cron")


Schedule = Interval | Hourly | Daily | Weekly | Monthly | CronExpression
"""When a cron runs; all of it in UTC."""


class CronRun(Struct):
    """The last run of a cron that has ended."""

    job: Id[ScheduledFunction]
    scheduled_time: float
    completed_time: float
    state: Success | Failed | Canceled


class CronJob(Document, table="_cron_jobs"):
    """A cron of the code that is deployed, and the job that is its next run."""

    name: str = indexed()
    function: str
    args: list[Any]
    schedule: Interval | Hourly | Daily | Weekly | Monthly | CronExpression
    next_run: float
    job: Id[ScheduledFunction]
    last_run: CronRun | Unset = UNSET
    by_name = index(name)
