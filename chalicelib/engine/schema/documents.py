"""The classes that an app writes: structs, documents, and the ids that point to them."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Generic,
    Self,
    TypeVar,
    dataclass_transform,
)

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chalicelib.engine.errors import InvalidSchema
from chalicelib.engine.limits import MAX_INDEXES_PER_TABLE
from chalicelib.engine.schema.indexes import (
    BY_CREATION_TIME,
    Index,
    Marker,
    indexed,
    marker_field,
)
from chalicelib.engine.schema.naming import check_identifier, wire_name
from chalicelib.engine.values.ids import ID_PATTERN
from chalicelib.engine.values.types import HIDDEN, ID_OF

Unset = UnsetType
"""Hint of a field that may be absent, as in ``avatar: str | Unset = UNSET``."""

T = TypeVar("T")
DocumentT = TypeVar("DocumentT", bound="Document")

if TYPE_CHECKING:

    class Id(str, Generic[T]):
        """The id of a document of class ``T``: text, and of one table to the checker."""

        __slots__ = ()

else:

    class Id:
        """The id of a document: plain text at run time, which is what JSON decodes to."""

        def __class_getitem__(cls, document: Any) -> Any:
            schema = {"pattern": ID_PATTERN}
            return Annotated[str, Meta(extra={ID_OF: document}, extra_json_schema=schema)]


Secret = Annotated[str, Meta(extra={HIDDEN: True})]
"""Hint of an argument that is a secret: no error that tells of wrong arguments repeats it."""


class _StructType(msgspec.StructMeta):
    """Passes on ``kw_only``, which msgspec does not inherit."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **config: Any
    ) -> Any:
        return super().__new__(mcs, name, bases, namespace, **{"kw_only": True} | config)


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(
    msgspec.Struct,
    metaclass=_StructType,
    kw_only=True,
    rename=wire_name,
    forbid_unknown_fields=True,
):
    """An object inside a document, an argument or a result: camelCase, no other fields.

    Several of them in a union need a tag: ``class A(Struct, tag_field="kind", tag="a")``.
    """


class _DocumentType(_StructType):
    """Settles the table, the indexes and the system fields of a document class."""

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        /,
        *,
        table: str | None = None,
        shape_of: str | None = None,
        undone: bool = True,
        **config: Any,
    ) -> Any:
        attributes = {id(v): key for key, v in namespace.items() if isinstance(v, Marker)}
        indexes = {key: v for key, v in namespace.items() if isinstance(v, Index)}
        for attribute in attributes.values():
            field = marker_field(namespace.pop(attribute))
            if field:
                namespace[attribute] = msgspec.field(**field)
        is_base = not any(isinstance(base, _DocumentType) for base in bases)
        if not is_base:
            _check_class(name, namespace, table, shape_of)
        cls = super().__new__(mcs, name, bases, namespace, **config)
        cls.__table__ = table or shape_of
        cls.__is_shape__ = shape_of is not None
        cls.__undone__ = undone
        cls.by_creation_time = Index.of_creation_time(cls)
        if not is_base:
            _bind(cls, indexes, attributes)
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(indexed, msgspec.field))
class Document(
    msgspec.Struct,
    metaclass=_DocumentType,
    kw_only=True,
    rename=wire_name,
    forbid_unknown_fields=True,
):
    """One stored object: ``class User(Document, table="users")`` declares a table of them.

    ``shape_of="users"`` describes an older form of that table's documents, for a migration.
    With ``undone=False`` an undo leaves the table as it is, unless it is named: what is written
    there has happened, and does not happen again (docs/restore.md).
    """

    if TYPE_CHECKING:
        # No fields to a checker: nobody passes them, and assigning to them means nothing.
        __table__: ClassVar[str | None]
        by_creation_time: ClassVar[Index[()]]

        def __init_subclass__(  # type: ignore[explicit-override]
            cls, *, table: str = "", shape_of: str = "", undone: bool = True
        ) -> None: ...

    else:
        _id: str | UnsetType = msgspec.field(default=UNSET, name="_id")
        _creation_time: float | UnsetType = msgspec.field(
            default=UNSET, name="_creationTime"
        )

        # Not declared to a checker: each override would need an @override of its own.
        def can_read(self, _ctx: Any) -> bool:
            """Close the table to public functions."""
            return False

        def can_write(self, _ctx: Any) -> bool:
            """Close the table to public functions."""
            return False

    @property
    def id(self) -> Id[Self]:
        """The id of the document.

        Raises:
            InvalidSchema: It was not inserted yet.
        """
        value: Any = self._id  # type: ignore[attr-defined]
        if value is UNSET:
            raise _not_inserted(self, "id")
        return value  # type: ignore[no-any-return]

    @property
    def creation_time(self) -> float:
        """When the document was inserted, in ms since 1970.

        Raises:
            InvalidSchema: It was not inserted yet.
        """
        value: Any = self._creation_time  # type: ignore[attr-defined]
        if value is UNSET:
            raise _not_inserted(self, "creation_time")
        return value  # type: ignore[no-any-return]


