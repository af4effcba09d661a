"""Visitors that look at the few places of a typed value that msgspec cannot judge.

A type is compiled into nested closures once; where nothing can be wrong there is none, so
that a hundred nodes without an id inside cost nothing.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from msgspec import UNSET

from chalicelib.engine.limits import MAX_ARRAY_ITEMS, MAX_OBJECT_FIELDS, MAX_SAFE_INTEGER
from chalicelib.engine.values.types.judge import TableOf
from chalicelib.engine.values.types.tree import (
    AnyValue,
    ArrayOf,
    BigInt,
    Bytes,
    IdOf,
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

Search: TypeAlias = Callable[[Any, TableOf | None], bool]
"""Tells whether a value holds anything that needs the slow way."""

PLAIN_NESTING: Final = 12
"""Levels of containers that an ``Any`` may have without a closer look."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What to look for: at which leaves, and whether containers must keep their limits."""

    leaf: Callable[[Node], Search | None]
    limits: bool = True
    uninserted: bool = False


def search_decoded(node: Node) -> Search | None:
    """Look for what msgspec let in and the judge may refuse: ids, integers, ``Any``."""
    return _compile(node, _Look(_leaf_decoded))


def search_results(node: Node) -> Search | None:
    """Look for what msgspec would write wrongly: NaN, bytes, Int64, and such in ``Any``."""
    return _compile(node, _Look(_leaf_result))


def search_documents(node: Node) -> Search | None:
    """Look for what :func:`search_results` does, and for an int where a float should be."""
    return _compile(node, _Look(_leaf_document))


def search_ids(node: Node) -> Search | None:
    """Look for ids that name another table than they should."""
    return _compile(node, _Look(_leaf_id, limits=False))


def search_uninserted(node: Node) -> Search | None:
    """Look for documents without an id, which were made and not inserted."""
    return _compile(node, _Look(lambda _: None, limits=False, uninserted=True))


def is_plain(value: Any) -> bool:
    """Tell whether a value in an ``Any`` is JSON as it stands, and not nested deeply.

    A faster ``measure`` that answers nothing but this, and may say no without need.
    """
    return _are_plain((value,), PLAIN_NESTING)


def _are_plain(values: Iterable[Any], room: int) -> bool:
    for value in values:
        kind = type(value)
        if kind is str or value is None or kind is bool:
            continue
        if kind is float:
            # The difference is 0 for all but NaN and the infinities.
            plain = value - value == 0.0 != value or _is_positive_zero(value)
        elif kind is int:
            plain = -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
        else:
            plain = room > 0 and _is_plain_container(value, kind, room - 1)
        if not plain:
            return False
    return True


def _is_plain_container(value: Any, kind: type, room: int) -> bool:
    if kind is dict:
        return _has_plain_names(value) and _are_plain(value.values(), room)
    return kind is list and len(value) <= MAX_ARRAY_ITEMS and _are_plain(value, room)


def _is_positive_zero(number: float) -> bool:
    return number == 0.0 and math.copysign(1.0, number) > 0.0


def _has_plain_names(fields: dict[Any, Any]) -> bool:
    try:
        names = "".join(fields)
    except TypeError:
        return False
    return (
        names.isascii()
        and names.isprintable()
        and "$" not in names
        and len(fields) <= MAX_OBJECT_FIELDS
        and len(names) <= _MANY_NAME_CHARS
    )


_MANY_NAME_CHARS: Final = 1024  # one name may be as long; the slow way looks at each


def _is_wrong_integer(value: Any, _table_of: TableOf | None) -> bool:
    return not (type(value) is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER)


def _is_special_float(value: Any, _table_of: TableOf | None) -> bool:
    return not (value - value == 0.0 != value or _is_positive_zero(value))


def _is_special_any(value: Any, _table_of: TableOf | None) -> bool:
    return not is_plain(value)


def _is_unset(value: Any, _table_of: TableOf | None) -> bool:
    return value is UNSET


def _always(_value: Any, _table_of: TableOf | None) -> bool:
    return True


def _id_search(table: str) -> Search:
    def is_foreign(value: Any, table_of: TableOf | None) -> bool:
        return table_of is not None and table_of(value) != table

    return is_foreign


