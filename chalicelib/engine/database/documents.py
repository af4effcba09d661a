"""``ctx.db``: typed documents over a transaction, under their row policies."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar, overload

import msgspec

from chalicelib.engine.database.catalogue import IndexDefinition, TableDefinition
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.projection import projection
from chalicelib.engine.database.query import Query, RangePlan, Target
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import (
    Forbidden,
    IndexNotReady,
    IndexUnknown,
    InvalidId,
    NotFound,
    TableUnknown,
)
from chalicelib.engine.schema import (
    Document,
    Id,
    IndexRange,
    Struct,
    TableSchema,
    codec_of,
    may_read,
    may_write,
    table_name,
)
from chalicelib.engine.values.ids import creation_us, decode_id, encode_id

D = TypeVar("D", bound=Document)
S = TypeVar("S", bound=Struct)

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


class Reader:
    """Reads documents; those that the caller may not see do not exist."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def unrestricted(self) -> Self:
        """The same database without row policies: the one way past them."""
        return type(self)(msgspec.structs.replace(self._access, policy_ctx=None))

    @property
    def system(self) -> "Reader":
        """A reader of the engine's own tables: ``ScheduledFunction`` and ``StoredFile``."""
        return Reader(msgspec.structs.replace(self._access, policy_ctx=None, system=True))

    @overload
    def get(self, document_id: Id[D]) -> D | None: ...
    @overload
    def get(self, document_id: Id[D], *, only: type[S]) -> S | None: ...
    def get(self, document_id: Id[D], *, only: Any = None) -> Any:
        """Return the document, or None if there is none that the caller may see.

        With ``only`` no more than the fields of that Struct: see ``Query.only``.

        Raises:
            QueryMisused: the document lacks a field of ``only``.
        """
        schema, table, internal = self._locate(document_id)
        part = None if only is None else projection(schema.document, only)
        # A row policy looks at the document whole.
        fields = part.fields if part is not None and self._access.policy_ctx is None else ()
        image = self._access.transaction.get(table, internal, fields)
        if image is None:
            return None
        found = _decoded(schema.document, table, internal, image)
        if not self._visible(found):
            return None
        return found if part is None else part.of(found)

    def require(self, document_id: Id[D]) -> D:
        """Return the document.

        Raises:
            NotFound: there is none that the caller may see.
        """
        found = self.get(document_id)
        if found is None:
            table = self._locate(document_id)[0].name
            raise NotFound(f"no such document in {table}", id=document_id)
        return found

    def query(self, source: type[D] | IndexRange[D]) -> Query[D]:
        """Start reading a table, in order of creation, or a range of one of its indexes."""
        plan, document = self._plan(source)
        table = self._access.table(document)

        def decoded(internal: bytes, image: bytes) -> Any:
            return _decoded(document, table, internal, image)

        visible = None if self._access.policy_ctx is None else self._visible
        return Query(
            Target(
                self._access.transaction,
                table,
                table_name(document),
                plan,
                decoded,
                visible,
                self._access.pages,
                document,
            )
        )

    def normalize_id(self, document: type[D], text: str) -> "Id[D] | None":
        """Return ``text`` as an id of the table of ``document``, or None if it is not one."""
        try:
            number, _ = decode_id(text)
        except InvalidId:
            return None
        known: Any = text
        return known if number == self._access.table(document).number else None

    def _plan(self, source: Any) -> tuple[RangePlan, type[Document]]:
        if isinstance(source, type):
            return RangePlan(None, (), None, None), source
        document: type[Document] = source.document
        plan_of = source.eq_values, source.lower, source.upper
        if source.index_name == "by_creation_time":
            return RangePlan(None, *plan_of), document
        index = self._access.table(document).indexes.get(source.index_name)
        return RangePlan(_usable(source, index), *plan_of), document

    def _locate(self, document_id: str) -> tuple[TableSchema, TableDefinition, bytes]:
        number, internal = decode_id(document_id)
        catalogue = self._access.transaction.catalogue
        name = catalogue.names.get(number, "")
        schema = self._access.tables.get(name)
        if schema is not None and is_builtin(name) == self._access.system:
            return schema, catalogue.tables[name], internal
        raise InvalidId(f"the id {document_id!r} belongs to no table of this deployment")

    def _visible(self, document: Document) -> bool:
        ctx = self._access.policy_ctx
        return ctx is None or may_read(document, ctx)


