"""The two families of errors: the engine's and the application's."""

from typing import Any, ClassVar


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
