"""What a type hint says, as a tree of a dozen kinds of node.

Everything else reads it: the judge, the validator JSON, the visitors of a decoded value. It
is finite: a class that holds itself is refused, because Convex's validators cannot say it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from chalicelib.engine.values.value import Int64


class Null(msgspec.Struct, frozen=True):
    """``None``."""


class Boolean(msgspec.Struct, frozen=True):
    """``bool``."""


class String(msgspec.Struct, frozen=True):
    """``str``; a ``secret`` one is not repeated in what is said of a value."""

    secret: bool = False


class Number(msgspec.Struct, frozen=True):
    """``float``, or ``int`` when ``whole``: a float64 either way."""

    whole: bool = False


class BigInt(msgspec.Struct, frozen=True):
    """``Int64``."""


class Bytes(msgspec.Struct, frozen=True):
    """``bytes``."""


class AnyValue(msgspec.Struct, frozen=True):
    """``Any``: whatever can be stored or sent."""


class Literals(msgspec.Struct, frozen=True):
    """``Literal[…]`` of text, whole numbers and booleans; None in it is a :class:`Null`."""

    values: tuple[str | int | bool, ...]


class IdOf(msgspec.Struct, frozen=True):
    """``Id[Workflow]``, by the table's name."""

    table: str


class ArrayOf(msgspec.Struct, frozen=True):
    """``list[X]``."""

    item: "Node"


class RecordOf(msgspec.Struct, frozen=True):
    """``dict[str, X]`` or ``dict[Id[D], X]``."""

    key: "String | IdOf"
    value: "Node"


class Field(msgspec.Struct, frozen=True):
    """One field of an object.

    ``attribute`` is its name in Python, None for a tag, which no instance holds. It may be
    absent if it has a ``default``, or if that is a value of its own: ``unset``.
    """

    name: str
    attribute: str | None
    node: "Node"
    default: bool = False
    unset: bool = False


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """A ``Struct``, or a ``Document`` if it has a ``table``; fields as in the class."""

    cls: type
    fields: tuple[Field, ...]
    tag_field: str | None = None
    tag: str | None = None
    table: str | None = None
    by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {field.name: field for field in self.fields})


@dataclass(frozen=True, slots=True)
class UnionOf:
    """A union whose members differ in kind, so that a value shows which it is meant for.

    Several objects are told apart by the tag, which they share.
    """

    members: tuple["Node", ...]
    by_kind: Mapping[str, "Node"] = field(init=False, repr=False, compare=False)
    tag_field: str | None = field(init=False, repr=False, compare=False)
    by_tag: Mapping[str, ObjectOf] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kind = {kind: member for member in self.members for kind in kinds(member)}
        tagged = [member for member in self.members if isinstance(member, ObjectOf)]
        by_tag = {member.tag: member for member in tagged if member.tag is not None}
        object.__setattr__(self, "by_kind", by_kind)
        object.__setattr__(self, "tag_field", tagged[0].tag_field if by_tag else None)
        object.__setattr__(self, "by_tag", by_tag)


Node: TypeAlias = (
    Null
    | Boolean
    | String
    | Number
    | BigInt
    | Bytes
    | AnyValue
    | Literals
    | IdOf
    | ArrayOf
    | RecordOf
    | ObjectOf
    | UnionOf
)

KIND_OF_CLASS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    Int64: "bigint",
    str: "string",
    bytes: "bytes",
    list: "array",
    dict: "object",
}
"""What kind of value an instance of each class is."""

KIND_OF_NODE: Final[Mapping[type, str]] = {
    Null: "null",
    Boolean: "boolean",
    Number: "number",
    BigInt: "bigint",
    String: "string",
    IdOf: "string",
    Bytes: "bytes",
    ArrayOf: "array",
    RecordOf: "object",
    ObjectOf: "object",
}


def kinds(node: Node) -> frozenset[str]:
    """Tell which kinds of value a node takes, in the words of :data:`KIND_OF_CLASS`."""
    match node:
        case AnyValue():
            return frozenset(KIND_OF_CLASS.values())
        case Literals(values=values):
            return frozenset(KIND_OF_CLASS[type(value)] for value in values)
        case UnionOf(members=members):
            return frozenset().union(*(kinds(member) for member in members))
        case _:
            return frozenset({KIND_OF_NODE[type(node)]})


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below ``node``."""
    match node:
        case ArrayOf(item=item):
            return (item,)
        case RecordOf(key=key, value=value):
            return (key, value)
        case ObjectOf(fields=fields):
            return tuple(field.node for field in fields)
        case UnionOf(members=members):
            return members
        case _:
            return ()


def holds(node: Node, *sought: type[Any]) -> bool:
    """Tell whether ``node`` or a node below it is of one of the ``sought`` classes."""
    return isinstance(node, sought) or any(
        holds(child, *sought) for child in children(node)
    )


def documents_in(node: Node) -> list[ObjectOf]:
    """List the documents at or below ``node``, outermost first."""
    found = [node] if isinstance(node, ObjectOf) and node.table is not None else []
    return found + [
        document for child in children(node) for document in documents_in(child)
    ]


def depth(node: Node) -> int:
    """Count the levels of containers that a type has, an ``Any`` for none."""
    container = isinstance(node, ArrayOf | RecordOf | ObjectOf)
    return container + max(map(depth, children(node)), default=0)