class Writer(Reader):
    """Reads and writes documents."""

    def insert(self, document: D) -> "Id[D]":
        """Add a new document and return its id.

        Raises:
            Forbidden: its row policy does not let the caller write it.
            DocumentInvalid: it does not match its own schema.
        """
        kind = type(document)
        table, internal = self._access.table(kind), self._access.new_internal()
        made: Any = encode_id(table.number, internal)
        image, read = codec_of(kind).written(
            document, made, _created_ms(internal), self._access.transaction.table_of
        )
        self._check_write(read)
        self._access.transaction.insert(
            table, internal, image, counted=not self._access.system
        )
        return made  # type: ignore[no-any-return]  # text at run time

    def patch(self, document_id: "Id[D]", /, **fields: Any) -> None:
        """Change some fields, named as in the class; ``UNSET`` removes one.

        A checker knows the fields by ``testing/mypy_plugin.py``.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        draft = self.require(document_id)
        for name, value in fields.items():
            if name.startswith("_") or name not in draft.__struct_fields__:
                raise AttributeError(f"{type(draft).__name__} has no field {name!r}")
            setattr(draft, name, value)
        self._write(document_id, draft)

    @contextmanager
    def edit(self, document_id: "Id[D]") -> Iterator[D]:
        """Give a draft of the document; what was changed is written when the block ends.

        Nothing is written if it ends by an error.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        draft = self.require(document_id)
        yield draft
        self._write(document_id, draft)

    def replace(self, document_id: "Id[D]", document: D) -> None:
        """Put another document in its place; id and creation time stay.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        self.require(document_id)
        self._write(document_id, document)

    def delete(self, document_id: "Id[D]") -> None:
        """Remove the document.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        self._check_write(self.require(document_id))
        _, table, internal = self._locate(document_id)
        self._access.transaction.put(table, internal, None, counted=not self._access.system)

    def _write(self, document_id: str, document: Document) -> None:
        schema, table, internal = self._locate(document_id)
        image, read = codec_of(schema.document).written(
            document, document_id, _created_ms(internal), self._access.transaction.table_of
        )
        before = self._access.transaction.get(table, internal)
        if image == before or before is None:
            return
        if self._access.policy_ctx is not None:
            self._check_write(_decoded(schema.document, table, internal, before))
            self._check_write(read)
        self._access.transaction.put(
            table, internal, image, counted=not self._access.system
        )

    def _check_write(self, document: Document) -> None:
        ctx = self._access.policy_ctx
        if ctx is not None and not may_write(document, ctx):
            raise Forbidden(
                f"you may not change this document of {table_name(type(document))}"
            )


def is_builtin(table: str) -> bool:
    """Tell whether a table is the engine's own."""
    return table.startswith("_")


def system_writer(db: Writer) -> Writer:
    """A writer of the engine's own tables, for the engine's own functions."""
    return Writer(msgspec.structs.replace(db._access, policy_ctx=None, system=True))  # noqa: SLF001 - a part of the same module


def transaction_of(db: Reader) -> Transaction:
    """The transaction that a reader reads in."""
    return db._access.transaction  # noqa: SLF001 - a part of the same module


def tables_of(db: Reader) -> Mapping[str, TableSchema]:
    """The tables that the code knows, by name."""
    return db._access.tables  # noqa: SLF001 - a part of the same module


def twin_id(db: Reader, document_id: str, twin: type[D]) -> "Id[D]":
    """The id of the document of another table that has the same internal id."""
    number = db._access.table(twin).number  # noqa: SLF001 - a part of the same module
    made: Any = encode_id(number, decode_id(document_id)[1])
    return made  # type: ignore[no-any-return]  # text at run time


def insert_twin(db: Writer, document_id: str, twin: D) -> "Id[D]":
    """Insert a document under the internal id of one of another table."""
    internal = decode_id(document_id)[1]
    access = msgspec.structs.replace(db._access, new_internal=lambda: internal)  # noqa: SLF001 - a part of the same module
    return Writer(access).insert(twin)


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


def _decoded(
    document: type[Document], table: TableDefinition, internal: bytes, image: bytes
) -> Document:
    document_id = encode_id(table.number, internal)
    decoded: Document = codec_of(document).decode(image, document_id, _created_ms(internal))
    return decoded


def _created_ms(internal: bytes) -> float:
    return creation_us(internal) / _US_PER_MS
