"""The life of a job as one transaction writes it: two documents, from waiting to ended."""

from typing import Any, Final

import msgspec

from chalicelib.engine.database.documents import (
    Writer,
    insert_twin,
    system_writer,
    twin_id,
)
from chalicelib.engine.functions.cron_times import next_time_ms
from chalicelib.engine.functions.retries import Retry, backoff_ms
from chalicelib.engine.schema import UNSET, Id, ScheduledFunction
from chalicelib.engine.schema.jobs import (
    Canceled,
    CronJob,
    CronRun,
    Failed,
    InProgress,
    JobState,
    Pending,
    Success,
)

KEPT_MS: Final = 7 * 24 * 60 * 60 * 1000.0
"""How long a job that has ended can be looked at: seven days. Source: Convex."""

KEPT_CRON_MS: Final = 24 * 60 * 60 * 1000.0
"""The same of a cron's run, of which there may be thousands a day: one day."""

ACTION_MS: Final = 930 * 1000.0
"""How long after its claim an action is given up, in milliseconds.

Its limit is ten minutes. The margin reaches beyond the longest invocation of Lambda (15
minutes): whatever is given up has ended, so that a retry does not run beside it.
"""

MAX_ERROR_CHARS: Final = 4096
"""How much of an error is kept: its text may hold as much as the arguments did."""

DIED: Final = "The action did not end: its process died, or it took longer than it may."
"""What is kept as the error of an action that nobody told the end of."""


class Plan(msgspec.Struct, frozen=True):
    """A job to be: what to call with which arguments object, and when."""

    path: str
    args: dict[str, Any]
    at_ms: float


class Job(msgspec.Struct, frozen=True):
    """A job as a transaction finds it."""

    id: Id[ScheduledFunction]
    document: ScheduledFunction
    state: JobState


class JobBook:
    """Every change that a job goes through, within one transaction.

    Whoever changes a job has read both of its documents, so that two of them conflict: a
    mutation runs once however often it is handed over (docs/hazards.md C6).
    """

    def __init__(self, db: Writer, now_ms: float) -> None:
        self.db, self._now_ms = system_writer(db), now_ms

    def find(self, job: Id[ScheduledFunction]) -> Job | None:
        """Read a job; None if there is none, or no longer."""
        document = self.db.get(job)
        state = self.db.get(twin_id(self.db, job, JobState))
        if document is None or state is None:
            return None
        return Job(job, document, state)

    def waiting(self, job: Id[ScheduledFunction]) -> Job | None:
        """Read a job that has not begun; None if it has, or was called off."""
        found = self.find(job)
        return found if found is not None and found.state.phase == "waiting" else None

    def add(
        self, plan: Plan, *, cron: Id[CronJob] | None = None, canceled: bool = False
    ) -> Id[ScheduledFunction]:
        """Schedule a job; ``canceled``: by somebody who was called off, so it is, too."""
        job = self.db.insert(
            ScheduledFunction(
                name=document_name(plan.path),
                args=[plan.args],
                scheduled_time=plan.at_ms,
                completed_time=self._now_ms if canceled else UNSET,
                state=Canceled() if canceled else Pending(),
            )
        )
        due = self._now_ms + KEPT_MS if canceled else max(plan.at_ms, self._now_ms)
        phase: Any = "ended" if canceled else "waiting"
        insert_twin(self.db, job, JobState(path=plan.path, phase=phase, due=due, cron=cron))
        return job

    def cancel(self, job: Id[ScheduledFunction]) -> None:
        """Call a job off; one that runs goes on, and what it schedules from now is called off."""
        found = self.find(job)
        if found is None or found.state.phase == "ended":
            return
        if found.state.phase == "waiting":
            self._end(found, Canceled())
        elif isinstance(found.document.state, InProgress):
            with self.db.edit(job) as document:
                document.state, document.completed_time = Canceled(), self._now_ms

    def is_canceled(self, job: Id[ScheduledFunction]) -> bool:
        """Tell whether a job was called off."""
        document = self.db.get(job)
        return document is not None and isinstance(document.state, Canceled)

    def claim(self, job: Job) -> int:
        """Note that an action begins, which is its only leave to do so; return which run."""
        with self.db.edit(job.id) as document:
            document.state = InProgress()
        with self._edit(job) as state:
            state.phase, state.due = "running", self._now_ms + ACTION_MS
            state.runs += 1
        return job.state.runs + 1

    def succeed(self, job: Job) -> None:
        """Note that the function has returned."""
        self._end(job, Success())

    def fail(self, job: Job, error: str, retry: Retry | None = None) -> None:
        """Note that the function has raised, or have it run again."""
        called_off = isinstance(job.document.state, Canceled)
        if called_off or retry is None or job.state.runs > retry.times:
            self._end(job, Failed(error=error[:MAX_ERROR_CHARS]))
            return
        with self.db.edit(job.id) as document:
            document.state = Pending()
        self._put_off(job, retry.pause_ms(job.state.runs), runs=job.state.runs)

    def postpone(self, job: Job, jitter: float) -> None:
        """Have a mutation run later that met an error of the system; ``jitter`` is 0 to 1."""
        pause_ms = backoff_ms(job.state.runs + 1) * (1 + jitter) / 2
        self._put_off(job, pause_ms, runs=job.state.runs + 1)

    def remove(self, job: Id[ScheduledFunction]) -> None:
        """Forget a job that has ended long ago; another one stays."""
        found = self.find(job)
        if found is None or found.state.phase != "ended" or found.state.due > self._now_ms:
            return
        self.db.delete(job)
        self.db.delete(twin_id(self.db, job, JobState))

    def _edit(self, job: Job) -> Any:
        return self.db.edit(twin_id(self.db, job.id, JobState))

    def _put_off(self, job: Job, pause_ms: float, *, runs: int) -> None:
        with self._edit(job) as state:
            state.phase, state.due = "waiting", self._now_ms + pause_ms
            state.runs = runs

    def _end(self, job: Job, how: Success | Failed | Canceled) -> None:
        """End a job, unless it was called off meanwhile; of a cron, schedule the next run."""
        if isinstance(job.document.state, Canceled):
            how = job.document.state
        with self.db.edit(job.id) as document:
            document.state = how
            if document.completed_time is UNSET:
                document.completed_time = self._now_ms
        with self._edit(job) as state:
            state.phase = "ended"
            state.due = self._now_ms + (KEPT_MS if state.cron is None else KEPT_CRON_MS)
        if job.state.cron is not None:
            self._go_on(job.state.cron, job, how)

    def _go_on(self, cron: Id[CronJob], job: Job, how: Success | Failed | Canceled) -> None:
        held = self.db.get(cron)
        if held is None or held.job != job.id:
            return  # the code that is deployed now does not have it, or began it anew
        scheduled_ms = job.document.scheduled_time
        held.last_run = CronRun(
            job=job.id,
            scheduled_time=scheduled_ms,
            completed_time=self._now_ms,
            state=how,
        )
        held.next_run = next_time_ms(held.schedule, scheduled_ms, self._now_ms)
        plan = Plan(canonical_name(held.function), held.args[0], held.next_run)
        held.job = self.add(plan, cron=cron)
        self.db.replace(cron, held)


def document_name(path: str) -> str:
    """A function's path as job documents have it: ``module.js:fn``."""
    module, _, name = path.partition(":")
    return f"{module}.js:{name}"


def canonical_name(name: str) -> str:
    """The path of a function out of a job's document."""
    module, _, function = name.partition(":")
    return f"{module.removesuffix('.js')}:{function}"
