"""From a type hint to its tree, or to a refusal that says what to write instead."""

import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, UnsetType

from chalicelib.engine.errors import InvalidHint
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
    kinds,
)
from chalicelib.engine.values.value import Int64

ID_OF: Final = "id_of"
"""Key under which the ``Meta`` of an ``Id`` names the class of the document."""

HIDDEN: Final = "hidden"
"""Key under which the ``Meta`` of a ``Secret`` says that errors do not repeat it."""


def type_of(hint: Any) -> Node:
    """Read a hint whose forward references are resolved.

    Raises:
        InvalidHint: The wire has no such type; the message says what to write instead.
    """
    return _Reader(()).read(hint)


def field_of(name: str, attribute: str, hint: Any, *, default: bool) -> Field:
    """Read the hint of a field or a parameter, where ``X | Unset`` may stand too.

    Raises:
        InvalidHint: As :func:`type_of`.
    """
    return _Reader(()).field(name, attribute, hint, default=default)


def table_of(cls: type) -> str | None:
    """Return the table whose documents a class describes; None if it describes none."""
    table: str | None = getattr(cls, "__table__", None)
    return table


_SCALARS: Final[Mapping[Any, Node]] = {
    None: Null(),
    type(None): Null(),
    bool: Boolean(),
    str: String(),
    float: Number(),
    int: Number(whole=True),
    Int64: BigInt(),
    bytes: Bytes(),
    Any: AnyValue(),
    object: AnyValue(),
}

_INSTEAD: Final[Mapping[str, str]] = {
    "list": "list[X] with the type of the items, or list[Any]",
    "dict": "dict[str, X] with the type of the values, or dict[str, Any]",
    "set": "list[X]",
    "frozenset": "list[X]",
    "tuple": "list[X], or a Struct whose fields have names",
    "Sequence": "list[X]",
    "Iterable": "list[X]",
    "Iterator": "list[X]",
    "Mapping": "dict[str, X]",
    "Decimal": "str for exact digits, or float",
    "datetime": "float, in milliseconds since 1970 (as ctx.now)",
    "date": "str, as 2024-01-31",
    "time": "str, as 13:45",
    "timedelta": "float, in milliseconds",
    "UUID": "str",
    "Path": "str",
    "complex": "a Struct of two floats",
    "bytearray": "bytes",
    "memoryview": "bytes",
    "TypedDict": "a Struct",
}

_known: Final[dict[Any, ObjectOf]] = {}
"""Trees of classes: walking a document anew for each function would cost milliseconds."""


class _Reader:
    """Reads hints inside the classes ``within``, to notice a class that holds itself."""

    def __init__(self, within: tuple[Any, ...]) -> None:
        self.within = within

    def read(self, hint: Any) -> Node:
        node = _SCALARS.get(hint) if _is_hashable(hint) else None
        if node is not None:
            return node
        origin = get_origin(hint)
        reader = self._READERS.get(origin)
        if reader is not None:
            return reader(self, hint, get_args(hint))
        cls = origin or hint
        if isinstance(cls, type) and issubclass(cls, msgspec.Struct):
            return self.object(hint, cls)
        raise InvalidHint(_refusal(hint))

    def field(self, name: str, attribute: str, hint: Any, *, default: bool) -> Field:
        members = get_args(hint) if get_origin(hint) in _UNIONS else (hint,)
        if UnsetType not in members:
            return Field(name, attribute, self._within(name, hint), default=default)
        rest: Any = Union.__getitem__(tuple(m for m in members if m is not UnsetType))
        return Field(name, attribute, self._within(name, rest), default=default, unset=True)

    def object(self, hint: Any, cls: type[msgspec.Struct]) -> ObjectOf:
        if hint in _known:
            return _known[hint]
        if hint in self.within:
            raise InvalidHint(
                f"{cls.__name__} holds itself, which no validator can say: write Any inside"
            )
        config = cls.__struct_config__
        if not config.forbid_unknown_fields:
            raise InvalidHint(f"{cls.__name__}: derive it from Struct of engine.server")
        inner = _Reader((*self.within, hint))
        fields = [
            inner.field(
                info.encode_name,
                info.name,
                info.type,
                default=info.default is not NODEFAULT
                or info.default_factory is not NODEFAULT,
            )
            for info in msgspec.structs.fields(hint)
            if not info.name.startswith("_")
        ]
        table = table_of(cls)
        if table is not None:
            system = (
                Field("_id", "_id", IdOf(table)),
                Field(_CREATION, _CREATION_HERE, Number()),
            )
            fields[:0] = system
        tag = config.tag
        if tag is not None:
            if not isinstance(tag, str) or config.tag_field is None:
                raise InvalidHint(f"{cls.__name__}: write its tag as text")
            fields.insert(0, Field(config.tag_field, None, Literals((tag,))))
        node = ObjectOf(cls, tuple(fields), config.tag_field, tag, table)
        return _known.setdefault(hint, node)

    def _within(self, name: str, hint: Any) -> Node:
        try:
            return self.read(hint)
        except InvalidHint as refused:
            raise InvalidHint(f"{name}: {refused}") from None

    def _annotated(self, hint: Any, parts: tuple[Any, ...]) -> Node:
        for meta in parts[1:]:
            extra = meta.extra if isinstance(meta, msgspec.Meta) else None
            if extra and ID_OF in extra:
                return IdOf(_named_table(extra[ID_OF]))
            if extra and HIDDEN in extra:
                return String(secret=True)
        del hint
        return self.read(parts[0])

    def _literal(self, hint: Any, values: tuple[Any, ...]) -> Node:
        for value in values:
            if type(value) not in (str, int, bool, type(None)):
                raise InvalidHint(
                    f"{_text(hint)}: literals are text, whole numbers and booleans"
                )
        # msgspec and typing do not keep the order alike: sorted, descriptions are stable.
        plain = sorted(
            (v for v in values if v is not None), key=lambda v: (str(type(v)), v)
        )
        nodes: list[Node] = [Literals(tuple(plain))] if plain else []
        if None in values:
            nodes.append(Null())
        return nodes[0] if len(nodes) == 1 else UnionOf(tuple(nodes))

    def _array(self, _hint: Any, parts: tuple[Any, ...]) -> Node:
        return ArrayOf(self.read(parts[0]))

    def _record(self, hint: Any, parts: tuple[Any, ...]) -> Node:
        key = self.read(parts[0])
        if not isinstance(key, String | IdOf):
            raise InvalidHint(f"{_text(hint)}: keys are str or Id[…]")
        return RecordOf(key, self.read(parts[1]))

    def _union(self, hint: Any, parts: tuple[Any, ...]) -> Node:
        if UnsetType in parts:
            raise InvalidHint(f"{_text(hint)}: Unset stands only in a field or a parameter")
        members = tuple(self.read(part) for part in parts)
        if any(isinstance(member, AnyValue) for member in members):
            if any(not isinstance(member, AnyValue | Null) for member in members):
                raise InvalidHint(f"{_text(hint)}: Any takes them all, write it alone")
            return AnyValue()
        flat = tuple(m for node in members for m in _flatten(node))
        _check_union(hint, flat)
        return UnionOf(flat)

    _READERS: Final[Mapping[Any, Callable[["_Reader", Any, tuple[Any, ...]], Node]]] = {
        Annotated: _annotated,
        Literal: _literal,
        list: _array,
        dict: _record,
        Union: _union,
        types.UnionType: _union,
    }


