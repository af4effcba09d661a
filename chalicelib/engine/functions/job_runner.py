"""Runs jobs that are due: a mutation exactly once, an action at most once."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chalicelib.engine.errors import EngineError, IndexNotReady
from chalicelib.engine.functions.actions import ActionRunner
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.job_calls import JobCalls, decoded
from chalicelib.engine.functions.job_hints import DueJob, JobHints, RunJobs
from chalicelib.engine.functions.log_lines import Say
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Clock

WAITED_MS: Final = 2000.0
"""How long a message is held that came before its job's time: queues count whole seconds."""

SKEW_MS: Final = 15_000.0
"""How long before the time a message is sent again: clocks differ. Earlier ones are let go."""

TELLS: Final = 10
"""How often the end of an action is told until it is taken."""


class _Claim(msgspec.Struct, rename="camel"):
    wait_ms: float
    run: int | None
    args: msgspec.Raw


class JobRunner:
    """Runs what hints name, if it is true."""

    def __init__(
        self,
        runner: Runner,
        actions: ActionRunner,
        hints: JobHints,
        clock: Clock,
        *,
        report: Callable[[Exception, str, str], None],
        say: Say,
    ) -> None:
        self._runner, self._actions, self._hints = runner, actions, hints
        self._clock, self._own = clock, JobCalls(runner)
        self._report, self._say = report, say

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
        run = self._run_action if self._hints.is_action(job) else self._run_mutation
        early_ms = job.due_ms - self._clock.now_ms()
        if early_ms <= WAITED_MS:
            if early_ms > 0:
                self._clock.wait_ms(early_ms)
            early_ms = run(job)
            if 0 < early_ms <= WAITED_MS:
                self._clock.wait_ms(early_ms)
                early_ms = run(job)
        if 0 < early_ms <= SKEW_MS:
            self._hints.send(RunJobs((job,)), early_ms)

    def _run_mutation(self, job: DueJob) -> float:
        """Run it and end its job at once; return how long it is to its time, if at all."""
        arguments = msgspec.json.encode({"job": job.id})
        call = Call(job.path, arguments, trusted=True, via="_system/jobs:run", job=job.id)
        outcome = self._runner.mutation(call)
        self._say(job.path, outcome.log_lines)
        if outcome.failure is not None:
            if isinstance(outcome.failure.error, IndexNotReady):
                self._put_off(job)  # that will pass, as an error of the system does
            else:
                self._own.mutate("fail", job=job.id, error=outcome.failure.reason)
            return 0.0
        return msgspec.json.decode(outcome.value or b"0", type=float)

    def _run_action(self, job: DueJob) -> float:
        """Run it if the claim succeeds; return how long it is to its time, if at all."""
        claim = decoded(self._own.mutate("claim", job=job.id), _Claim)
        if claim.run is None:
            return claim.wait_ms
        call = Call(job.path, bytes(claim.args), trusted=True, job=job.id)
        outcome = self._actions.once(call)
        self._say(job.path, outcome.log_lines)
        failure = outcome.failure
        self._tell(job, claim.run, failure.reason if failure is not None else None)
        return 0.0

    def _tell(self, job: DueJob, run: int, error: str | None) -> None:
        """Tell how an action has ended, until somebody listens: nobody else knows."""
        for attempt in range(1, TELLS + 1):
            try:
                self._own.mutate("finish", job=job.id, run=run, error=error)
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
        self._put_off(job)

    def _put_off(self, job: DueJob) -> None:
        """Have a job run later, unless that does not work either."""
        try:
            self._own.mutate("postpone", job=job.id, runs=job.runs)
        except EngineError as again:
            if not again.retryable:
                raise
