"""Visitors that look at the few places of a typed value that msgspec cannot judge.

A type is compiled into nested closures once; where nothing can be wrong there is none, so
that a hundred nodes without an id inside cost nothing.
"""

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias, get_origin

from msgspec import UNSET

from chalicelib.engine.errors import InvalidValue
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
    UnionOf,
    kinds,
)
from chalicelib.engine.values.value import measure

Search: TypeAlias = Callable[[Any, TableOf | None], bool]
"""Tells whether a value holds anything that needs the slow way."""

PLAIN_NESTING: Final = 12
"""Levels of containers that an ``Any`` may have without a closer look."""

Leaf: TypeAlias = Callable[[Node], Search | None]


def search_decoded(node: Node) -> Search | None:
    """Look for what msgspec let in and the judge may refuse: ids, integers, ``Any``."""
    return _compile(node, _leaf_decoded)


def search_results(node: Node) -> Search | None:
    """Look for what msgspec would write wrongly: NaN, bytes, Int64, and such in ``Any``."""
    return _compile(node, _leaf_result)


def search_documents(node: Node) -> Search | None:
    """Look for what :func:`search_results` does, and for an int where a float should be."""
    return _compile(node, _leaf_document)


def search_ids(node: Node) -> Search | None:
    """Look for ids that name another table than they should."""
    return _compile(node, _leaf_id)


def is_plain(value: Any) -> bool:
    """Tell whether a value in an ``Any`` is JSON as it stands, and not nested deeply."""
    if value is None or type(value) is str:
        return True  # the usual leaf, for a fraction of a call
    try:
        return measure(value, PLAIN_NESTING)[1]
    except InvalidValue:
        return False


def _is_plain_float(number: float) -> bool:
    # A difference with itself is NaN for NaN and the infinities.
    return number - number == 0.0 and (number != 0.0 or math.copysign(1.0, number) > 0.0)


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
    return not _is_plain_float(value)


def _is_special_any(value: Any, _table_of: TableOf | None) -> bool:
    return not is_plain(value)


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
    return type(value) is not float or not _is_plain_float(value)


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


def _compile(node: Node, leaf: Leaf) -> Search | None:
    match node:
        case ArrayOf(item=item):
            return _array_search(_compile(item, leaf))
        case RecordOf(key=key, value=value):
            return _record_search(_compile(key, leaf), _compile(value, leaf))
        case ObjectOf():
            return _object_search(node, leaf)
        case UnionOf():
            return _union_search(node, leaf)
        case _:
            return leaf(node)


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


def _object_search(node: ObjectOf, leaf: Leaf) -> Search | None:
    always: list[tuple[str, Search]] = []
    maybe: list[tuple[str, Search]] = []
    for field in node.fields:
        found = _compile(field.node, leaf)
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
}


def _union_search(node: UnionOf, leaf: Leaf) -> Search | None:
    by_class: dict[type, Search | None] = {}
    for member in node.members:
        found = _compile(member, leaf)
        if isinstance(member, ObjectOf):
            by_class[get_origin(member.cls) or member.cls] = found
        else:
            classes = (c for kind in kinds(member) for c in _CLASSES_OF_KIND.get(kind, ()))
            by_class |= dict.fromkeys(classes, found)
    if all(found is None for found in by_class.values()) and not _holds_bigint(node):
        return None
    others = [member for member in node.members if not isinstance(member, Null)]
    only = _compile(others[0], leaf) if len(others) == 1 else None
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


def _holds_bigint(node: UnionOf) -> bool:
    return any(isinstance(member, BigInt) for member in node.members)
