"""Runs jobs when they are due: handed over by a commit, or found by a sweep."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import inf, nextafter
from typing import Any, Final, TypeVar

import msgspec

from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import EngineError, EntryTooLarge, TransactionLimit
from chalicelib.engine.functions.actions import ActionRunner
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Clock
from chalicelib.engine.schema import codec_of, table_name
from chalicelib.engine.schema.jobs import JobState, ScheduledFunction
from chalicelib.engine.values.ids import encode_id

R = TypeVar("R")

SOON_MS: Final = 120_000.0
"""How long before its time a job is handed to the queue: two periods of the sweep."""

GROUP: Final = 10
"""Mutations of one second that one message hands over."""

HANDED_OVER: Final = 200
"""Jobs that the handler of some commits hands over itself; of more, a sweep does it.

Each may be a message of its own, and sessions wait for the same handler.
"""

WAITED_MS: Final = 2000.0
"""How long a message is held that came before its job's time: queues count whole seconds."""

SKEW_MS: Final = 15_000.0
"""How long before the time a message is sent again: clocks differ. Earlier ones are let go."""

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

TELLS: Final = 10
"""How often the end of an action is told until it is taken."""


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


class _Claim(msgspec.Struct, rename="camel"):
    wait_ms: float
    run: int | None
    args: msgspec.Raw


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


