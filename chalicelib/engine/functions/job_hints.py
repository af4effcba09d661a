"""Hints that jobs are due: messages of the job queue, which may be lost or come twice."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Final

import msgspec

from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Clock
from chalicelib.engine.schema import ScheduledFunction, codec_of, table_name
from chalicelib.engine.schema.jobs import JobState
from chalicelib.engine.values.ids import encode_id

SOON_MS: Final = 120_000.0
"""How long before its time a job is handed to the queue: two periods of the sweep."""

GROUP: Final = 10
"""Mutations of one second that one message hands over."""

HANDED_OVER: Final = 200
"""Jobs that the handler of some commits hands over itself; of more, a sweep does it.

Each may be a message of its own, and sessions wait for the same handler.
"""


class DueJob(msgspec.Struct, frozen=True, array_like=True):
    """A hint that a job has a time; its documents say what is true."""

    id: str
    path: str
    due_ms: float
    runs: int


class RunJobs(msgspec.Struct, frozen=True, tag="run"):
    """Jobs that are due about now, in order."""

    jobs: tuple[DueJob, ...]


class SweepJobs(msgspec.Struct, frozen=True, tag="sweep"):
    """A sweep: see what time has made due; ``since``: go on with jobs due from then on."""

    since: float | None = None


class JobHints:
    """Hands jobs to the queue; what a hint says is true only if the documents say so."""

    def __init__(
        self,
        runner: Runner,
        tail: LogTail,
        clock: Clock,
        send: Callable[[RunJobs | SweepJobs, float], None],
    ) -> None:
        self._runner, self._tail, self._clock, self._queue = runner, tail, clock, send

    def send(self, message: RunJobs | SweepJobs, delay_ms: float = 0.0) -> None:
        """Send a message to a later invocation."""
        self._queue(message, delay_ms)

    def hand_over(self, first: int, last: int) -> None:
        """Hand over the jobs that the commits ``first`` to ``last`` have made due soon."""
        entries = self._tail.reported(first, last)
        tables = self._runner.catalogue(known=True).tables
        states, jobs = (tables.get(table_name(t)) for t in (JobState, ScheduledFunction))
        if states is None or jobs is None:
            return  # nothing was deployed yet
        found: dict[str, JobState] = {}
        for write in (write for entry in entries for write in entry.writes):
            if write.table == states.number and write.after is not None:
                state = codec_of(JobState).decode(write.after, write.document_id, 0.0)
                found[encode_id(jobs.number, write.id)] = state
        self._give(
            DueJob(job, state.path, state.due, state.runs)
            for job, state in found.items()
            if state.phase == "waiting"
        )

    def _give(self, jobs: Iterable[DueJob]) -> None:
        """Hand over jobs that are due soon, or have a sweep do it if they are many."""
        until_ms = self._clock.now_ms() + SOON_MS
        soon = [job for job in jobs if job.due_ms <= until_ms]
        if len(soon) > HANDED_OVER:
            self.send(SweepJobs(min(job.due_ms for job in soon)))
        else:
            self.give(soon)

    def give(self, jobs: Sequence[DueJob]) -> None:
        """Hand over jobs, each for its time."""
        now_ms = self._clock.now_ms()
        soon = sorted(jobs, key=_by_time)
        for _, group in groupby(soon, key=lambda job: max(job.due_ms, now_ms) // 1000):
            for jobs_of_one in self._grouped(list(group)):
                delay_ms = max(0.0, jobs_of_one[0].due_ms - now_ms)
                self.send(RunJobs(jobs_of_one), delay_ms)

    def _grouped(self, jobs: Sequence[DueJob]) -> Iterable[tuple[DueJob, ...]]:
        """Actions one by one, since they may take long; mutations some at a time."""
        brief = [job for job in jobs if not self.is_action(job)]
        yield from ((job,) for job in jobs if self.is_action(job))
        yield from (
            tuple(brief[first : first + GROUP]) for first in range(0, len(brief), GROUP)
        )

    def is_action(self, job: DueJob) -> bool:
        """Tell whether a job is an action, as the code has it now."""
        target = self._runner.registry.lookup(job.path)
        return target is not None and target.function.kind == "action"


def _by_time(job: DueJob) -> tuple[float, str]:
    return job.due_ms, job.id
