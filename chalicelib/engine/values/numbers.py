"""What is peculiar about numbers, which are all float64."""

import math
import struct
from typing import Final

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import MAX_SAFE_INTEGER


def check_integer(number: int) -> None:
    """Refuse a plain integer that float64 may not hold exactly."""
    if not -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        raise InvalidValue("integer is beyond 2^53: wrap it in Int64")


def is_in_json(number: float) -> bool:
    """Whether JSON can write ``number``: not NaN, nor infinite, nor -0.0."""
    return math.isfinite(number) and (number != 0.0 or math.copysign(1.0, number) > 0.0)


def float_bits(number: float) -> int:
    """Map a number to 64 unsigned bits that sort as numbers do, from -NaN to NaN.

    Raises:
        InvalidValue: It is an integer that float64 may not hold exactly.
    """
    if type(number) is int and not -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        check_integer(number)
    bits: int = _UINT64.unpack(_FLOAT64.pack(number))[0]
    return bits ^ _ALL_BITS if bits & _SIGN_BIT else bits | _SIGN_BIT


_FLOAT64: Final = struct.Struct(">d")
_UINT64: Final = struct.Struct(">Q")
_SIGN_BIT: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
