"""The schema as the catalogue keeps it: what documents of a table look like, as JSON.

It is the validator JSON of Convex's tools, save that whole numbers are told apart
(``integer``): whoever has another version of a class can judge documents by it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from chalicelib.engine.limits import MAX_SAFE_INTEGER
from chalicelib.engine.values.types import Node, Role, TableOf, validator_json, value_text
from chalicelib.engine.values.types.tree import (
    KIND_OF_CLASS,
    ArrayOf,
    Number,
    ObjectOf,
    RecordOf,
    UnionOf,
)
from chalicelib.engine.values.value import Value

Shape = Mapping[str, Any]
"""A type as JSON: ``{"type": "array", "value": {"type": "string"}}``."""

ANYTHING: Final[Shape] = {"type": "any"}
"""What is known of the documents of a table whose catalogue is older than validators."""

_STRICT = Role.ARGUMENT  # a field with a default may be absent: older documents lack it
_CACHED_SHAPES = 4096


class Misfit(msgspec.Struct, frozen=True):
    """Where a value is not of its type, and why. ``path`` is empty for the whole."""

    path: str
    reason: str


def stored_text(node: Node) -> str:
    """Return a type as the catalogue keeps it; equal types have equal texts."""
    return msgspec.json.encode(_shape(node), order="deterministic").decode()


@lru_cache(_CACHED_SHAPES)
def shape_of(text: str) -> Shape:
    """Return the type that :func:`stored_text` wrote; an empty text is that of anything."""
    found: Shape = msgspec.json.decode(text) if text else ANYTHING
    return found


def misfit(
    shape: Shape, value: Value, table_of: TableOf | None = None, path: str = ""
) -> Misfit | None:
    """Tell where ``value`` is not of a type; None if it is.

    Ids are judged by their table if ``table_of`` is given.
    """
    return next(_misfits(shape, value, table_of, path), None)


def includes(wide: Shape, narrow: Shape) -> bool:
    """Tell whether every value of type ``narrow`` is of type ``wide`` too.

    False means that it is not certain.
    """
    if wide == narrow or wide["type"] == "any":
        return True
    if narrow["type"] == "union":
        return all(includes(wide, member) for member in narrow["value"])
    if wide["type"] == "union":
        return any(includes(member, narrow) for member in wide["value"])
    compare = _INCLUDES.get((wide["type"], narrow["type"]))
    return compare is not None and compare(wide, narrow)


def _shape(node: Node) -> dict[str, Any]:
    match node:
        case Number(whole=True):
            return {"type": "integer"}
        case ArrayOf(item=item):
            return {"type": "array", "value": _shape(item)}
        case RecordOf(key=key, value=value):
            return {"type": "record", "keys": _shape(key), "values": _shape(value)}
        case UnionOf(members=members):
            return {"type": "union", "value": [_shape(member) for member in members]}
        case ObjectOf(fields=fields):
            described = {
                f.name: {"fieldType": _shape(f.node), "optional": _STRICT.may_lack(f)}
                for f in fields
            }
            return {"type": "object", "value": described}
        case _:
            return validator_json(node, _STRICT)


def _misfits(
    shape: Shape, value: Value, table_of: TableOf | None, path: str
) -> Iterator[Misfit]:
    kind = KIND_OF_CLASS.get(type(value))
    match shape["type"]:
        case "union":
            yield from _union_misfits(shape, value, table_of, path)
        case "array" | "record" | "object" as container if kind == _KINDS.get(container):
            yield from _INSIDE[container](shape, value, table_of, path)
        case name:
            fits = _FITS.get(name)
            if kind != _KINDS.get(name, kind) or (
                fits is not None and not fits(shape, value, table_of)
            ):
                yield _mismatch(shape, value, path)


def _union_misfits(
    shape: Shape, value: Value, table_of: TableOf | None, path: str
) -> Iterator[Misfit]:
    found = [misfit(member, value, table_of, path) for member in shape["value"]]
    told = [one for one in found if one is not None]
    if len(told) == len(found):
        # The member that fits furthest in is the one that was meant.
        yield max(
            told, key=lambda one: len(one.path), default=_mismatch(shape, value, path)
        )


def _array_misfits(
    shape: Shape, value: Any, table_of: TableOf | None, path: str
) -> Iterator[Misfit]:
    for place, item in enumerate(value):
        yield from _misfits(shape["value"], item, table_of, f"{path}[{place}]")


def _record_misfits(
    shape: Shape, value: Any, table_of: TableOf | None, path: str
) -> Iterator[Misfit]:
    for key, item in value.items():
        yield from _misfits(shape["keys"], key, table_of, path)
        yield from _misfits(shape["values"], item, table_of, f"{path}.{key}")


def _object_misfits(
    shape: Shape, value: Any, table_of: TableOf | None, path: str
) -> Iterator[Misfit]:
    fields = shape["value"]
    for name, field in fields.items():
        if name in value:
            yield from _misfits(field["fieldType"], value[name], table_of, f"{path}.{name}")
        elif not field["optional"]:
            yield Misfit(f"{path}.{name}", "the field is required and missing")
    for name in value:
        if name not in fields:
            yield Misfit(f"{path}.{name}", "the schema has no such field")


_INSIDE: Final[
    Mapping[str, Callable[[Shape, Any, TableOf | None, str], Iterator[Misfit]]]
] = {"array": _array_misfits, "record": _record_misfits, "object": _object_misfits}


def _is_whole(_shape: Shape, value: Any, _table_of: TableOf | None) -> bool:
    return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER and float(value).is_integer()


def _is_literal(shape: Shape, value: Any, _table_of: TableOf | None) -> bool:
    expected = shape["value"]
    return KIND_OF_CLASS[type(expected)] == KIND_OF_CLASS.get(type(value)) and bool(
        expected == value
    )


def _is_of_table(shape: Shape, text: Any, table_of: TableOf | None) -> bool:
    return table_of is None or table_of(text) == shape["tableName"]


_FITS: Final[Mapping[str, Callable[[Shape, Any, TableOf | None], bool]]] = {
    "integer": _is_whole,
    "literal": _is_literal,
    "id": _is_of_table,
}
_KINDS: Final[Mapping[str, str]] = {
    **{name: name for name in ("null", "boolean", "number", "bigint", "string", "bytes")},
    "integer": "number",
    "id": "string",
    "array": "array",
    "record": "object",
    "object": "object",
}
"""The kind of value that a type takes, where that is one."""


def _mismatch(shape: Shape, value: Value, path: str) -> Misfit:
    return Misfit(path, f"{value_text(value, 100)} is not of type {_told(shape)}")


def _told(shape: Shape) -> str:
    match shape["type"]:
        case "literal":
            return msgspec.json.encode(shape["value"]).decode()
        case "union":
            return " or ".join(map(_told, shape["value"]))
        case "id":
            return f'id of "{shape["tableName"]}"'
        case name:
            return str(name)


def _holds_literal(wide: Shape, narrow: Shape) -> bool:
    return misfit(wide, narrow["value"]) is None


def _includes_array(wide: Shape, narrow: Shape) -> bool:
    return includes(wide["value"], narrow["value"])


def _includes_record(wide: Shape, narrow: Shape) -> bool:
    return includes(wide["keys"], narrow["keys"]) and includes(
        wide["values"], narrow["values"]
    )


def _includes_object(wide: Shape, narrow: Shape) -> bool:
    have, had = wide["value"], narrow["value"]
    required = {name for name, field in have.items() if not field["optional"]}
    certain = {name for name, field in had.items() if not field["optional"]}
    return (
        required <= certain
        and had.keys() <= have.keys()
        and all(includes(have[n]["fieldType"], had[n]["fieldType"]) for n in had)
    )


_INCLUDES: Final[Mapping[tuple[str, str], Callable[[Shape, Shape], bool]]] = {
    ("number", "integer"): lambda _wide, _narrow: True,
    ("string", "id"): lambda _wide, _narrow: True,
    ("array", "array"): _includes_array,
    ("record", "record"): _includes_record,
    ("object", "object"): _includes_object,
    **{
        (name, "literal"): _holds_literal
        for name in ("string", "number", "integer", "boolean")
    },
}