def _leaf_decoded(node: Node) -> Search | None:
    match node:
        case Number(whole=True):
            return _is_wrong_integer
        case IdOf(table=table):
            return _id_search(table)
        case AnyValue():
            return _is_special_any
        case _:
            return None


def _is_inexact_float(value: Any, _table_of: TableOf | None) -> bool:
    return type(value) is not float or _is_special_float(value, None)


def _leaf_document(node: Node) -> Search | None:
    return _is_inexact_float if node == Number() else _leaf_result(node)


def _leaf_id(node: Node) -> Search | None:
    return _id_search(node.table) if isinstance(node, IdOf) else None


def _leaf_result(node: Node) -> Search | None:
    match node:
        case Number(whole=True):
            return _is_wrong_integer
        case Number():
            return _is_special_float
        case BigInt() | Bytes():
            return _always
        case AnyValue():
            return _is_special_any
        case _:
            return None


def _compile(node: Node, look: _Look) -> Search | None:
    match node:
        case ArrayOf(item=item):
            found = _compile(item, look)
            return _array_search(found) if look.limits or found else None
        case RecordOf(key=String(), value=AnyValue()):
            return look.leaf(AnyValue())
        case RecordOf(key=key, value=value):
            of_key, of_value = _compile(key, look), _compile(value, look)
            needed = look.limits or of_key or of_value
            return _record_search(of_key, of_value) if needed else None
        case ObjectOf():
            return _object_search(node, look)
        case UnionOf():
            return _union_search(node, look)
        case _:
            return look.leaf(node)


def _is_long(values: Any, _table_of: TableOf | None) -> bool:
    return len(values) > MAX_ARRAY_ITEMS


def _array_search(item: Search | None) -> Search:
    if item is None:
        return _is_long
    found = item

    def search(values: Any, table_of: TableOf | None) -> bool:
        if len(values) > MAX_ARRAY_ITEMS:
            return True
        for value in values:  # noqa: SIM110 - any() over a generator takes twice the time
            if found(value, table_of):
                return True
        return False

    return search


def _record_search(key: Search | None, value: Search | None) -> Search:
    def search(record: Any, table_of: TableOf | None) -> bool:
        if not _has_plain_names(record):
            return True
        if key is not None and any(key(name, table_of) for name in record):
            return True
        return value is not None and any(value(v, table_of) for v in record.values())

    return search


def _object_search(node: ObjectOf, look: _Look) -> Search | None:
    always: list[tuple[str, Search]] = []
    maybe: list[tuple[str, Search]] = []
    if look.uninserted and node.table is not None:
        always.append(("_id", _is_unset))
    for field in node.fields:
        found = _compile(field.node, look)
        if found is not None and field.attribute is not None:
            # A document has its system fields once it was inserted.
            can_lack = field.unset or field.name.startswith("_")
            (maybe if can_lack else always).append((field.attribute, found))

    def search(instance: Any, table_of: TableOf | None) -> bool:
        for name, found in always:
            if found(getattr(instance, name), table_of):
                return True
        for name, found in maybe:
            value = getattr(instance, name)
            if value is not UNSET and found(value, table_of):
                return True
        return False

    return search if always or maybe else None


_CLASSES_OF_KIND: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "bytes": (bytes,),
    "bigint": (Int64,),
}


def _union_search(node: UnionOf, look: _Look) -> Search | None:
    by_class: dict[type, Search | None] = {}
    for member in node.members:
        found = _compile(member, look)
        if isinstance(member, ObjectOf):
            by_class[member.cls] = found
        else:
            classes = (c for kind in kinds(member) for c in _CLASSES_OF_KIND[kind])
            by_class |= dict.fromkeys(classes, found)
    if all(found is None for found in by_class.values()):
        return None
    others = [member for member in node.members if not isinstance(member, Null)]
    only = _compile(others[0], look) if len(others) == 1 else None
    if only is not None:
        return _nullable_search(only)

    def search(value: Any, table_of: TableOf | None) -> bool:
        found = by_class.get(type(value), _always)
        return found is not None and found(value, table_of)

    return search


def _nullable_search(found: Search) -> Search:
    def search(value: Any, table_of: TableOf | None) -> bool:
        return value is not None and found(value, table_of)

    return search