_UNIONS: Final = (Union, types.UnionType)
_CREATION: Final = "_creationTime"
_CREATION_HERE: Final = "_creation_time"


def _is_hashable(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True


def _flatten(node: Node) -> tuple[Node, ...]:
    return node.members if isinstance(node, UnionOf) else (node,)


def _named_table(owner: Any) -> str:
    table = table_of(owner) if isinstance(owner, type) else None
    if table is None:
        raise InvalidHint(f"Id[{_text(owner)}]: an Id is of a Document with a table")
    return table


def _check_union(hint: Any, members: tuple[Node, ...]) -> None:
    """Refuse members that a value does not tell apart, and what msgspec cannot decode."""
    objects = [member for member in members if isinstance(member, ObjectOf)]
    if len(objects) > 1:
        tags = {(member.tag_field, member.tag) for member in objects}
        if len(tags) < len(objects) or len({field for field, _ in tags}) > 1:
            raise InvalidHint(
                f"{_text(hint)}: give each Struct of a union a tag of its own, as in"
                ' class A(Struct, tag_field="kind", tag="a")'
            )
    if any(isinstance(m, BigInt) for m in members) and any(
        not isinstance(m, BigInt | Null) for m in members
    ):
        raise InvalidHint(f"{_text(hint)}: Int64 goes together with None only")
    taken = set[str]()
    for member in (*(m for m in members if not isinstance(m, ObjectOf)), *objects[:1]):
        if shared := taken & kinds(member):
            raise InvalidHint(
                f"{_text(hint)}: two members are both {min(shared)} on the wire, so a value"
                " does not tell which it is: write one type, or tagged Structs, or Any"
            )
        taken |= kinds(member)
    if {"bytes", "string"} <= taken:
        raise InvalidHint(f"{_text(hint)}: write str or bytes, or tagged Structs")


def _refusal(hint: Any) -> str:
    if hint is UNSET or hint is UnsetType:
        return "Unset alone is no type: write X | Unset = UNSET"
    if isinstance(hint, str):
        return f"{hint!r} could not be resolved: import the name where the hint stands"
    cls = get_origin(hint) or hint
    name = getattr(cls, "__name__", str(cls))
    instead = _INSTEAD.get(name)
    if instead is None and isinstance(cls, type):
        bases = {base.__name__ for base in cls.__mro__}
        if "Enum" in bases:
            instead = 'Literal["a", "b"]'
        elif "str" in bases or "int" in bases:
            instead = "str or int itself"
        else:
            instead = "a Struct"
    return f"{_text(hint)} is no type of the wire: write {instead or 'Any'}"


def _text(hint: Any) -> str:
    if isinstance(hint, type) and get_origin(hint) is None:
        return hint.__name__
    return str(hint).replace("typing.", "")
