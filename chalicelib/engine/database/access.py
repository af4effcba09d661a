"""What readers of one run share, and where the documents are that they read."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from chalicelib.engine.database.catalogue import IndexDefinition, TableDefinition
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.query import RangePlan
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import IndexNotReady, IndexUnknown, TableUnknown
from chalicelib.engine.schema import Document, IndexRange, TableSchema, codec_of, table_name
from chalicelib.engine.values.ids import creation_us, encode_id

_US_PER_MS = 1000


class Access(msgspec.Struct, frozen=True):
    """What every reader of one run shares.

    ``policy_ctx`` is what row policies are asked with; None: the run is under no policy.
    ``system`` reaches the tables of the engine, and only those.
    """

    transaction: Transaction
    tables: Mapping[str, TableSchema]
    new_internal: Callable[[], bytes]
    pages: Pages
    policy_ctx: Any = None
    system: bool = False

    def table(self, document: type[Document]) -> TableDefinition:
        """Find how the table of a document class is stored."""
        name = table_name(document)
        found = self.transaction.catalogue.tables.get(name)
        if is_builtin(name) != self.system:
            where = "ctx.db.system" if is_builtin(name) else "ctx.db"
            raise TableUnknown(f"{document.__name__} is read through {where}")
        if found is None:
            raise TableUnknown(
                f"{document.__name__} belongs to no table that is served: is its module "
                f"part of an app package?"
            )
        return found


class Place(msgspec.Struct, frozen=True):
    """Where a document is, and how it is read."""

    schema: TableSchema
    table: TableDefinition
    internal: bytes

    def decoded(self, image: bytes) -> Document:
        """The document of an image."""
        return decoded(self.schema.document, self.table, self.internal, image)


def is_builtin(table: str) -> bool:
    """Tell whether a table is the engine's own."""
    return table.startswith("_")


def plan_of(source: Any, table: TableDefinition) -> RangePlan:
    """Which part of which index a query reads: all of it, where ``source`` is a class."""
    if isinstance(source, type):
        return RangePlan(None, (), None, None)
    index = None
    if source.index_name != "by_creation_time":
        index = _usable(source, table.indexes.get(source.index_name))
    return RangePlan(index, source.eq_values, source.lower, source.upper)


def _usable(source: IndexRange[Any], index: IndexDefinition | None) -> IndexDefinition:
    """Return the index that a range is of, if it holds all that the code means by it."""
    where = f"index {source.index_name} of {table_name(source.document)}"
    if index is None or index.fields != source.fields[:-1]:
        raise IndexUnknown(
            f"{where} is not in the schema that is served as this code knows it: a newer"
            f" deployment has dropped or changed it, or this code's was not deployed yet"
        )
    if index.state != "ready":
        raise IndexNotReady(
            f"{where} is being built: it can be queried when that is complete"
        )
    return index


def decoded(
    document: type[Document], table: TableDefinition, internal: bytes, image: bytes
) -> Document:
    """Read the image of a document."""
    document_id = encode_id(table.number, internal)
    read: Document = codec_of(document).decode(image, document_id, created_ms(internal))
    return read


def created_ms(internal: bytes) -> float:
    """When the document of an internal id was created, in ms since 1970."""
    return creation_us(internal) / _US_PER_MS
