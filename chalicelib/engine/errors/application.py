"""Errors that an application raises; the client gets their data."""

from typing import Any

from typing_extensions import override

from chalicelib.engine.errors.families import AppError


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


class UndoRefused(Conflict):
    """The deployment cannot go back as it was asked to; nothing was written, details say why."""

    code = "UNDO_REFUSED"


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
