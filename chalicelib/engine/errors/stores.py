"""Errors of the log and of what keeps it."""

from chalicelib.engine.errors.families import EngineError


class OutcomeUnknown(EngineError):
    """Whether the transaction was committed is not known; repeating the request finds out."""

    code = "OutcomeUnknown"
    retryable = True
    public = "It is not known whether this took effect: look, or repeat it."


class EntryTooLarge(EngineError):
    """The transaction writes more than one log entry can hold."""

    code = "TooManyWrites"


class StorageUnavailable(EngineError):
    """The storage does not work now; what was answered before is safe."""

    code = "StorageUnavailable"
    retryable = True
    public = "The database cannot be reached right now. Try again."


class StorageFull(EngineError):
    """There is no room left to write to; nothing was written, nothing was lost."""

    code = "StorageFull"
    retryable = True
    public = "The database has no room left: nothing was written. Tell its operators."


class StorageCorrupt(EngineError):
    """What is stored is not what was written; nothing more is written to it."""

    code = "StorageCorrupt"
    public = "The database is damaged. Tell its operators."


class StorageLocked(EngineError):
    """Another process has the data directory, and only one may."""

    code = "StorageLocked"


class BelowHorizon(EngineError):
    """The part of the log that was asked for is no longer kept."""

    code = "OutOfRetention"
    retryable = True


class OptimisticConcurrencyControlFailure(EngineError):
    """The transaction kept conflicting with others; nothing was written."""

    code = "OptimisticConcurrencyControlFailure"
    retryable = True