class JobRunner:
    """Hands jobs to the queue as hints, and runs what the hints name if it is true."""

    def __init__(
        self,
        runner: Runner,
        actions: ActionRunner,
        tail: LogTail,
        *,
        clock: Clock,
        send: Callable[[RunJobs | SweepJobs, float], None],
        report: Callable[[Exception, str, str], None],
    ) -> None:
        self._runner, self._actions = runner, actions
        self._tail, self._clock = tail, clock
        self._send, self._report = send, report

    # -- handing over ---------------------------------------------------------------------

    def hand_over(self, first: int, last: int) -> None:
        """Hand over the jobs that the commits ``first`` to ``last`` have made due soon."""
        view = self._tail.view()
        if view.ts < last:
            view = self._tail.refresh()
        entries = self._tail.since(first - 1, max(first - 1, min(last, view.ts))) or ()
        tables = self._runner.catalogue(known=True).tables
        states, jobs = (tables.get(table_name(t)) for t in (JobState, ScheduledFunction))
        if states is None or jobs is None:
            return  # nothing was deployed yet
        found: dict[str, JobState] = {}
        for write in (write for entry in entries for write in entry.writes):
            if write.table == states.number and write.after is not None:
                state = codec_of(JobState).decode(write.after, write.document_id, 0.0)
                found[encode_id(jobs.number, write.id)] = state
        waiting = [
            DueJob(job, state.path, state.due, state.runs)
            for job, state in found.items()
            if state.phase == "waiting"
        ]
        if len(waiting) > HANDED_OVER:
            self._send(SweepJobs(min(job.due_ms for job in waiting)), 0.0)
        else:
            self._hand_over(waiting)

    def _hand_over(self, jobs: Iterable[DueJob]) -> None:
        now_ms = self._clock.now_ms()
        soon = sorted((job for job in jobs if job.due_ms <= now_ms + SOON_MS), key=_by_time)
        for _, group in groupby(soon, key=lambda job: max(job.due_ms, now_ms) // 1000):
            for jobs_of_one in self._grouped(list(group)):
                delay_ms = max(0.0, jobs_of_one[0].due_ms - now_ms)
                self._send(RunJobs(jobs_of_one), delay_ms)

    def _grouped(self, jobs: Sequence[DueJob]) -> Iterable[tuple[DueJob, ...]]:
        """Actions one by one, since they may take long; mutations some at a time."""
        brief = [job for job in jobs if not self._is_action(job)]
        yield from ((job,) for job in jobs if self._is_action(job))
        yield from (
            tuple(brief[first : first + GROUP]) for first in range(0, len(brief), GROUP)
        )

    def _is_action(self, job: DueJob) -> bool:
        target = self._runner.registry.lookup(job.path)
        return target is not None and target.function.kind == "action"

    # -- running --------------------------------------------------------------------------

    def run(self, jobs: Sequence[DueJob]) -> None:
        """Run those jobs that are due and have not run. One that fails stops no other.

        Raises:
            Exception: the first bug, when all were tried, so that the message comes again.
        """
        failed: Exception | None = None
        for job in jobs:
            try:
                self._run_in_time(job)
            except Exception as error:  # noqa: BLE001 - raised below
                if isinstance(error, EngineError) and error.retryable:
                    self._postpone(job, error)
                else:
                    failed = failed or error
        if failed is not None:
            raise failed

    def _run_in_time(self, job: DueJob) -> None:
        run = self._run_action if self._is_action(job) else self._run_mutation
        early_ms = job.due_ms - self._clock.now_ms()
        if early_ms <= WAITED_MS:
            if early_ms > 0:
                self._clock.wait_ms(early_ms)
            early_ms = run(job)
            if 0 < early_ms <= WAITED_MS:
                self._clock.wait_ms(early_ms)
                early_ms = run(job)
        if 0 < early_ms <= SKEW_MS:
            self._send(RunJobs((job,)), early_ms)

    def _run_mutation(self, job: DueJob) -> float:
        """Run it and end its job at once; return how long it is to its time, if at all."""
        arguments = msgspec.json.encode({"job": job.id})
        call = Call(job.path, arguments, trusted=True, via="_system/jobs:run", job=job.id)
        outcome = self._runner.mutation(call)
        if outcome.failure is not None:
            self._mutate("fail", job=job.id, error=outcome.failure.reason)
            return 0.0
        return msgspec.json.decode(outcome.value or b"0", type=float)

    def _run_action(self, job: DueJob) -> float:
        """Run it if the claim succeeds; return how long it is to its time, if at all."""
        claim = _decoded(self._mutate("claim", job=job.id), _Claim)
        if claim.run is None:
            return claim.wait_ms
        call = Call(job.path, bytes(claim.args), trusted=True, job=job.id)
        failure = self._actions.once(call).failure
        self._tell(job, claim.run, failure.reason if failure is not None else None)
        return 0.0

    def _tell(self, job: DueJob, run: int, error: str | None) -> None:
        """Tell how an action has ended, until somebody listens: nobody else knows."""
        for attempt in range(1, TELLS + 1):
            try:
                self._mutate("finish", job=job.id, run=run, error=error)
            except EngineError as refused:
                if not refused.retryable or attempt == TELLS:
                    raise
                self._clock.wait_ms(100.0 * attempt)
            else:
                return

    def _postpone(self, job: DueJob, why: EngineError) -> None:
        """Put a job off that an error of the system has kept from running.

        If even that does not work, the sweep finds it.
        """
        self._report(why, job.path, self._runner.new_request_id())
        try:
            self._mutate("postpone", job=job.id, runs=job.runs)
        except EngineError as again:
            if not again.retryable:
                raise

    # -- sweeping -------------------------------------------------------------------------

    def sweep(self, since: float | None = None) -> None:
        """Hand over what is due soon or was forgotten, bury the dead, remove old records."""
        now_ms = self._clock.now_ms()
        found = self._look(now_ms, since)
        self._hand_over(
            DueJob(one.job, one.path, one.due, one.runs) for one in found.waiting
        )
        if len(found.waiting) == SWEEP_STEP:
            first, last = found.waiting[0].due, found.waiting[-1].due
            # More than a step's jobs of one time: the rest is found when these have run.
            self._send(SweepJobs(last if last > first else nextafter(last, inf)), 0.0)
        if since is None:
            self._bury_and_remove(found, now_ms)

    def _bury_and_remove(self, found: _Found, now_ms: float) -> None:
        for job in found.died:
            self._mutate("bury", job=job)
        for first in range(0, len(found.ended), REMOVED_AT_ONCE):
            self._remove(found.ended[first : first + REMOVED_AT_ONCE])
        until = min(now_ms, found.left if found.left is not None else now_ms)
        if found.any and until > (found.until or 0.0) + MARK_MS:
            self._mutate("swept", until=until)
        if max(len(found.died), len(found.ended)) == SWEEP_STEP:
            self._send(SweepJobs(), 0.0)

    def _remove(self, jobs: Sequence[str]) -> None:
        """Remove records; fewer at a time if their arguments are too large for one entry."""
        try:
            self._mutate("remove", jobs=jobs)
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
        call = Call("_system/jobs:look", msgspec.json.encode(arguments), trusted=True)
        return _decoded(self._runner.query(call), _Found)

    def deploy_crons(self) -> None:
        """Make the crons of the apps the ones that run."""
        registry = self._runner.registry
        crons = [
            {
                "name": cron.name,
                "path": registry.path_of(cron.function),
                "args": msgspec.Raw(cron.encoded_arguments()),
                "schedule": cron.schedule,
            }
            for cron in registry.crons
        ]
        arguments = msgspec.json.encode({"crons": crons})
        call = Call("_system/cronJobs:deploy", arguments, trusted=True)
        _succeeded(self._runner.mutation(call))

    # -- the engine's own functions ----------------------------------------------------------

    def _mutate(self, name: str, **arguments: Any) -> Outcome:
        encoded = msgspec.json.encode(arguments)
        call = Call(f"_system/jobs:{name}", encoded, trusted=True)
        return _succeeded(self._runner.mutation(call))


def _by_time(job: DueJob) -> tuple[float, str]:
    return job.due_ms, job.id


def _decoded(outcome: Outcome, kind: type[R]) -> R:
    return msgspec.json.decode(_succeeded(outcome).value or b"null", type=kind)


def _succeeded(outcome: Outcome) -> Outcome:
    """Raise what one of the engine's own functions has raised: a bug."""
    if outcome.failure is not None:
        raise outcome.failure.error or AssertionError(outcome.failure.reason)
    return outcome
