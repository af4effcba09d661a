"""The values that documents hold and clients exchange: their kinds, limits, size and order.

A value is None, a bool, an :class:`Int64`, a number (float or int, which are one kind), a
str, bytes, a list or a dict with names for keys; exactly these classes, no subclasses.
"""

import enum
import operator
from collections.abc import Callable, Collection, Iterable
from itertools import chain
from typing import Any, Final, Self, TypeAlias

from typing_extensions import override

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import (
    MAX_ARRAY_ITEMS,
    MAX_FIELD_NAME_CHARS,
    MAX_INT64,
    MAX_OBJECT_FIELDS,
    MAX_VALUE_BYTES,
    MAX_VALUE_NESTING,
    MIN_INT64,
)
from chalicelib.engine.values.numbers import check_integer, float_bits, is_in_json
from chalicelib.engine.values.path import locate

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
    value: Value, *, nesting: int = MAX_VALUE_NESTING, max_bytes: int = MAX_VALUE_BYTES
) -> int:
    """Return the size of a value that keeps all limits; ``nesting`` counts containers.

    Raises:
        InvalidValue: It breaks one, or is not a value; the path tells where.
    """
    try:
        total, _ = measure(value, nesting)
    except InvalidValue as fault:
        raise locate(fault, value, lambda part: measure(part, nesting)) from None
    if total > max_bytes:
        raise InvalidValue(f"value of {total} bytes is too large: the limit is {max_bytes}")
    return total


def size(value: Value) -> int:
    """Count the bytes that a value stands for in limits and budgets.

    Null and bool are 1, numbers 9, text and bytes 2 more than their bytes, an array 2 and
    its items, an object 2 and for each field its name, 1 and its value.

    Source: Convex.

    Raises:
        InvalidValue: It is not a value.
    """
    return measure(value)[0]


def measure(value: Value, nesting: int = MAX_VALUE_NESTING) -> tuple[int, bool]:
    """Count the bytes of a value, and tell whether JSON can write it as it stands.

    Goes level by level and keeps no path, which takes half the time of a recursive walk.

    Raises:
        InvalidValue: It is not a value or nested too deeply; :func:`check` tells where.
    """
    total, plain = 0, True
    names: list[str] = []
    level: Iterable[Any] = (value,)
    for _ in range(nesting + 1):
        below: list[Iterable[Any]] = []
        level_bytes, level_plain = _measure_level(level, below, names)
        total, plain = total + level_bytes, plain and level_plain
        if not below:
            return total + _names_length(names), plain
        level = chain.from_iterable(below)
    raise InvalidValue("value is nested too deeply")


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


def not_a_value(thing: object) -> InvalidValue:
    """Say what ``thing`` is instead of a value."""
    return InvalidValue(f"{type(thing).__name__} is not a type of value")


# Order

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

_SORT_KEY: Final[tuple[Callable[[Any], Any], ...]] = (
    lambda _missing: 0,
    lambda _null: 0,
    int,
    float_bits,
    bool,
    str,
    bytes,
)


def _rank(value: object) -> int:
    try:
        return _RANK[type(value)]
    except KeyError:
        raise not_a_value(value) from None


def _compare_items(a: list[Any], b: list[Any]) -> int:
    for x, y in zip(a, b, strict=False):  # a prefix sorts first, as the lengths tell
        if order := compare(x, y):
            return order
    return (len(a) > len(b)) - (len(a) < len(b))


def _pairs(fields: dict[str, Any]) -> list[list[Any]]:
    return [[name, fields[name]] for name in sorted(fields)]


# Size and limits


def _measure_level(
    level: Iterable[Any], below: list[Iterable[Any]], names: list[str]
) -> tuple[int, bool]:
    """Measure values, leaving what the containers hold to ``below`` and ``names``."""
    total, plain = 0, True
    for member in level:
        kind = type(member)
        if kind is str:
            total += 2 + (len(member) if member.isascii() else _utf8_length(member))
        elif kind is float:
            total += 9
            # The difference is for speed: it is 0 for all but NaN and the infinities.
            plain = plain and (member - member == 0.0 != member or is_in_json(member))
        elif kind is dict:
            total += 2 + _counted(member, MAX_OBJECT_FIELDS)
            names += member
            below.append(member.values())
        elif kind is list:
            total += 2
            _counted(member, MAX_ARRAY_ITEMS)
            below.append(member)
        elif kind is int:
            total += 9
            check_integer(member)
        else:
            total += _leaf_size(member)
            plain = plain and kind is not Int64 and kind is not bytes
    return total, plain


def _leaf_size(value: Any) -> int:
    kind = type(value)
    if value is None or kind is bool:
        return 1
    if kind is Int64:
        return 9
    if kind is bytes:
        return 2 + len(value)
    raise not_a_value(value)


def _utf8_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidValue("text has a lone surrogate, which is no character") from None


def _counted(container: Collection[Any], limit: int) -> int:
    if (count := len(container)) > limit:
        noun = "items" if limit == MAX_ARRAY_ITEMS else "fields"
        raise InvalidValue(f"{count} {noun} are too many: the limit is {limit}")
    return count


def _names_length(names: list[str]) -> int:
    """Count the bytes of all names of a value, and check them."""
    try:
        text = "".join(names)
    except TypeError:
        raise InvalidValue("object has a key that is not a str") from None
    few = len(text) <= MAX_FIELD_NAME_CHARS  # then all at once, which is faster
    if not (few and "$" not in text and text.isascii() and text.isprintable()):
        for name in set(names):
            _check_name(name)
    return len(text)


def _check_name(name: str) -> None:
    if name.startswith("$"):
        raise InvalidValue(f"field name {name[:40]!r} starts with $, which is reserved")
    if len(name) > MAX_FIELD_NAME_CHARS:
        raise InvalidValue(f"field name of {len(name)} characters: the limit is 1024")
    if not (name.isascii() and name.isprintable()):
        raise InvalidValue(f"field name {name[:40]!a} is not made of printable ASCII")
