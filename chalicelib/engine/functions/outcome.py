"""What a call came to: a value or a failure, and what is known about it."""

from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import msgspec

from chalicelib.engine.auth.seen import EVERYTHING, Claims
from chalicelib.engine.database.counts import Count
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import AppError, EngineError, InvalidValue
from chalicelib.engine.values.encoding import encode

DIGEST_BYTES: Final = 8
"""Length of the digest by which a session knows what it last sent for a query."""


class Failure(msgspec.Struct, frozen=True):
    """Why a call has no value.

    ``reason`` is for people; ``data`` is the encoded ``errorData`` of an application's error.
    """

    request_id: str
    reason: str
    data: bytes | None = None
    error: Exception | None = None
    """What was raised, for functions that called this one."""

    def message(self, *, redacted: bool) -> str:
        """The text that clients see; redacted, it names nothing but the request."""
        first = f"[Request ID: {self.request_id}] Server Error"
        return first if redacted else f"{first}\n{self.reason}"


class Outcome(msgspec.Struct, frozen=True, dict=True):
    """The end of a call: ``value``, an encoded value, or ``failure``.

    A query's outcome holds at ``ts``; a mutation's was committed at ``ts``. ``claims``
    and ``time_read`` tell that the result depends on who asked, or on the time or chance.
    """

    ts: int
    value: bytes | None = None
    failure: Failure | None = None
    log_lines: tuple[str, ...] = ()
    journal: str | None = None
    read_set: ReadSet | None = None
    claims: Claims = EVERYTHING
    time_read: bool = True
    result: Any = None
    """The value as the function returned it, for functions that called it."""
    statistics: Statistics = Statistics()
    counts: tuple[Count, ...] = ()
    """Counts of index intervals that are worth keeping, exact if the outcome is."""

    @cached_property
    def digest(self) -> bytes:
        """8 bytes that tell this outcome from another one of the same query."""
        failure = self.failure
        if failure is not None:
            text = b"!" + failure.reason.encode() + b"\x00" + (failure.data or b"\x00")
        else:
            text = self.value or b""
        return blake2b(text, digest_size=DIGEST_BYTES).digest()


def failure_of(error: Exception, request_id: str) -> Failure:
    """Describe an error that ended a call."""
    if isinstance(error, AppError):
        try:
            data = encode(error.data)
        except InvalidValue as wrong:
            reason = f"Uncaught {type(error).__name__}: its details are not values: {wrong}"
            return Failure(request_id, _sendable(reason), None, error)
        return Failure(request_id, f"Uncaught ConvexError: {data.decode()}", data, error)
    if isinstance(error, EngineError):
        return Failure(request_id, _sendable(error.told), None, error)
    reason = f"Uncaught {type(error).__name__}: {error}"
    return Failure(request_id, _sendable(reason), None, error)


def _sendable(text: str) -> str:
    """Half surrogates, as file names may have them, cannot be sent."""
    return text.encode(errors="replace").decode()
