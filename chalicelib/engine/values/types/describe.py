"""A type in words: the validator JSON of specs, and the ``v.…`` text of messages."""

import enum
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chalicelib.engine.values.types.tree import (
    AnyValue,
    ArrayOf,
    BigInt,
    Boolean,
    Bytes,
    Field,
    IdOf,
    Literals,
    Node,
    Null,
    Number,
    ObjectOf,
    RecordOf,
    String,
    UnionOf,
)
from chalicelib.engine.values.value import Int64, Value


class Role(enum.Enum):
    """Which way a value goes: on the way in, what has a default may be left out."""

    ARGUMENT = "argument"
    RESULT = "result"

    def may_lack(self, field: Field) -> bool:
        """Tell whether an object may come without ``field``."""
        return field.unset or (field.default and self is Role.ARGUMENT)


_PLAIN: Final[Mapping[type, str]] = {
    Null: "null",
    Boolean: "boolean",
    String: "string",
    Number: "number",
    BigInt: "bigint",
    Bytes: "bytes",
    AnyValue: "any",
}


def validator_json(node: Node, role: Role) -> dict[str, Any]:
    """Return the JSON tree by which Convex's tools know a validator."""
    match node:
        case Literals(values=values):
            options = [
                {"type": "literal", "value": _literal_json(value)} for value in values
            ]
            return options[0] if len(options) == 1 else {"type": "union", "value": options}
        case IdOf(table=table):
            return {"type": "id", "tableName": table}
        case ArrayOf(item=item):
            return {"type": "array", "value": validator_json(item, role)}
        case RecordOf(key=key, value=value):
            values_json = {"fieldType": validator_json(value, role), "optional": False}
            return {
                "type": "record",
                "keys": validator_json(key, role),
                "values": values_json,
            }
        case ObjectOf(fields=fields):
            return {"type": "object", "value": fields_json(fields, role)}
        case UnionOf():
            options = [validator_json(member, role) for member in _options(node)]
            return {"type": "union", "value": options}
        case _:
            return {"type": _PLAIN[type(node)]}


def fields_json(fields: tuple[Field, ...], role: Role) -> dict[str, Any]:
    """Return what stands under ``value`` in the validator JSON of an object."""
    return {
        field.name: {
            "fieldType": validator_json(field.node, role),
            "optional": role.may_lack(field),
        }
        for field in fields
    }


def validator_text(node: Node, role: Role) -> str:
    """Write a validator as the JavaScript that makes it, the fields of objects sorted."""
    match node:
        case BigInt():
            return "v.int64()"
        case Literals(values=values):
            options = ", ".join(f"v.literal({_literal_text(value)})" for value in values)
            return options if len(values) == 1 else f"v.union({options})"
        case IdOf(table=table):
            return f'v.id("{table}")'
        case ArrayOf(item=item):
            return f"v.array({validator_text(item, role)})"
        case RecordOf(key=key, value=value):
            return f"v.record({validator_text(key, role)}, {validator_text(value, role)})"
        case ObjectOf(fields=fields):
            ordered = sorted(fields, key=lambda field: field.name)
            return (
                "v.object({"
                + ", ".join(_field_text(field, role) for field in ordered)
                + "})"
            )
        case UnionOf():
            options = ", ".join(validator_text(member, role) for member in _options(node))
            return f"v.union({options})"
        case _:
            return f"v.{_PLAIN[type(node)]}()"


def value_text(value: Value, limit: int = 1000) -> str:
    """Write a value as JavaScript would, cut to about ``limit`` characters."""
    text = _value_text(value)
    return text if len(text) <= limit else text[:limit] + "…"


def _options(union: UnionOf) -> list[Node]:
    return [
        option
        for member in union.members
        for option in (
            [Literals((value,)) for value in member.values]
            if isinstance(member, Literals)
            else [member]
        )
    ]


def _field_text(field: Field, role: Role) -> str:
    text = validator_text(field.node, role)
    return f"{field.name}: " + (f"v.optional({text})" if role.may_lack(field) else text)


def _literal_json(value: str | int) -> Any:
    return float(value) if type(value) is int else value


def _literal_text(value: str | int) -> str:
    return msgspec.json.encode(value).decode()


def _value_text(value: Value) -> str:
    match value:
        case Int64():
            return f"{int(value)}n"
        case bool() | None:
            return msgspec.json.encode(value).decode()
        case int() | float():
            return _number_text(value)
        case str():
            return msgspec.json.encode(value).decode()
        case bytes():
            return f"<{len(value)} bytes>"
        case list():
            return f"[{', '.join(_value_text(item) for item in value)}]"
        case dict():
            fields = (
                f"{_name_text(name)}: {_value_text(value[name])}" for name in sorted(value)
            )
            return "{" + ", ".join(fields) + "}"


def _name_text(name: str) -> str:
    return name if name.isidentifier() else msgspec.json.encode(name).decode()


def _number_text(value: float) -> str:
    try:
        return str(float(value))
    except OverflowError:
        return "Infinity" if value > 0 else "-Infinity"  # as JavaScript reads it
