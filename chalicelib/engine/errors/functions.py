"""Errors of calls: of functions, their arguments and results, and of jobs."""

from chalicelib.engine.errors.families import EngineError


class ActionTimedOut(EngineError):
    """An action asked for something after its time was over."""

    code = "ActionTimedOut"


class FunctionNotFound(EngineError):
    """No function has this path, or the caller may not reach it."""

    code = "FunctionNotFound"


class NotDeterministic(EngineError):
    """A query or a mutation did what only an action may."""

    code = "NotDeterministic"
    is_bug = True

    def __init__(self, deed: str) -> None:
        super().__init__(
            f"a query or a mutation cannot {deed}: it is run again when it conflicts, and its"
            " result is shared, so what it knows has to come from ctx. Do this in an action,"
            " and hand what comes of it to a mutation with ctx.run_mutation; for time and"
            " chance there are ctx.now and ctx.random"
        )
        self.deed = deed


class WrongFunctionKind(EngineError):
    """A function was called as a kind that it is not."""

    code = "WrongFunctionKind"


class BadArguments(EngineError):
    """Arguments are not one object."""

    code = "BadArguments"


class ResultTooLarge(EngineError):
    """A function returned more than the transport can send; nothing was written."""

    code = "FunctionReturnTooLarge"


class ArgumentsTooLarge(EngineError):
    """The arguments of a call are over the limit; nothing was run."""

    code = "FunctionArgumentsTooLarge"


class NotDeployed(EngineError):
    """The schema of the apps was not committed to this log."""

    code = "NotDeployed"
    retryable = True


class InvalidScheduledFunctionDelay(EngineError):
    """A job was scheduled for a time that it cannot have."""

    code = "InvalidScheduledFunctionDelay"


class TooManyFunctionsScheduled(EngineError):
    """One mutation schedules more jobs than it may."""

    code = "TooManyFunctionsScheduled"


class ScheduledFunctionsArgumentsTooLarge(EngineError):
    """The arguments of one job, or of all jobs of one mutation, are too large."""

    code = "ScheduledFunctionsArgumentsTooLarge"


class InvalidCron(EngineError):
    """A cron cannot run as it is written; the message says what to change."""

    code = "InvalidCron"
