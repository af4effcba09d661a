"""``ctx.scheduler``: calls for later, checked now."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import msgspec

from chalicelib.engine.errors import (
    InvalidScheduledFunctionDelay,
    ScheduledFunctionsArgumentsTooLarge,
    TooManyFunctionsScheduled,
    WrongFunctionKind,
)
from chalicelib.engine.functions.jobs import JobBook, Plan
from chalicelib.engine.limits import (
    MAX_JOB_ARGUMENT_BYTES,
    MAX_JOB_ARGUMENT_BYTES_PER_MUTATION,
    MAX_JOB_DELAY_MS,
    MAX_JOBS_PER_MUTATION,
)
from chalicelib.engine.schema import Id, ScheduledFunction
from chalicelib.engine.values.encoding import decode
from chalicelib.engine.values.types import TableOf
from chalicelib.engine.values.value import size

if TYPE_CHECKING:
    # The decorators' types name the contexts, which have a scheduler.
    from chalicelib.engine.functions.registration import Schedulable
    from chalicelib.engine.functions.registry import RegisteredFunction, Registry

P = ParamSpec("P")


class Scheduling(msgspec.Struct, frozen=True):
    """Where jobs are written: in the mutation's own transaction, or in one of their own."""

    add: Callable[[Plan], Id[ScheduledFunction]]
    cancel: Callable[[Id[ScheduledFunction]], None]
    now_ms: Callable[[], float]
    table_of: Callable[[], TableOf]


class Scheduled(msgspec.Struct):
    """What one transaction has scheduled so far."""

    jobs: int = 0
    argument_bytes: int = 0


class Scheduler:
    """Schedules mutations and actions, public and internal; they run as the system.

    In a mutation a job exists if the mutation commits. In an action each call is a
    transaction of its own.
    """

    def __init__(
        self, registry: "Registry", scheduling: Scheduling, scheduled: Scheduled | None
    ) -> None:
        """``scheduled`` counts for a whole transaction; None: each job has one of its own."""
        self._registry, self._scheduling = registry, scheduling
        self._scheduled = scheduled

    def run_after(
        self,
        delay_ms: float,
        function: "Schedulable[P, Any]",
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Have ``function`` run ``delay_ms`` milliseconds from now, once; 0 is at once.

        Raises:
            InvalidScheduledFunctionDelay: The delay is negative, or over five years.
            ArgumentValidationError: The arguments are not what the function takes.
            TooManyFunctionsScheduled: The mutation schedules more than 1,000 jobs.
            ScheduledFunctionsArgumentsTooLarge: Over 4 MiB, or 16 MiB in one mutation.
        """
        if math.isnan(delay_ms) or delay_ms < 0:
            raise InvalidScheduledFunctionDelay(
                f"a delay of {delay_ms} ms: it must not be negative"
            )
        now_ms = self._scheduling.now_ms()
        return self._schedule(now_ms + delay_ms, now_ms, function, args, kwargs)

    def run_at(
        self,
        time_ms: float,
        function: "Schedulable[P, Any]",
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Id[ScheduledFunction]:
        """Have ``function`` run at a time, in milliseconds since the Unix epoch, once.

        A time that has passed is now.

        Raises:
            InvalidScheduledFunctionDelay: The time is more than five years away.
            ArgumentValidationError: The arguments are not what the function takes.
            TooManyFunctionsScheduled: The mutation schedules more than 1,000 jobs.
            ScheduledFunctionsArgumentsTooLarge: Over 4 MiB, or 16 MiB in one mutation.
        """
        return self._schedule(time_ms, self._scheduling.now_ms(), function, args, kwargs)

    def cancel(self, job: Id[ScheduledFunction]) -> None:
        """Call a job off. One that has ended stays as it is.

        An action that runs already goes on, marked as canceled: what it schedules from now
        on is canceled too.
        """
        self._scheduling.cancel(job)

    def _schedule(
        self,
        at_ms: float,
        now_ms: float,
        function: "Schedulable[..., Any]",
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Id[ScheduledFunction]:
        _check_time(at_ms, now_ms)
        path = self._registry.path_of(function)
        if function.kind == "query":
            raise WrongFunctionKind(f"{path} is a query: schedule a mutation or an action")
        raw = function.signature.encode_args(function.signature.bind(args, kwargs))
        function.signature.decode_args(raw, self._scheduling.table_of())
        value: Any = decode(raw)
        self._count_in(size(value), path)
        return self._scheduling.add(Plan(path, value, at_ms))

    def _count_in(self, argument_bytes: int, path: str) -> None:
        if argument_bytes > MAX_JOB_ARGUMENT_BYTES:
            raise ScheduledFunctionsArgumentsTooLarge(
                f"Arguments for {path} are too large to be scheduled "
                f"({argument_bytes} bytes, limit: {MAX_JOB_ARGUMENT_BYTES} bytes)"
            )
        so_far = self._scheduled
        if so_far is None:
            return
        if so_far.jobs >= MAX_JOBS_PER_MUTATION:
            raise TooManyFunctionsScheduled(
                f"Too many functions scheduled by this mutation "
                f"(limit: {MAX_JOBS_PER_MUTATION})"
            )
        if so_far.argument_bytes + argument_bytes > MAX_JOB_ARGUMENT_BYTES_PER_MUTATION:
            raise ScheduledFunctionsArgumentsTooLarge(
                f"Too large total size of the arguments of scheduled functions from this "
                f"mutation (limit: {MAX_JOB_ARGUMENT_BYTES_PER_MUTATION} bytes)"
            )
        so_far.jobs += 1
        so_far.argument_bytes += argument_bytes


def in_transaction(
    book: JobBook, now_ms: float, table_of: TableOf, parent: str | None
) -> Scheduling:
    """Scheduling within a mutation, for the job ``parent`` if one calls it."""

    # Quoted: each mutation comes by here, and would work the hint out.
    def add(plan: Plan) -> "Id[ScheduledFunction]":
        by: Any = parent
        return book.add(plan, canceled=by is not None and book.is_canceled(by))

    return Scheduling(add, book.cancel, lambda: now_ms, lambda: table_of)


def target_of(scheduler: Scheduler, path: str) -> "RegisteredFunction | None":
    """Find the function that a job names, for the engine's own functions."""
    return scheduler._registry.lookup(path)  # noqa: SLF001 - a part of the same module


def table_of(scheduler: Scheduler) -> TableOf:
    """How ids in the arguments of jobs are judged, for the engine's own functions."""
    return scheduler._scheduling.table_of()  # noqa: SLF001 - a part of the same module


def _check_time(at_ms: float, now_ms: float) -> None:
    if math.isnan(at_ms) or at_ms - now_ms > MAX_JOB_DELAY_MS:
        raise InvalidScheduledFunctionDelay(f"{at_ms} is more than 5 years in the future")
    if at_ms - now_ms < -MAX_JOB_DELAY_MS:
        raise InvalidScheduledFunctionDelay(f"{at_ms} is more than 5 years in the past")
