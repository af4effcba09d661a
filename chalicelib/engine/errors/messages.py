"""Errors of connections and requests, and of what comes over them."""

from chalicelib.engine.errors.families import EngineError


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
