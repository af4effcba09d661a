"""Indexes as values: ``by_owner = index(owner)`` in a class, ``by_owner.eq(x)`` in a query.

To the type checker a field marked by :func:`indexed` is of its annotated type, so that the
types of an index and of its ranges are inferred; while the class body runs it is a marker.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, TypeVarTuple

from msgspec import NODEFAULT, UNSET

from chalicelib.engine.errors import InvalidSchema
from chalicelib.engine.limits import MAX_INDEX_FIELDS
from chalicelib.engine.schema.naming import check_identifier, wire_name
from chalicelib.engine.values.types import to_value
from chalicelib.engine.values.value import MISSING

D = TypeVar("D")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")
Rest = TypeVarTuple("Rest")

CREATION_TIME: Final = "_creationTime"
"""Last field of every index: documents that are equal in the others sort by age."""

BY_CREATION_TIME: Final = "by_creation_time"
"""Name of the index that every table has."""

Bound: TypeAlias = tuple[Any, bool]
"""An end of a range: the value, and whether it belongs to the range."""


@dataclass(frozen=True, slots=True)
class IndexRange(Generic[D]):
    """A part of one index, in key order: what :meth:`query` reads.

    ``fields`` are wire paths, creation time last; the first ones equal ``eq_values`` one by
    one, and the next one lies between ``lower`` and ``upper``. MISSING stands for a field
    that a document lacks.
    """

    document: type[D]
    index_name: str
    fields: tuple[str, ...]
    eq_values: tuple[Any, ...] = ()
    lower: Bound | None = None
    upper: Bound | None = None

    def _bounded(self, **ends: Bound) -> "Bounded[D, Any]":
        """Narrow the range by one end.

        Raises:
            InvalidSchema: That end is set already, or no field is left.
        """
        if len(self.eq_values) >= len(self.fields):
            raise InvalidSchema("InvalidIndexRange", f"{self.index_name}: no field is left")
        for side in ends:
            if getattr(self, side) is not None:
                raise InvalidSchema(
                    "InvalidIndexRange", f"{self.index_name}: it has its {side} end already"
                )
        lower, upper = ends.get("lower", self.lower), ends.get("upper", self.upper)
        place = self.document, self.index_name, self.fields, self.eq_values
        return Bounded(*place, lower, upper)


class Range(IndexRange[D], Generic[D, *Ts]):
    """A range whose next fields, of types ``Ts``, can still be set."""

    __slots__ = ()

    def eq(self: "Range[D, A, *Rest]", value: A) -> "Range[D, *Rest]":
        """Keep documents whose next field equals ``value``; UNSET: those that lack it."""
        if len(self.eq_values) >= len(self.fields):
            raise InvalidSchema("InvalidIndexRange", f"{self.index_name}: no field is left")
        return Range(
            self.document, self.index_name, self.fields, (*self.eq_values, _key(value))
        )

    def gt(self: "Range[D, A, *Rest]", value: A) -> "Bounded[D, A]":
        """Keep documents whose next field is above ``value``."""
        return self._bounded(lower=(_key(value), False))

    def gte(self: "Range[D, A, *Rest]", value: A) -> "Bounded[D, A]":
        """Keep documents whose next field is ``value`` or above."""
        return self._bounded(lower=(_key(value), True))

    def lt(self: "Range[D, A, *Rest]", value: A) -> "Bounded[D, A]":
        """Keep documents whose next field is below ``value``."""
        return self._bounded(upper=(_key(value), False))

    def lte(self: "Range[D, A, *Rest]", value: A) -> "Bounded[D, A]":
        """Keep documents whose next field is ``value`` or below."""
        return self._bounded(upper=(_key(value), True))


class Bounded(IndexRange[D], Generic[D, A]):
    """A range that ends within a field of type ``A``; its other end can still be set."""

    __slots__ = ()

    def gt(self, value: A) -> "Bounded[D, A]":
        """Keep documents whose field is above ``value``."""
        return self._bounded(lower=(_key(value), False))

    def gte(self, value: A) -> "Bounded[D, A]":
        """Keep documents whose field is ``value`` or above."""
        return self._bounded(lower=(_key(value), True))

    def lt(self, value: A) -> "Bounded[D, A]":
        """Keep documents whose field is below ``value``."""
        return self._bounded(upper=(_key(value), False))

    def lte(self, value: A) -> "Bounded[D, A]":
        """Keep documents whose field is ``value`` or below."""
        return self._bounded(upper=(_key(value), True))


class Index(Generic[*Ts]):
    """An index of the class it stands in; looked up on the class, it is its whole range."""

    def __init__(self, markers: tuple[Any, ...]) -> None:
        self._markers = markers
        self._whole: Range[Any, *tuple[Any, ...]] | None = None

    def __get__(self, instance: object, owner: type[D]) -> Range[D, *Ts, float]:
        if self._whole is None:
            raise InvalidSchema(
                "InvalidIndex", "an index stands in the class of a Document"
            )
        return self._whole

    @property
    def fields(self) -> tuple[str, ...]:
        """Wire paths of the fields, without creation time."""
        return () if self._whole is None else self._whole.fields[:-1]

    def bind(self, owner: type, name: str, attributes: dict[int, str]) -> None:
        """Settle the index in its class; ``attributes`` name the markers by their ``id()``.

        Raises:
            InvalidSchema: The name or the fields break a rule of indexes.
        """
        where = f"index {owner.__name__}.{name}"
        _check_name(name, where)
        paths = tuple(_path(marker, attributes, where) for marker in self._markers)
        if not paths:
            raise InvalidSchema("EmptyIndex", f"{where}: name at least one field")
        if len(paths) > MAX_INDEX_FIELDS:
            raise InvalidSchema(
                "IndexTooManyFields", f"{where}: the limit is {MAX_INDEX_FIELDS} fields"
            )
        if len(set(paths)) < len(paths):
            raise InvalidSchema(
                "FieldsNotUniqueWithinIndex", f"{where}: a field comes twice"
            )
        self._whole = Range(owner, name, (*paths, CREATION_TIME))

    @classmethod
    def of_creation_time(cls, owner: type) -> "Index[()]":
        """Return the index that ``owner`` has without being asked."""
        made: Index[()] = Index(())
        made._whole = Range(owner, BY_CREATION_TIME, (CREATION_TIME,))
        return made


def index(*fields: *Ts) -> Index[*Ts]:
    """Keep documents in the order of these fields, each marked by :func:`indexed`.

    A path into a nested Struct is written as an attribute: ``index(preferences.theme)``.
    """
    return Index(fields)


class Marker:
    """What an indexed field, or a path into it, is while the body of its class runs."""

    __slots__ = ("_default", "_factory", "_name", "_root", "_steps")

    def __init__(
        self,
        default: Any = NODEFAULT,
        factory: Any = NODEFAULT,
        name: str | None = None,
        root: "Marker | None" = None,
        steps: tuple[str, ...] = (),
    ) -> None:
        self._default, self._factory, self._name = default, factory, name
        self._root, self._steps = root or self, steps

    def __getattr__(self, name: str) -> "Marker":
        if name.startswith("_"):
            raise AttributeError(name)
        return Marker(root=self._root, steps=(*self._steps, name))


def indexed(
    *,
    default: Any = NODEFAULT,
    default_factory: Any = NODEFAULT,
    name: str | None = None,
) -> Any:
    """Mark a field that an index names; its type is what its annotation says.

    ``name`` is its wire name, where camelCase is not meant.
    """
    return Marker(default, default_factory, name)


def marker_field(marker: Marker) -> dict[str, Any]:
    """Return the keywords of ``msgspec.field`` that a marker stands for."""
    given = {
        "default": marker._default,  # noqa: SLF001 - public attributes are paths of fields
        "default_factory": marker._factory,  # noqa: SLF001
    }
    kept = {key: value for key, value in given.items() if value is not NODEFAULT}
    return kept | ({"name": marker._name} if marker._name else {})  # noqa: SLF001


def _path(marker: Any, attributes: dict[int, str], where: str) -> str:
    root = marker._root if isinstance(marker, Marker) else None  # noqa: SLF001
    attribute = attributes.get(id(root))
    if root is None or attribute is None:
        raise InvalidSchema(
            "InvalidIndexField",
            f"{where}: mark each of its fields, as in `owner: Id[User] = indexed()`",
        )
    first = root._name or wire_name(attribute)  # noqa: SLF001
    return ".".join((first, *map(wire_name, marker._steps)))  # noqa: SLF001


def _check_name(name: str, where: str) -> None:
    if name.startswith("_") or name in {"by_id", BY_CREATION_TIME}:
        raise InvalidSchema("IndexNameReserved", f"{where}: the name is reserved")
    check_identifier(name, "index", "InvalidIndexName")


def _key(value: Any) -> Any:
    if value is UNSET:
        return MISSING
    return value if type(value) in _READY else to_value(value)


_READY: Final = frozenset({str, int, float, bool, bytes, type(None)})
