"""The one table from errors to what HTTP answers; everything unlisted is opaque."""

from typing import Final

import msgspec

from chalicelib.engine.errors import EngineError

STATUS: Final[dict[str, int]] = {
    "AuthProviderDiscoveryFailed": 400,
    "BadArguments": 400,
    "BadDeployKey": 403,
    "BadFormat": 400,
    "BadJsonBody": 400,
    "BadMessage": 400,
    "BaseVersionMismatch": 400,
    "IndexNotReady": 503,
    "InvalidAuthHeader": 401,
    "InvalidClientVersion": 400,
    "InvalidValue": 400,
    "NoAuthProvider": 401,
    "NotDeployed": 503,
    "OptimisticConcurrencyControlFailure": 503,
    "OutOfRetention": 503,
    "OutcomeUnknown": 503,
    "StorageCorrupt": 500,
    "StorageFull": 503,
    "StorageUnavailable": 503,
    "TooManyWrites": 400,
    "TooManyConcurrentRequests": 429,
    "Unauthenticated": 401,
}
"""HTTP status by error code; a code that is not here is a bug of ours: 500."""

INTERNAL: Final = (
    500,
    "InternalServerError",
    "The request could not be completed. Try again later.",
)


class BadFormat(EngineError):
    """The ``format`` of a request is not one that is known."""

    code = "BadFormat"


class BadJsonBody(EngineError):
    """The body of a request is not the JSON that was asked for."""

    code = "BadJsonBody"


class InvalidClientVersion(EngineError):
    """The ``Convex-Client`` header names no client and version."""

    code = "InvalidClientVersion"


class Fault(msgspec.Struct, frozen=True):
    """The body of an error that is not a function's own."""

    code: str
    message: str


def fault(error: Exception) -> tuple[int, Fault]:
    """Return the status and the body that answer ``error``."""
    if isinstance(error, EngineError) and error.code in STATUS:
        return STATUS[error.code], Fault(error.code, error.told)
    status, code, message = INTERNAL
    return status, Fault(code, message)
