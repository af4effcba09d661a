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
    "ClientDisconnect": 408,
    "ContentLengthMismatch": 400,
    "DownloadLinkRefused": 401,
    "FileNotFound": 404,
    "FilesNotConfigured": 503,
    "IndexNotReady": 503,
    "IndexUnknown": 503,
    "InvalidAuthHeader": 401,
    "InvalidClientVersion": 400,
    "InvalidContentType": 400,
    "InvalidDigest": 400,
    "InvalidStoragePath": 400,
    "InvalidUploadToken": 401,
    "InvalidValue": 400,
    "MethodNotAllowed": 405,
    "NoAuthProvider": 401,
    "NoUploadLinks": 400,
    "NotDeployed": 503,
    "OptimisticConcurrencyControlFailure": 503,
    "OutOfRetention": 503,
    "OutcomeUnknown": 503,
    "SchemaRefused": 409,
    "Sha256Mismatch": 400,
    "StorageCorrupt": 500,
    "StorageFull": 503,
    "StorageUnavailable": 503,
    "TooManyConcurrentRequests": 429,
    "TooManyWrites": 400,
    "Unauthenticated": 401,
    "UploadAbandoned": 409,
    "UploadIncomplete": 409,
    "UploadTokenExpired": 401,
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
