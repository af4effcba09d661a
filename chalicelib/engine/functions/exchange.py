"""What goes into a function and what comes out of it: within its limits, and as promised."""

from typing import Any, Final

from chalicelib.engine.errors import ArgumentsTooLarge, EngineError, ResultTooLarge
from chalicelib.engine.functions.calls import arguments_object
from chalicelib.engine.functions.registry import RegisteredFunction
from chalicelib.engine.limits import MAX_ARGUMENT_BYTES, MAX_RESULT_BYTES
from chalicelib.engine.values.encoding import decode
from chalicelib.engine.values.types import TableOf
from chalicelib.engine.values.value import size


def arguments_of(
    target: RegisteredFunction, text: bytes, table_of: TableOf
) -> dict[str, Any]:
    """Return the keyword arguments of a call from the JSON that came with it.

    Raises:
        ArgumentsTooLarge: They are over the limit.
        ArgumentValidationError: They are not what the function takes.
        BadArguments: They are not one object.
        InvalidValue: They are not a value at all.
    """
    raw = arguments_object(text)
    measured = 2 + _size(raw, MAX_ARGUMENT_BYTES)  # they travel in an array
    if measured > MAX_ARGUMENT_BYTES:
        raise ArgumentsTooLarge(
            f"Arguments for {_shown(target)} are too large"
            f" {_compared(measured, MAX_ARGUMENT_BYTES)}"
        )
    return target.function.signature.decode_args(raw, table_of)


def value_of(
    target: RegisteredFunction, result: Any, table_of: TableOf, *, judged: bool
) -> bytes:
    """Return a result as the wire has it; ``judged``: whether the signature promised it.

    Raises:
        ResultTooLarge: It is over the limit.
        ReturnsValidationError: It is not what the signature promises.
        InvalidValue: Something inside is not a value.
    """
    value = target.function.signature.encode_result(result)
    measured = _size(value, MAX_RESULT_BYTES)
    if measured > MAX_RESULT_BYTES:
        raise ResultTooLarge(
            f"Function {_shown(target)} return value is too large"
            f" {_compared(measured, MAX_RESULT_BYTES)}"
        )
    if judged:
        target.function.signature.check_result(value, table_of)
    return value


_WIDEST_BYTES: Final = 5
"""Bytes that a byte of JSON stands for at most: ``0,`` is two of them, and a number is 9."""


def _size(text: bytes, limit: int) -> int:
    """The size of a value in JSON; 0 where it is surely within ``limit``, which is fast."""
    if len(text) * _WIDEST_BYTES <= limit:
        return 0
    try:
        return size(decode(text))
    except EngineError:
        return 0  # no value: whoever reads it says why


def _compared(measured: int, limit: int) -> str:
    return f"(actual: {_readable(measured)}, limit: {_readable(limit)})"


def _readable(count: int) -> str:
    """Write a number of bytes over a million as Convex does: ``16 MiB``, ``16.25 MiB``."""
    return f"{count / 2**20:.2f}".rstrip("0").rstrip(".") + " MiB"


def _shown(target: RegisteredFunction) -> str:
    module, _, name = target.path.partition(":")
    return f"{module}.js:{name}"
