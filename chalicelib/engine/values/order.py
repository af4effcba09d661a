"""Values as index keys: bytes that sort as the values do.

A field is one byte for its kind and then its content. No field is the beginning of another,
so fields may simply follow one another. Kinds start at 0x10: 0x00 ends a container, and an
internal id, whose first byte stays below 0x10 until 2112, is not taken for a field.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.values.numbers import float_bits
from chalicelib.engine.values.value import (
    Int64,
    Missing,
    Value,
    check,
    not_a_value,
)


def field_bytes(value: Value | Missing) -> bytes:
    """Encode one field of a key.

    Raises:
        InvalidValue: It is not a value.
    """
    if type(value) is list or type(value) is dict:
        check(value)
    return _field(value)


def key_bytes(fields: Sequence[Value | Missing]) -> bytes:
    """Encode a key of several fields; keys of equal length sort as their lists do.

    Raises:
        InvalidValue: A field is not a value.
    """
    return b"".join([field_bytes(field) for field in fields])


def split_fields(key: bytes) -> list[bytes]:
    """Cut a key at the borders of its fields.

    Stops before bytes that are not a whole field: an internal id, or the rest of a field
    that was cut short.
    """
    fields = []
    start = 0
    while (end := _field_end(key, start)) is not None:
        fields.append(key[start:end])
        start = end
    return fields


_END: Final = b"\x00"
_MISSING: Final = b"\x10"
_NULL: Final = b"\x20"
_INT64: Final = b"\x30"
_FLOAT64: Final = b"\x40"
_FALSE: Final = b"\x50"
_TRUE: Final = b"\x51"
_TEXT: Final = b"\x60"
_BYTES: Final = b"\x70"
_ARRAY: Final = b"\x80"
_OBJECT: Final = b"\x90"

_UINT64: Final = struct.Struct(">Q")

NUMBER_BYTES: Final = 1 + _UINT64.size
"""Length of a field that holds a number."""
_SIGN_BIT: Final = 1 << 63


def _field(value: Any) -> bytes:
    kind = type(value)
    if kind is str:
        return _TEXT + _terminated(_utf8(value))
    if kind is int or kind is float:
        return _FLOAT64 + _UINT64.pack(float_bits(value))
    if kind is Int64:
        return _INT64 + _UINT64.pack(value + _SIGN_BIT)
    if kind is bytes:
        return _BYTES + _terminated(value)
    if kind is list:
        return _ARRAY + b"".join(map(_field, value)) + _END
    if kind is dict:
        pairs = [_field(name) + _field(value[name]) for name in sorted(value)]
        return _OBJECT + b"".join(pairs) + _END
    return _single(value)


def _single(value: object) -> bytes:
    if value is None:
        return _NULL
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    if isinstance(value, Missing):
        return _MISSING
    raise not_a_value(value)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValue("text has a lone surrogate, which is no character") from None


def _terminated(content: bytes) -> bytes:
    # A zero inside is followed by 0xFF, above the second zero of the end: "a" < "a\0".
    return content.replace(b"\x00", b"\x00\xff") + b"\x00\x00"


_LENGTH: Final = {
    _MISSING[0]: 1,
    _NULL[0]: 1,
    _INT64[0]: 9,
    _FLOAT64[0]: 9,
    _FALSE[0]: 1,
    _TRUE[0]: 1,
}


def _field_end(key: bytes, start: int) -> int | None:
    """Find where the field that begins at ``start`` ends; None if it is not whole."""
    at, depth = start, 0
    while at < len(key):
        kind = key[at]
        if kind in _LENGTH:
            at += _LENGTH[kind]
        elif kind in (_TEXT[0], _BYTES[0]):
            zeros = key.find(b"\x00\x00", at + 1)
            if zeros < 0:
                return None
            at = zeros + 2
        elif kind in (_ARRAY[0], _OBJECT[0]):
            at, depth = at + 1, depth + 1
        elif kind == _END[0] and depth:
            at, depth = at + 1, depth - 1
        else:
            return None
        if not depth:
            return at if at <= len(key) else None
    return None
