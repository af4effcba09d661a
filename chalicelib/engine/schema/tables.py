"""The tables that an app's modules declare."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from chalicelib.engine.errors import InvalidSchema
from chalicelib.engine.limits import MAX_TABLES
from chalicelib.engine.schema.codec import DocumentCodec, codec_of
from chalicelib.engine.schema.documents import Document, indexes_of
from chalicelib.engine.schema.stored import stored_text
from chalicelib.engine.values.types import (
    Node,
    ObjectOf,
    Role,
    UnionOf,
    table_of,
    validator_json,
)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One table: its wire name, its class, and its indexes as wire paths by name."""

    name: str
    document: type[Document]
    indexes: Mapping[str, tuple[str, ...]]

    @property
    def codec(self) -> DocumentCodec[Document]:
        """The codec of its documents."""
        return codec_of(self.document)

    def validator(self) -> dict[str, Any]:
        """Return the validator JSON of its documents, without the system fields."""
        return validator_json(self.codec.tree, Role.RESULT)

    def stored(self) -> str:
        """Return what its documents look like, as the catalogue keeps it."""
        return stored_text(self.codec.tree)

    def check(self) -> None:
        """Refuse fields of no wire type, and indexes over fields that do not exist.

        Raises:
            InvalidHint: A field cannot be stored.
            InvalidSchema: An index names a field that is not there.
        """
        tree = self.codec.tree
        for name, paths in self.indexes.items():
            for path in paths:
                if not _leads_somewhere(tree, path.split(".")):
                    raise InvalidSchema(
                        "InvalidIndexField",
                        f"index {self.document.__name__}.{name}: there is no field {path}",
                    )


def tables(*modules: ModuleType) -> dict[str, TableSchema]:
    """Collect the tables of ``modules`` by name. System tables and old shapes are left out.

    Raises:
        InvalidSchema: Two classes claim one table, or there are too many.
    """
    found: dict[str, TableSchema] = {}
    for cls in _documents(modules):
        name = table_of(cls)
        if name is None or name.startswith("_") or getattr(cls, "__is_shape__", False):
            continue
        if name in found and found[name].document is not cls:
            raise InvalidSchema(
                "TableNotUnique",
                f"{name} is claimed by {_where(found[name].document)} and {_where(cls)}",
            )
        found[name] = TableSchema(name, cls, indexes_of(cls))
    if len(found) > MAX_TABLES:
        raise InvalidSchema("TooManyTables", f"the limit is {MAX_TABLES} tables")
    return found


def _documents(modules: Iterable[ModuleType]) -> Iterable[type[Document]]:
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Document):
                yield value


def _where(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _leads_somewhere(node: Node, path: list[str]) -> bool:
    if not path:
        return True
    match node:
        case ObjectOf(by_name=fields):
            field = fields.get(path[0])
            return field is not None and _leads_somewhere(field.node, path[1:])
        case UnionOf(members=members):
            return any(_leads_somewhere(member, path) for member in members)
        case _:
            return False
