"""Errors raised on purpose, each with a stable code; anything else is a bug.

Two families. :class:`EngineError` is ours: the transports look its class up in one table to
find a status or a close code. :class:`AppError` is the application's: it travels to the client
as data, on every transport alike.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from typing_extensions import override


class EngineError(Exception):
    """Base of every error that the engine raises on purpose."""

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    is_bug: ClassVar[bool] = False
    """Whether the function is to blame, so that its operators should hear of it."""

    public: ClassVar[str | None] = None
    """What callers are told instead of the message, which may name parts of the stack."""

    @property
    def told(self) -> str:
        """The text for callers."""
        return self.public if self.public is not None else str(self)


class InvalidValue(EngineError):
    """A value is not one that can be stored or sent.

    ``path`` leads to the part at fault, as in ``.nodes[0].position``; empty for the whole.
    """

    code = "InvalidValue"

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{reason} (at {path})" if path else reason)
        self.reason, self.path = reason, path

    def under(self, step: str) -> "InvalidValue":
        """The same fault, seen from one container further out."""
        return InvalidValue(self.reason, step + self.path)


class InvalidId(EngineError):
    """A text is not a document id."""

    code = "InvalidId"


class InvalidHint(EngineError):
    """A type hint that the wire has no type for; the message says what to write instead."""

    code = "InvalidHint"


class InvalidSchema(EngineError):
    """A document class or one of its indexes breaks a rule, which ``rule`` names."""

    code = "InvalidSchema"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class InvalidFunction(EngineError):
    """A function cannot be served as it is written; the message says what to change."""

    code = "InvalidFunction"


class TypeMismatch(EngineError):
    """A value is not of its type. The message is Convex's, without what was being done."""

    code = "TypeMismatch"


class ArgumentValidationError(EngineError):
    """The arguments of a call are not what the function takes."""

    code = "ArgumentValidationError"

    def __init__(self, mismatch: str) -> None:
        super().__init__(f"ArgumentValidationError: {mismatch}")
        self.mismatch = mismatch


class ReturnsValidationError(EngineError):
    """A function returned what its signature does not promise."""

    code = "ReturnsValidationError"
    is_bug = True

    def __init__(self, mismatch: str) -> None:
        super().__init__(f"ReturnsValidationError: {mismatch}")
        self.mismatch = mismatch


class SchemaMismatch(EngineError):
    """A document is not what its class says."""

    code = "SchemaMismatch"


class InvalidAuthHeader(EngineError):
    """What was presented to identify the caller cannot be used; the message says why."""

    code = "InvalidAuthHeader"


class NoAuthProvider(EngineError):
    """A token comes from nobody whom the app trusts."""

    code = "NoAuthProvider"

    def __init__(self, configured: Sequence[str]) -> None:
        found = "No auth provider found matching the given token"
        super().__init__(
            f"{found}. Check that the token's issuer ('iss') and audience ('aud') match one"
            f" of your configured providers: [{', '.join(configured)}]"
            if configured
            else f"{found} (no providers configured). List one in auth_config.py."
        )
        self.configured = tuple(configured)


class TokenRefused(EngineError):
    """A token of an OIDC provider does not hold."""

    code = "Unauthenticated"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Could not verify OIDC token claim: {reason}. Sign in again for a fresh token,"
            " and check that it was issued to this application."
        )
        self.reason = reason


class AuthProviderDiscoveryFailed(EngineError):
    """The keys of an auth provider could not be had: no token of it can be verified now."""

    code = "AuthProviderDiscoveryFailed"
    retryable = True

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(
            f"Auth provider discovery of {issuer} failed: {reason}. Check that the URL in"
            " auth_config.py is correct and accessible from the server."
        )
        self.issuer, self.reason = issuer, reason


class BadDeployKey(EngineError):
    """The key presented is not the admin key of this deployment."""

    code = "BadDeployKey"

    def __init__(self) -> None:
        super().__init__(
            "The admin key is not the one of this deployment. Check that the key and the"
            " address that you use belong together."
        )


class AppError(Exception):
    """An error that a function raises for its caller to handle.

    It travels as ``errorData = {"code", "message", "details"}``.
    """

    code: ClassVar[str] = "PROCESSING_ERROR"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message, self.details = message, details

    @property
    def data(self) -> dict[str, Any]:
        """What the client receives as ``errorData``."""
        return {"code": self.code, "message": self.message, "details": self.details}


