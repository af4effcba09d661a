"""Errors of values, types and what an app declares."""

from chalicelib.engine.errors.families import EngineError


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
