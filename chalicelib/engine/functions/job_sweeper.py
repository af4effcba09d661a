"""The sweep of jobs: finds what nobody handed over, buries the dead, removes old records."""

from collections.abc import Sequence
from math import inf, nextafter
from typing import Final

import msgspec

from chalicelib.engine.errors import EntryTooLarge, TransactionLimit
from chalicelib.engine.functions.job_calls import JobCalls, decoded
from chalicelib.engine.functions.job_hints import SOON_MS, DueJob, JobHints, SweepJobs
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Clock

SWEEP_STEP: Final = 1000
"""Jobs of each kind that one step of a sweep deals with."""

REMOVED_AT_ONCE: Final = 100
"""Records of ended jobs that one transaction removes."""

MARGIN_MS: Final = 15 * 60 * 1000.0
"""How far before the last sweep the next begins: a process may have been frozen for so long."""

MARK_MS: Final = 10 * 60 * 1000.0
"""How far behind the note of the last sweep may be: each is a commit."""

WHOLE_EVERY_MS: Final = 60 * 60 * 1000.0
SWEEP_MS: Final = 60_000.0
"""The first sweep of each hour begins at the beginning of time, others at the last sweep."""


class _Waiting(msgspec.Struct):
    job: str
    path: str
    due: float
    runs: int


class _Found(msgspec.Struct):
    waiting: list[_Waiting]
    died: list[str]
    ended: list[str]
    left: float | None
    until: float | None
    any: bool


class JobSweeper:
    """Sees once a minute what time has made due; every step may be repeated, or die."""

    def __init__(self, runner: Runner, hints: JobHints, clock: Clock) -> None:
        self._hints, self._clock, self._own = hints, clock, JobCalls(runner)

    def sweep(self, since: float | None = None) -> None:
        """Hand over what is due soon or was forgotten, bury the dead, remove old records."""
        now_ms = self._clock.now_ms()
        found = self._look(now_ms, since)
        self._hints.give(
            [DueJob(one.job, one.path, one.due, one.runs) for one in found.waiting]
        )
        if len(found.waiting) == SWEEP_STEP:
            first, last = found.waiting[0].due, found.waiting[-1].due
            # More than a step's jobs of one time: the rest is found when these have run.
            self._hints.send(SweepJobs(last if last > first else nextafter(last, inf)))
        if since is None:
            self._bury_and_remove(found, now_ms)

    def _bury_and_remove(self, found: _Found, now_ms: float) -> None:
        for job in found.died:
            self._own.mutate("bury", job=job)
        for first in range(0, len(found.ended), REMOVED_AT_ONCE):
            self._remove(found.ended[first : first + REMOVED_AT_ONCE])
        until = min(now_ms, found.left if found.left is not None else now_ms)
        if found.any and until > (found.until or 0.0) + MARK_MS:
            self._own.mutate("swept", until=until)
        if max(len(found.died), len(found.ended)) == SWEEP_STEP:
            self._hints.send(SweepJobs())

    def _remove(self, jobs: Sequence[str]) -> None:
        """Remove records; fewer at a time if their arguments are too large for one entry."""
        try:
            self._own.mutate("remove", jobs=jobs)
        except (TransactionLimit, EntryTooLarge):
            if len(jobs) == 1:
                raise
            half = len(jobs) // 2
            self._remove(jobs[:half])
            self._remove(jobs[half:])

    def _look(self, now_ms: float, since: float | None) -> _Found:
        whole = now_ms % WHOLE_EVERY_MS < SWEEP_MS
        arguments = {
            "now": now_ms,
            "soon": now_ms + SOON_MS,
            "since": 0.0 if whole and since is None else since,
            "margin": MARGIN_MS,
            "most": SWEEP_STEP,
        }
        return decoded(self._own.query("look", **arguments), _Found)