class NotFound(AppError):
    """The document does not exist, or the caller may not know that it does."""

    code = "NOT_FOUND"


class Conflict(AppError):
    """The state of the document does not allow the request."""

    code = "CONFLICT"


class Forbidden(AppError):
    """The caller is known and may not do this."""

    code = "AUTHORIZATION_ERROR"


class Unauthenticated(AppError):
    """Nobody is signed in, and somebody must be."""

    code = "AUTHENTICATION_ERROR"


class ValidationFailed(AppError):
    """The arguments have the right types and make no sense together."""

    code = "VALIDATION_ERROR"


class RateLimited(AppError):
    """The caller has asked too often; details say when to ask again."""

    code = "RATE_LIMITED"


class InvalidCursor(AppError):
    """A cursor is not one of this query: begin again at the first page."""

    code = "InvalidCursor"

    def __init__(self) -> None:
        super().__init__(
            "InvalidCursor: Tried to run a query starting from a cursor, but it looks like"
            " this cursor is from a different query."
        )

    @property
    @override
    def data(self) -> dict[str, Any]:
        """What makes the stock pagination hook begin again."""
        return {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


class PaginationRefused(EngineError):
    """A page cannot be read as it was asked for; ``rule`` names what is wrong."""

    code = "PaginationRefused"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class TransactionLimit(EngineError):
    """A function reads or writes more than one transaction may; ``rule`` names the limit."""

    code = "TransactionLimit"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


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


class BlobMissing(EngineError):
    """The bytes of a file are not where they should be."""

    code = "BlobMissing"


class FilesNotConfigured(EngineError):
    """The deployment has no place for files, or does not know its own address."""

    code = "FilesNotConfigured"


class SecretRefused(EngineError):
    """A sealed secret does not open: it was changed, is another's, or its key is gone."""

    code = "SecretRefused"

    def __init__(self) -> None:
        super().__init__(
            "the secret does not open: it was changed, or sealed for another place"
        )


class SecretsUnavailable(EngineError):
    """Whoever holds the keys could not be reached, or does not serve this deployment."""

    code = "SecretsUnavailable"
    public = "Secrets cannot be sealed or opened at the moment: try again."


class SecretsNotConfigured(EngineError):
    """The deployment has no key for secrets."""

    code = "SecretsNotConfigured"
    public = "This deployment keeps no secrets."


class AddressRefused(EngineError):
    """A request was to go where this deployment sends none; ``why`` says what is wrong."""

    code = "AddressRefused"

    def __init__(self, why: str) -> None:
        super().__init__(f"the address is refused: {why}")
        self.why = why


class RequestFailed(EngineError):
    """A request to another server was not answered; the message says why."""

    code = "RequestFailed"


class OutsideNotConfigured(EngineError):
    """The deployment sends no requests to other servers."""

    code = "OutsideNotConfigured"


class UploadRefused(EngineError):
    """Something is wrong with an upload; nothing of it was kept."""

    code = "UploadRefused"


class InvalidUploadToken(UploadRefused):
    """The token of an upload was not made by this deployment."""

    code = "InvalidUploadToken"

    def __init__(self) -> None:
        super().__init__(
            "This upload URL is not one of this deployment: ask for one with"
            " generateUploadUrl() and use it as it is."
        )


class UploadTokenExpired(UploadRefused):
    """The token of an upload is too old."""

    code = "UploadTokenExpired"

    def __init__(self) -> None:
        super().__init__(
            "This upload URL has expired, an hour after it was made: ask for another one"
            " with generateUploadUrl()."
        )


class Sha256Mismatch(UploadRefused):
    """What has come has another digest than was announced."""

    code = "Sha256Mismatch"

    def __init__(self, *, announced: str, received: str) -> None:
        super().__init__(
            f"The file has SHA-256 {received}, not {announced} as announced: upload it again."
        )


class ContentLengthMismatch(UploadRefused):
    """What has come is longer or shorter than was announced."""

    code = "ContentLengthMismatch"

    def __init__(self, *, announced: int, received: int) -> None:
        super().__init__(
            f"{received} bytes have come, not {announced} as announced: upload the file again."
        )


class InvalidContentType(UploadRefused):
    """The type of a file is nothing that a header could say."""

    code = "InvalidContentType"

    def __init__(self, content_type: str) -> None:
        super().__init__(
            f"{content_type!r} is no content type: printable ASCII, as text/plain"
        )


class UploadBroken(UploadRefused):
    """The client went away before its file had come."""

    code = "ClientDisconnect"


class UploadIncomplete(UploadRefused):
    """Nothing has come by an upload link."""

    code = "UploadIncomplete"

    def __init__(self) -> None:
        super().__init__("The file has not been uploaded yet: PUT it to its URL first.")


class UploadAbandoned(UploadRefused):
    """An upload took so long that its bytes were given up."""

    code = "UploadAbandoned"

    def __init__(self) -> None:
        super().__init__("The upload took more than a day and was given up: begin again.")


class NoUploadLinks(UploadRefused):
    """The deployment keeps its files where it can make no links to."""

    code = "NoUploadLinks"

    def __init__(self) -> None:
        super().__init__(
            "This deployment has no links for uploads: POST the file to the upload URL, which"
            " takes any size here."
        )


class DownloadLinkRefused(EngineError):
    """A link for a download was not made by this deployment, or is too old."""

    code = "DownloadLinkRefused"

    def __init__(self) -> None:
        super().__init__("This link is not good, or no longer: ask for another one.")


class BelowHorizon(EngineError):
    """The part of the log that was asked for is no longer kept."""

    code = "OutOfRetention"
    retryable = True


class OptimisticConcurrencyControlFailure(EngineError):
    """The transaction kept conflicting with others; nothing was written."""

    code = "OptimisticConcurrencyControlFailure"
    retryable = True


class ConnectionGone(EngineError):
    """The socket is closed: nothing more can be posted to it."""

    code = "ConnectionGone"


class PostUnanswered(EngineError):
    """Whether a message reached the socket is not known; it must not be posted again."""

    code = "PostUnanswered"


class MessageTooLarge(EngineError):
    """A message is longer than the gateway takes; it was not posted."""

    code = "MessageTooLarge"


class Overloaded(EngineError):
    """A client, or all clients of a user together, ask for more than their share."""

    code = "TooManyConcurrentRequests"
    retryable = True


class TableUnknown(EngineError):
    """A document class belongs to no table that is served."""

    code = "TableUnknown"


class ActionTimedOut(EngineError):
    """An action asked for something after its time was over."""

    code = "ActionTimedOut"


class IndexNotReady(EngineError):
    """An index is still being built and cannot be queried yet."""

    code = "IndexNotReady"


class QueryMisused(EngineError):
    """A query was asked for something that makes no sense; the message says what does."""

    code = "QueryMisused"


class IndexUnknown(EngineError):
    """An index is not in the schema that is served: dropped since, or not deployed yet."""

    code = "IndexUnknown"


class SchemaBehind(EngineError):
    """Code wrote what only its own schema allows, which may take effect by itself."""

    code = "SchemaBehind"

    def __init__(self, table: str, validator: str) -> None:
        super().__init__(f"the schema of {table} is older than the code: deploy it")
        self.table, self.validator = table, validator


class SchemaRefused(EngineError):
    """The data does not satisfy a schema that was to be deployed; nothing has changed."""

    code = "SchemaRefused"


class NotUnique(EngineError):
    """A query for one document found several."""

    code = "NotUnique"


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


class BadMessage(EngineError):
    """A message or a request is not one of the protocol."""

    code = "BadMessage"


class BodyTooLarge(EngineError):
    """The body of an HTTP request is larger than its function takes."""

    code = "BodyTooLarge"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the body may have {max_bytes} bytes")
        self.max_bytes = max_bytes


class UnsupportedMediaType(EngineError):
    """The body of an HTTP request is of a type that its function does not take."""

    code = "UnsupportedMediaType"

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(f"the body is {given or 'of no type'}: send {wanted}")
        self.given, self.wanted = given, wanted


class BaseVersionMismatch(EngineError):
    """The client built a change on a version that the server does not hold."""

    code = "BaseVersionMismatch"

    def __init__(self, *, expected: int, received: int) -> None:
        super().__init__(
            f"Base version {received} passed up doesn't match the current version {expected}"
        )
        self.expected, self.received = expected, received


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
