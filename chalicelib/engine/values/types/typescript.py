"""A type as TypeScript, so that a client's program is checked against the hints."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from chalicelib.engine.values.types.describe import Role
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

WIDTH: Final = 88
"""Columns from which an object is written over several lines."""

INDENT: Final = "  "

_PLAIN: Final[Mapping[type, str]] = {
    Null: "null",
    Boolean: "boolean",
    String: "string",
    Number: "number",
    BigInt: "bigint",
    Bytes: "ArrayBuffer",
    AnyValue: "any",
}

_NO_FIELDS: Final = "Record<string, never>"
_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A type that the client's library has a name for.

    ``items`` is the field, an array, whose items' type it takes; None if it takes none.
    """

    name: str
    items: str | None = None


class TypeScript:
    """Writes types as a client sees them.

    ``documents`` are the classes by table that are named ``Doc<"table">``, ``foreign`` those
    that the client's library names; every other object is written out. ``tables`` are those
    that ``Id<"table">`` may name.
    """

    def __init__(
        self,
        documents: Mapping[str, type],
        tables: AbstractSet[str],
        foreign: Mapping[type, Foreign] = MappingProxyType({}),
    ) -> None:
        self._documents, self._tables, self._foreign = documents, tables, foreign

    def text(self, node: Node, role: Role, depth: int = 0) -> str:
        """Write a type; ``depth`` is how far the line is indented that it stands on.

        The same type always gives the same text: members of a union are sorted, because
        ``typing`` takes ``A | B`` and ``B | A`` for one.
        """
        flat = self._text(node, role, None)
        fits = len(flat) + depth * len(INDENT) <= WIDTH
        return flat if fits else self._text(node, role, depth)

    def fields(self, node: ObjectOf, role: Role, depth: int = 0) -> str:
        """Write out an object, even one that has a name."""
        if not node.fields:
            return _NO_FIELDS
        pad = INDENT * depth
        lines = (
            f"{pad}{INDENT}{self._key(field, role)}:"
            f"{_after_space(self.text(field.node, role, depth + 1))};\n"
            for field in node.fields
        )
        return f"{{\n{''.join(lines)}{pad}}}"

    def _text(self, node: Node, role: Role, depth: int | None) -> str:
        """Write a type on one line, or from ``depth`` on over several."""
        match node:
            case Literals(values=values):
                return " | ".join(msgspec.json.encode(v).decode() for v in values)
            case IdOf(table=table):
                return f'{"Id" if table in self._tables else "GenericId"}<"{table}">'
            case ArrayOf(item=item):
                text = self._text(item, role, depth)
                end = f"\n{INDENT * (depth or 0)}" if text.startswith("\n") else ""
                return f"({text}{end})[]" if _has_members(item) else f"{text}[]"
            case RecordOf(key=key, value=value):
                key_type, value_type = (self._text(n, role, depth) for n in (key, value))
                return f"Record<{key_type}, {value_type}>"
            case ObjectOf():
                return self._object(node, role, depth)
            case UnionOf():
                return self._union(node, role, depth)
            case _:
                return _PLAIN[type(node)]

    def _union(self, node: UnionOf, role: Role, depth: int | None) -> str:
        flat = {member: self._text(member, role, None) for member in node.members}
        members = sorted(flat, key=lambda m: (isinstance(m, Null), flat[m]))
        if depth is None or sum(not isinstance(m, Null) for m in members) == 1:
            return " | ".join(self._text(member, role, depth) for member in members)
        lead = f"\n{INDENT * (depth + 1)}| "
        return "".join(lead + self.text(member, role, depth + 2) for member in members)

    def _object(self, node: ObjectOf, role: Role, depth: int | None) -> str:
        if node.table is not None and self._documents.get(node.table) is node.cls:
            return f'Doc<"{node.table}">'
        foreign = self._foreign.get(node.cls)
        if foreign is not None:
            return self._foreign_text(foreign, node, role, depth)
        if depth is not None:
            return self.fields(node, role, depth)
        fields = "; ".join(
            f"{self._key(field, role)}: {self._text(field.node, role, None)}"
            for field in node.fields
        )
        return f"{{ {fields} }}" if fields else _NO_FIELDS

    def _foreign_text(
        self, foreign: Foreign, node: ObjectOf, role: Role, depth: int | None
    ) -> str:
        items = node.by_name[foreign.items].node if foreign.items else None
        if not isinstance(items, ArrayOf):
            return foreign.name
        return f"{foreign.name}<{self._text(items.item, role, depth)}>"

    def _key(self, field: Field, role: Role) -> str:
        return f"{key_text(field.name)}{'?' if role.may_lack(field) else ''}"


def key_text(name: str) -> str:
    """Write the name of a field, quoted unless it is a plain one."""
    return name if _NAME.fullmatch(name) else msgspec.json.encode(name).decode()


def comment_text(text: str | None, depth: int = 0) -> str:
    """Write a docstring as a JSDoc comment and its line's end; nothing for none."""
    lines = (text or "").strip().replace("*/", "*\\/").splitlines()
    pad = INDENT * depth
    if not lines:
        return ""
    if len(lines) == 1:
        return f"{pad}/** {lines[0]} */\n"
    inner = "".join(f"{pad} * {line.rstrip()}".rstrip() + "\n" for line in lines)
    return f"{pad}/**\n{inner}{pad} */\n"


def _after_space(text: str) -> str:
    return text if text.startswith("\n") else f" {text}"


def _has_members(node: Node) -> bool:
    return isinstance(node, UnionOf) or (
        isinstance(node, Literals) and len(node.values) > 1
    )
