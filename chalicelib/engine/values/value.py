"""The values that documents hold and clients exchange: their kinds, limits, order and size.

A value is None, a bool, an :class:`Int64`, a number (float or int, which are one kind), a
str, bytes, a list or a dict with names for keys; exactly these classes, no subclasses.
"""

import enum
import operator
import struct
from collections.abc import Callable
from typing import Any, Final, Self, TypeAlias

from typing_extensions import override

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import (
    MAX_ARRAY_ITEMS,
    MAX_FIELD_NAME_CHARS,
    MAX_INT64,
    MAX_OBJECT_FIELDS,
    MAX_SAFE_INTEGER,
    MAX_VALUE_BYTES,
    MAX_VALUE_NESTING,
    MIN_INT64,
)

Value: TypeAlias = bool | int | float | str | bytes | list[Any] | dict[str, Any] | None
"""Any value; what containers hold is values again, which :func:`check` makes sure of."""


class Int64(int):
    """A 64-bit integer, which is another kind than a number: a bigint to JavaScript.

    Arithmetic gives a plain int. Python's ``==`` ignores the difference, :func:`compare`
    and the encodings do not.
    """

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """Wrap an integer.

        Raises:
            InvalidValue: It needs more than 64 bits.
        """
        integer = operator.index(value)  # int() would cut a fraction off without a word
        if not MIN_INT64 <= integer <= MAX_INT64:
            raise InvalidValue("integer does not fit into 64 bits")
        return super().__new__(cls, integer)

    @override
    def __repr__(self) -> str:
        return f"Int64({int(self)})"

    @override
    def __str__(self) -> str:
        return int.__repr__(self)


class Missing(enum.Enum):
    """The class of :data:`MISSING`, for hints."""

    MISSING = "missing"

    @override
    def __repr__(self) -> str:
        return self.name


MISSING: Final = Missing.MISSING
"""What an index key holds for a field that the document lacks: below every value."""


def check(
    value: Value, *, nesting: int = MAX_VALUE_NESTING, size: int = MAX_VALUE_BYTES
) -> int:
    """Return the size of a value that keeps all limits.

    ``nesting`` is in levels of containers, ``size`` in bytes.

    Raises:
        InvalidValue: It breaks one, or is not a value; the path tells where.
    """
    measured = _measure(value, nesting)
    if measured > size:
        raise InvalidValue(f"value of {measured} bytes is too large: the limit is {size}")
    return measured


def size(value: Value) -> int:
    """Count the bytes that a value stands for in limits and budgets.

    Null and bool are 1, numbers 9, text and bytes 2 more than their bytes, an array 2 and
    its items, an object 2 and for each field its name, 1 and its value.

    Source: Convex.

    Raises:
        InvalidValue: It is not a value.
    """
    return _measure(value, MAX_VALUE_NESTING)


