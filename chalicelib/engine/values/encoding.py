"""Values as JSON: the wire's form, and the two lossy or human ones.

On the wire a number is a number, and what JSON lacks is an object with one reserved name:
``{"$integer"}``, ``{"$float"}`` (NaN, the infinities, -0.0) and ``{"$bytes"}``, each with
base64. Trees share with the value whatever needs no change: leave both alone afterwards.
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import MAX_SAFE_INTEGER, MAX_VALUE_NESTING
from chalicelib.engine.values.value import (
    Int64,
    Value,
    check_array,
    check_integer,
    check_object,
    refuse,
    utf8_length,
)


def to_wire(value: Value) -> Any:
    """Turn a value into a JSON tree.

    Raises:
        InvalidValue: It breaks a limit or is not a value; the path tells where.
    """
    return _convert(value, _TO_WIRE, MAX_VALUE_NESTING)


def from_wire(tree: Any) -> Value:
    """Turn a JSON tree into a value.

    Numbers stay int or float as written, but integers beyond 2^53 become float.

    Raises:
        InvalidValue: It breaks a limit or has an unknown special form; the path tells.
    """
    value: Value = _convert(tree, _FROM_WIRE, MAX_VALUE_NESTING)
    return value


def encode(value: Value) -> bytes:
    """Write a value as the wire's JSON text, the fields of objects sorted by name.

    Raises:
        InvalidValue: As :func:`to_wire`.
    """
    return _write(to_wire(value))


def decode(text: bytes) -> Value:
    """Read a value from the wire's JSON text.

    Raises:
        InvalidValue: It is not JSON, or as :func:`from_wire`.
    """
    try:
        tree = msgspec.json.decode(text)
    except RecursionError:
        raise InvalidValue("value is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
        raise InvalidValue(f"not JSON: {fault}") from None
    return from_wire(tree)


def clean(value: Value) -> Any:
    """Turn a value into the JSON tree that people expect, which cannot be turned back.

    Int64 becomes its decimal digits and bytes their base64, both as text; NaN and the
    infinities their names in JavaScript.

    Raises:
        InvalidValue: As :func:`to_wire`.
    """
    return _convert(value, _CLEAN, MAX_VALUE_NESTING)


def export_text(value: Value) -> bytes:
    """Write a value as JSON text for a snapshot, where digits alone are an Int64.

    Numbers have a dot, or an exponent where they are as large as 1e22. NaN, the infinities
    and bytes keep the wire's form.

    Raises:
        InvalidValue: As :func:`to_wire`.
    """
    return _write(_convert(value, _EXPORT, MAX_VALUE_NESTING))


@dataclass(frozen=True, slots=True)
class _Rules:
    """One direction: what becomes of each kind of leaf, and of ``{"$name": payload}``."""

    leaves: Mapping[type, Callable[[Any], Any]]
    special: Callable[[str, Any], Any]


def _convert(value: Any, rules: _Rules, room: int) -> Any:
    kind = type(value)
    if kind is dict:
        return _convert_object(value, rules, room)
    if kind is list:
        return _convert_array(value, rules, room)
    try:
        leaf = rules.leaves[kind]
    except KeyError:
        raise refuse(value) from None
    return leaf(value)


def _convert_object(fields: dict[str, Any], rules: _Rules, room: int) -> Any:
    if len(fields) == 1:
        ((name, value),) = fields.items()
        if type(name) is str and name.startswith("$"):
            return rules.special(name, value)
    check_object(fields, room)
    changed: dict[str, Any] | None = None
    for name, value in fields.items():
        kind = type(value)
        if value is None or kind is bool or (kind is str and value.isascii()):
            continue  # most of what there is, for a fraction of a call
        try:
            converted = _convert(value, rules, room - 1)
        except InvalidValue as fault:
            raise fault.under(f".{name}") from None
        if converted is not value:
            changed = changed or fields.copy()
            changed[name] = converted
    return changed or fields


def _convert_array(items: list[Any], rules: _Rules, room: int) -> list[Any]:
    check_array(items, room)
    changed: list[Any] | None = None
    for index, item in enumerate(items):
        kind = type(item)
        if item is None or kind is bool or (kind is str and item.isascii()):
            continue
        try:
            converted = _convert(item, rules, room - 1)
        except InvalidValue as fault:
            raise fault.under(f"[{index}]") from None
        if converted is not item:
            changed = changed or items.copy()
            changed[index] = converted
    return changed or items


def _write(tree: Any) -> bytes:
    return msgspec.json.encode(tree, order="sorted")


# Leaves


def _same(leaf: Any) -> Any:
    return leaf


def _text(text: str) -> str:
    utf8_length(text)
    return text


def _integer(number: int) -> int:
    check_integer(number)
    return number


def _wire_float(number: float) -> Any:
    if number - number == 0.0 and (number != 0.0 or math.copysign(1.0, number) > 0.0):
        return number
    return {"$float": _base64(_FLOAT64.pack(number))}


def _wire_int64(integer: Int64) -> dict[str, str]:
    return {"$integer": _base64(_INT64.pack(integer))}


def _wire_bytes(data: bytes) -> dict[str, str]:
    return {"$bytes": _base64(data)}


def _clean_float(number: float) -> float | str:
    if number - number == 0.0:
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0.0 else "-Infinity"


def _export_float(number: float) -> Any:
    return number if number - number == 0.0 else _wire_float(number)


def _export_integer(number: int) -> float:
    return float(_integer(number))


def _json_integer(number: int) -> float:
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        return number
    try:
        return float(number)
    except OverflowError:
        raise InvalidValue("number is beyond the range of float64") from None


def _json_float(number: float) -> float:
    if number - number != 0.0:
        raise InvalidValue("NaN and the infinities are no JSON: use $float")
    return number


# Special forms


def _no_special(name: str, _value: Any) -> Any:
    raise InvalidValue(f"field name {name[:40]!r} starts with $, which is reserved")


def _from_special(name: str, payload: Any) -> Value:
    try:
        decode_payload = _SPECIAL[name]
    except KeyError:
        raise InvalidValue(f"unknown special form {name[:40]!r}") from None
    if type(payload) is not str:
        raise InvalidValue(f"{name} needs text in base64")
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidValue(f"{name} needs text in base64") from None
    return decode_payload(data)


def _from_integer(data: bytes) -> Int64:
    if len(data) != _INT64.size:
        raise InvalidValue(f"$integer needs 8 bytes, got {len(data)}")
    return Int64(*_INT64.unpack(data))


def _from_float(data: bytes) -> float:
    if len(data) != _FLOAT64.size:
        raise InvalidValue(f"$float needs 8 bytes, got {len(data)}")
    number: float = _FLOAT64.unpack(data)[0]
    if math.isfinite(number) and number != 0.0:
        raise InvalidValue(f"$float is for what JSON cannot write: write {number}")
    return number


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


_FLOAT64: Final = struct.Struct("<d")
_INT64: Final = struct.Struct("<q")

_SPECIAL: Final[Mapping[str, Callable[[bytes], Value]]] = {
    "$integer": _from_integer,
    "$float": _from_float,
    "$bytes": bytes,
}

_JSON_LEAVES: Final[dict[type, Callable[[Any], Any]]] = {
    type(None): _same,
    bool: _same,
    str: _text,
}

_TO_WIRE: Final = _Rules(
    _JSON_LEAVES
    | {int: _integer, float: _wire_float, Int64: _wire_int64, bytes: _wire_bytes},
    _no_special,
)
_FROM_WIRE: Final = _Rules(
    _JSON_LEAVES | {int: _json_integer, float: _json_float}, _from_special
)
_CLEAN: Final = _Rules(
    _JSON_LEAVES | {int: _integer, float: _clean_float, Int64: str, bytes: _base64},
    _no_special,
)
_EXPORT: Final = _Rules(
    _JSON_LEAVES
    | {int: _export_integer, float: _export_float, Int64: int, bytes: _wire_bytes},
    _no_special,
)
