"""The exact judge of a value: it says what is right, and what is wrong in Convex's words.

Slower than msgspec's decoder by a factor of twenty, so it is asked only when that refuses,
or when the text holds a special form (``$integer``, ``$float``, ``$bytes``).
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from chalicelib.engine.errors import TypeMismatch
from chalicelib.engine.limits import MAX_SAFE_INTEGER
from chalicelib.engine.values.types.describe import Role, validator_text, value_text
from chalicelib.engine.values.types.tree import (
    KIND_OF_CLASS,
    KIND_OF_NODE,
    AnyValue,
    ArrayOf,
    Field,
    IdOf,
    Literals,
    Node,
    Number,
    ObjectOf,
    RecordOf,
    String,
    UnionOf,
)
from chalicelib.engine.values.value import Value

TableOf: TypeAlias = Callable[[str], str | None]
"""Names the table of an id's text, None if it is no id; only a running backend can."""


class Judge:
    """Judges values that go one way, and their ids by a backend's tables if it is known."""

    def __init__(self, role: Role, table_of: TableOf | None = None) -> None:
        self._role = role
        self._table_of = table_of

    def judge(self, node: Node, value: Value, path: str = "") -> Any:
        """Return ``value`` with each number as the hint has it, float or int.

        Raises:
            TypeMismatch: It is not what ``node`` describes.
        """
        match node:
            case AnyValue():
                return value
            case Number(whole=whole):
                return self._number(node, value, path, whole=whole)
            case Literals():
                return self._literal(node, value, path)
            case UnionOf():
                return self._union(node, value, path)
            case _ if KIND_OF_CLASS.get(type(value)) == KIND_OF_NODE[type(node)]:
                return self._inside(node, value, path)
            case _:
                raise self._mismatch(node, value, path)

    def _inside(self, node: Node, value: Any, path: str) -> Any:
        match node:
            case IdOf():
                return self._id(node, value, path)
            case ArrayOf(item=item):
                return [self.judge(item, v, f"{path}[{i}]") for i, v in enumerate(value)]
            case RecordOf():
                return self._record(node, value, path)
            case ObjectOf():
                return self._object(node, value, path)
            case _:
                return value

    def _number(self, node: Node, value: Value, path: str, *, whole: bool) -> float | int:
        if type(value) not in _NUMBERS or not isinstance(value, int | float):
            raise self._mismatch(node, value, path)
        if not whole:
            try:
                return float(value)
            except OverflowError:
                raise self._mismatch(node, value, path) from None
        if not (-MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER and value == int(value)):
            raise self._mismatch(node, value, path, _NOT_WHOLE)
        return int(value)

    def _literal(self, node: Literals, value: Value, path: str) -> Any:
        kind = KIND_OF_CLASS.get(type(value))
        for literal in node.values:
            # By kind as well: True == 1 in Python, and Int64(1) == 1.
            if literal == value and KIND_OF_CLASS[type(literal)] == kind:
                return literal
        raise self._mismatch(node, value, path)

    def _union(self, node: UnionOf, value: Value, path: str) -> Any:
        member = node.by_kind.get(KIND_OF_CLASS.get(type(value), ""))
        if isinstance(value, dict) and node.tag_field is not None:
            tag = value.get(node.tag_field)
            member = node.by_tag.get(tag) if isinstance(tag, str) else None
        if member is None or (isinstance(member, Literals) and value not in member.values):
            raise self._mismatch(node, value, path)
        return self.judge(member, value, path)

    def _id(self, node: IdOf, text: str, path: str) -> str:
        if self._table_of is None:
            return text
        table = self._table_of(text)
        if table is None:
            raise self._mismatch(node, text, path)
        if table != node.table:
            found = (
                f'Found ID "{text}" from table `{table}`, which does not match the table'
                f' name in validator `v.id("{node.table}")`.'
            )
            raise self._mismatch(node, text, path, found)
        return text

    def _record(self, node: RecordOf, value: dict[str, Any], path: str) -> dict[str, Any]:
        if not isinstance(node.key, String):
            for key in value:
                self.judge(node.key, key, path)
        return {key: self.judge(node.value, v, f"{path}.{key}") for key, v in value.items()}

    def _object(self, node: ObjectOf, value: dict[str, Any], path: str) -> dict[str, Any]:
        for field in node.fields:
            if field.name not in value and not self._role.may_lack(field):
                raise self._missing(node, field, value, path)
        for name in value:
            if name not in node.by_name:
                raise self._extra(node, name, value, path)
        fields = node.by_name
        return {n: self.judge(fields[n].node, v, f"{path}.{n}") for n, v in value.items()}

    def _mismatch(
        self,
        node: Node,
        value: Value,
        path: str,
        sentence: str = "Value does not match validator.",
    ) -> TypeMismatch:
        lines = [sentence, *([f"Path: {path}"] if path else [])]
        lines += [
            f"Value: {_shown(node, value)}",
            f"Validator: {validator_text(node, self._role)}",
        ]
        return TypeMismatch("\n".join(lines))

    def _missing(self, node: ObjectOf, field: Field, value: Any, path: str) -> TypeMismatch:
        sentence = (
            f"Object is missing the required field `{field.name}`. Consider wrapping the"
            " field validator in `v.optional(...)` if this is expected."
        )
        return self._wrong_fields(sentence, node, value, path)

    def _extra(self, node: ObjectOf, name: str, value: Any, path: str) -> TypeMismatch:
        sentence = f"Object contains extra field `{name}` that is not in the validator."
        return self._wrong_fields(sentence, node, value, path)

    def _wrong_fields(
        self, sentence: str, node: ObjectOf, value: Any, path: str
    ) -> TypeMismatch:
        where = f"Path: {path}" if path else ""
        wanted = validator_text(node, self._role)
        return TypeMismatch(
            f"{sentence}\n{where}\nObject: {_shown(node, value)}\nValidator: {wanted}"
        )


def _shown(node: Node, value: Value) -> str:
    """``value`` as text; nothing of it where it may hold a secret, under whatever name."""
    return "[hidden: it may hold a secret]" if _is_secret(node) else value_text(value)


def _is_secret(node: Node) -> bool:
    match node:
        case String(secret=secret):
            return secret
        case ObjectOf(fields=fields):
            return any(_is_secret(field.node) for field in fields)
        case UnionOf(members=members):
            return any(map(_is_secret, members))
        case ArrayOf(item=item):
            return _is_secret(item)
        case RecordOf(value=inner):
            return _is_secret(inner)
        case _:
            return False


_NUMBERS: Final = frozenset({int, float})
_NOT_WHOLE: Final = "Value is not a whole number of magnitude up to 2^53."