def compare(a: Value | Missing, b: Value | Missing) -> int:
    """Return -1, 0 or 1 as ``a`` sorts before, with or after ``b`` in an index.

    Kinds come first: MISSING, null, int64, number, bool, text, bytes, array, object.
    Numbers sort by their bits, so that -0.0 is below 0.0 and NaN above infinity; text by
    code point; containers item by item, objects as sorted pairs of name and value.

    Raises:
        InvalidValue: One of them is not a value.
    """
    rank, other = _rank(a), _rank(b)
    if rank != other:
        return -1 if rank < other else 1
    if isinstance(a, list) and isinstance(b, list):
        return _compare_items(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return _compare_items(_pairs(a), _pairs(b))
    key = _SORT_KEY[rank]
    x, y = key(a), key(b)
    if x == y:
        return 0
    return -1 if x < y else 1


def float_bits(number: float) -> int:
    """Map a number to 64 unsigned bits that sort as numbers do, from -NaN to NaN."""
    bits: int = _UINT64.unpack(_FLOAT64.pack(number))[0]
    return bits ^ _ALL_BITS if bits & _SIGN_BIT else bits | _SIGN_BIT


def utf8_length(text: str) -> int:
    """Count the bytes of ``text``, which may not hold half of a surrogate pair."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue("text has a lone surrogate, which is no character") from None


def check_integer(number: int) -> None:
    """Refuse a plain integer that a float64 may not hold exactly."""
    if not -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        raise InvalidValue("integer is beyond 2^53: wrap it in Int64")


def check_array(items: list[Any], room: int) -> None:
    """Refuse an array that is too long, or has no level of nesting left in ``room``."""
    if room <= 0:
        raise InvalidValue("value is nested too deeply")
    if len(items) > MAX_ARRAY_ITEMS:
        raise InvalidValue(f"array of {len(items)} items: the limit is {MAX_ARRAY_ITEMS}")


def check_object(fields: dict[str, Any], room: int) -> int:
    """Refuse an object that has no room, too many fields or a bad name; count its names."""
    if room <= 0:
        raise InvalidValue("value is nested too deeply")
    if len(fields) > MAX_OBJECT_FIELDS:
        raise InvalidValue(
            f"object of {len(fields)} fields: the limit is {MAX_OBJECT_FIELDS}"
        )
    try:
        names = "".join(fields)
    except TypeError:
        raise InvalidValue("object has a key that is not a str") from None
    # All names at once: asking each would cost more than everything else about an object.
    if "$" in names or len(names) > MAX_FIELD_NAME_CHARS or not _is_printable_ascii(names):
        for name in fields:
            _check_name(name)
    return len(names)


def refuse(value: object) -> InvalidValue:
    """Name what ``value`` is instead of a value."""
    return InvalidValue(f"{type(value).__name__} is not a type of value")


_FLOAT64: Final = struct.Struct(">d")
_UINT64: Final = struct.Struct(">Q")
_SIGN_BIT: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1

_RANK: Final[dict[type, int]] = {
    Missing: 0,
    type(None): 1,
    Int64: 2,
    int: 3,
    float: 3,
    bool: 4,
    str: 5,
    bytes: 6,
    list: 7,
    dict: 8,
}


def _number_key(number: float) -> int:
    if type(number) is int:
        check_integer(number)
    return float_bits(number)


_SORT_KEY: Final[tuple[Callable[[Any], Any], ...]] = (
    lambda _missing: 0,
    lambda _null: 0,
    int,
    _number_key,
    bool,
    str,
    bytes,
)


def _rank(value: object) -> int:
    try:
        return _RANK[type(value)]
    except KeyError:
        raise refuse(value) from None


def _compare_items(a: list[Any], b: list[Any]) -> int:
    for x, y in zip(a, b, strict=False):  # a prefix sorts first, as the lengths tell
        if order := compare(x, y):
            return order
    return (len(a) > len(b)) - (len(a) < len(b))


def _pairs(fields: dict[str, Any]) -> list[list[Any]]:
    return [[name, fields[name]] for name in sorted(fields)]


def _is_printable_ascii(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _check_name(name: str) -> None:
    if name.startswith("$"):
        raise InvalidValue(f"field name {name[:40]!r} starts with $, which is reserved")
    if len(name) > MAX_FIELD_NAME_CHARS:
        raise InvalidValue(
            f"field name of {len(name)} characters: the limit is {MAX_FIELD_NAME_CHARS}"
        )
    if not _is_printable_ascii(name):
        raise InvalidValue(f"field name {name[:40]!a} is not made of printable ASCII")


def _measure(value: Any, room: int) -> int:
    kind = type(value)
    if kind is str:
        return 2 + utf8_length(value)
    if value is None or kind is bool:
        return 1
    if kind is int:
        check_integer(value)
    if kind in _NUMBERS:
        return 9
    if kind is bytes:
        return 2 + len(value)
    if kind is list:
        return _measure_array(value, room)
    if kind is dict:
        return _measure_object(value, room)
    raise refuse(value)


_NUMBERS: Final = frozenset({int, float, Int64})


def _measure_array(items: list[Any], room: int) -> int:
    check_array(items, room)
    total = 2
    for index, item in enumerate(items):
        try:
            total += _measure(item, room - 1)
        except InvalidValue as fault:
            raise fault.under(f"[{index}]") from None
    return total


def _measure_object(fields: dict[str, Any], room: int) -> int:
    total = 2 + check_object(fields, room) + len(fields)
    for name, value in fields.items():
        try:
            total += _measure(value, room - 1)
        except InvalidValue as fault:
            raise fault.under(f".{name}") from None
    return total