def attach(document: DocumentT, id_: str, creation_time: float) -> DocumentT:
    """Give a document its id and its creation time, in ms, and return it."""
    writable: Any = document
    writable._id, writable._creation_time = id_, creation_time  # noqa: SLF001 - the engine's own
    return document


def is_attached(document: Document) -> bool:
    """Tell whether a document has its id."""
    readable: Any = document
    return readable._id is not UNSET  # noqa: SLF001 - the engine's own


def indexes_of(cls: type[Document]) -> Mapping[str, tuple[str, ...]]:
    """Return the declared indexes: wire paths by name, creation time left out."""
    indexes: Mapping[str, tuple[str, ...]] = getattr(cls, "__indexes__", _NO_INDEXES)
    return indexes


def is_undone(cls: type[Document]) -> bool:
    """Tell whether an undo that names no tables changes that of a document class."""
    undone: bool = getattr(cls, "__undone__", True)
    return undone


def table_name(cls: type[Document]) -> str:
    """Return the table of a document class; empty for a class without one."""
    name: str | None = getattr(cls, "__table__", None)
    return name or ""


def may_read(document: Document, ctx: object) -> bool:
    """Ask the row policy whether the caller of ``ctx`` may see ``document``."""
    policy: Any = document
    return bool(policy.can_read(ctx))


def may_write(document: Document, ctx: object) -> bool:
    """Ask the row policy whether the caller of ``ctx`` may write this image."""
    policy: Any = document
    return bool(policy.can_write(ctx))


def policies(cls: type[Document]) -> tuple[Callable[..., bool], ...]:
    """Return the row policies of a class, as plain functions."""
    declared: Any = cls
    return declared.can_read, declared.can_write


_NO_INDEXES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
_TAKEN: Final = ("id", "creation_time", BY_CREATION_TIME, "by_id")


def _not_inserted(document: Document, what: str) -> InvalidSchema:
    return InvalidSchema(
        "NotInserted", f"{type(document).__name__} has no {what} before it is inserted"
    )


def _check_class(
    name: str, namespace: dict[str, Any], table: str | None, shape_of: str | None
) -> None:
    if (table is None) == (shape_of is None):
        raise InvalidSchema(
            "InvalidTableName", f'{name}: write class {name}(Document, table="…")'
        )
    check_identifier(table or shape_of or "", f"{name}: table", "InvalidTableName")
    if table and table.startswith("_") and not namespace["__module__"].startswith(_ENGINE):
        raise InvalidSchema(
            "TableNameReserved", f"{name}: {table} starts with an underscore"
        )
    for field in namespace.get("__annotations__", {}):
        if field in _TAKEN or field.startswith("_"):
            raise InvalidSchema(
                "IndexFieldNameReserved", f"{name}.{field}: the name is reserved"
            )
    for policy in {"can_read", "can_write"} & namespace.keys():
        parameters = inspect.signature(namespace[policy]).parameters
        if len(parameters) != len(("self", "ctx")):
            raise InvalidSchema("InvalidPolicy", f"{name}.{policy} takes self and ctx")


_ENGINE: Final = "chalicelib.engine."


def _bind(cls: type, indexes: dict[str, Index[Any]], attributes: dict[int, str]) -> None:
    if len(indexes) > MAX_INDEXES_PER_TABLE:
        raise InvalidSchema(
            "TooManyIndexes",
            f"{cls.__name__}: the limit is {MAX_INDEXES_PER_TABLE} indexes",
        )
    fields: dict[str, tuple[str, ...]] = {}
    for name, declared in indexes.items():
        declared.bind(cls, name, attributes)
        for other, paths in fields.items():
            if paths == declared.fields:
                raise InvalidSchema(
                    "IndexNotUnique", f"{cls.__name__}: {other} and {name} are the same"
                )
        fields[name] = declared.fields
    cls.__indexes__ = MappingProxyType(fields)  # type: ignore[attr-defined]
