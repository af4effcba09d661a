"""Values as JSON: the wire's form, and the two lossy or human ones.

On the wire a number is a number, and what JSON lacks is an object with one reserved name:
``{"$integer"}``, ``{"$float"}`` (NaN, the infinities, -0.0) and ``{"$bytes"}``, each with
base64. Trees share with the value whatever needs no change: leave both alone afterwards.
"""

import binascii
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import MAX_SAFE_INTEGER
from chalicelib.engine.values.numbers import is_in_json
from chalicelib.engine.values.path import locate
from chalicelib.engine.values.value import (
    Int64,
    Value,
    check,
    measure,
    not_a_value,
)


def to_wire(value: Value) -> Any:
    """Turn a value into a JSON tree.

    Raises:
        InvalidValue: It breaks a limit or is not a value; the path tells where.
    """
    return value if _is_plain(value) else _rewrite(value, _WIRE)


def from_wire(tree: Any) -> Value:
    """Turn a JSON tree into a value.

    Numbers stay int or float as written, but integers beyond 2^53 become float.

    Raises:
        InvalidValue: It breaks a limit or has an unknown special form; the path tells.
    """
    try:
        plain = measure(tree)[1]
    except InvalidValue:
        plain = False  # a special form, which is no value yet
    value: Value = tree if plain else _revive_all(tree)
    if not plain:
        check(value)
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


def restore(text: bytes) -> Value:
    """Read back what :func:`encode` wrote, several times faster than :func:`decode`.

    Nothing is checked again: never use it on what a client sent.
    """
    tree: Value = msgspec.json.decode(text)
    return _revive(tree) if b"$" in text else tree


def clean(value: Value) -> Any:
    """Turn a value into the JSON tree that people expect, which cannot be turned back.

    Int64 becomes its decimal digits and bytes their base64, both as text; NaN and the
    infinities their names in JavaScript.

    Raises:
        InvalidValue: As :func:`to_wire`.
    """
    return value if _is_plain(value) else _rewrite(value, _CLEAN)


def export_text(value: Value) -> bytes:
    """Write a value as JSON text for a snapshot, where digits alone are an Int64.

    Numbers have a dot, or an exponent where they are as large as 1e22. NaN, the infinities
    and bytes keep the wire's form.

    Raises:
        InvalidValue: As :func:`to_wire`.
    """
    check(value)
    return _write(_rewrite(value, _EXPORT))


# Out: what was checked is rewritten without another look.

_Leaves = Mapping[type, Callable[[Any], Any]]


def _is_plain(value: Value) -> bool:
    try:
        return measure(value)[1]
    except InvalidValue as fault:
        raise locate(fault, value, measure) from None


def _rewrite(value: Any, leaves: _Leaves) -> Any:
    kind = type(value)
    if kind is dict:
        return {name: _rewrite(field, leaves) for name, field in value.items()}
    if kind is list:
        return [_rewrite(item, leaves) for item in value]
    leaf = leaves.get(kind)
    return leaf(value) if leaf else value


def _write(tree: Any) -> bytes:
    return msgspec.json.encode(tree, order="sorted")


def _wire_float(number: float) -> Any:
    return number if is_in_json(number) else {"$float": _base64(_FLOAT64.pack(number))}


def _wire_int64(integer: Int64) -> dict[str, str]:
    return {"$integer": _base64(_INT64.pack(integer))}


def _wire_bytes(data: bytes) -> dict[str, str]:
    return {"$bytes": _base64(data)}


def _clean_float(number: float) -> float | str:
    if math.isfinite(number):
        return number
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0.0 else "-Infinity"


def _export_float(number: float) -> Any:
    return number if math.isfinite(number) else _wire_float(number)


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


_FLOAT64: Final = struct.Struct("<d")
_INT64: Final = struct.Struct("<q")

_WIRE: Final[_Leaves] = {float: _wire_float, Int64: _wire_int64, bytes: _wire_bytes}
_CLEAN: Final[_Leaves] = {float: _clean_float, Int64: str, bytes: _base64}
_EXPORT: Final[_Leaves] = {
    float: _export_float,
    int: float,
    Int64: int,  # msgspec writes no subclass
    bytes: _wire_bytes,
}


# In: special forms first, limits on what comes of them.


def _revive_all(tree: Any) -> Any:
    try:
        return _revive(tree)
    except RecursionError:
        raise InvalidValue("value is nested too deeply") from None
    except InvalidValue as fault:
        raise locate(fault, tree, _revive) from None


def _revive(tree: Any) -> Any:
    kind = type(tree)
    if kind is dict:
        if len(tree) == 1:
            ((name, payload),) = tree.items()
            if type(name) is str and name.startswith("$"):
                return _revive_special(name, payload)
        return {name: _revive(field) for name, field in tree.items()}
    if kind is list:
        return [_revive(item) for item in tree]
    if kind is int:
        return _revive_integer(tree)
    if kind is float and not math.isfinite(tree):
        raise InvalidValue("NaN and the infinities are no JSON: use $float")
    if kind is bytes or kind is Int64:
        raise not_a_value(tree)
    return tree


def _revive_integer(number: int) -> float:
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        return number
    try:
        return float(number)
    except OverflowError:
        raise InvalidValue("number is beyond the range of float64") from None


def _revive_special(name: str, payload: Any) -> Value:
    try:
        revive = _SPECIAL[name]
    except KeyError:
        raise InvalidValue(f"unknown special form {name[:40]!r}") from None
    data = _from_base64(payload) if type(payload) is str else None
    if data is None:
        raise InvalidValue(f"{name} needs text in base64")
    return revive(data)


def _from_base64(text: str) -> bytes | None:
    """Read base64 if it is the one text for its bytes: Python would take others, too."""
    try:
        data = binascii.a2b_base64(text)
    except ValueError:  # which binascii.Error is
        return None
    return data if _base64(data) == text else None


def _revive_int64(data: bytes) -> Int64:
    if len(data) != _INT64.size:
        raise InvalidValue(f"$integer needs 8 bytes, not {len(data)}")
    return Int64(*_INT64.unpack(data))


def _revive_float(data: bytes) -> float:
    if len(data) != _FLOAT64.size:
        raise InvalidValue(f"$float needs 8 bytes, not {len(data)}")
    number: float = _FLOAT64.unpack(data)[0]
    if math.isfinite(number) and number != 0.0:
        raise InvalidValue(f"$float is for what JSON cannot write: write {number}")
    return number


_SPECIAL: Final[Mapping[str, Callable[[bytes], Value]]] = {
    "$integer": _revive_int64,
    "$float": _revive_float,
    "$bytes": bytes,
}
