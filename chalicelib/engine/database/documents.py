"""``ctx.db``: typed documents over a transaction, under their row policies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, Self, TypeVar, overload

import msgspec

from chalicelib.engine.database.access import (
    Access,
    Place,
    created_ms,
    decoded,
    is_builtin,
    plan_of,
)
from chalicelib.engine.database.projection import projection
from chalicelib.engine.database.query import Query, Target
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import (
    Forbidden,
    InvalidId,
    NotFound,
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
from chalicelib.engine.values.ids import decode_id, encode_id

D = TypeVar("D", bound=Document)
S = TypeVar("S", bound=Struct)


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
        place = self._locate(document_id)
        if only is None:
            return self._read(place)
        part = projection(place.schema.document, only)
        # A row policy looks at the document whole.
        fields = part.fields if self._access.policy_ctx is None else ()
        found = self._read(place, fields)
        return None if found is None else part.of(found)

    def require(self, document_id: Id[D]) -> D:
        """Return the document.

        Raises:
            NotFound: there is none that the caller may see.
        """
        return self._require(self._locate(document_id), document_id)  # type: ignore[return-value]  # as above

    def query(self, source: type[D] | IndexRange[D]) -> Query[D]:
        """Start reading a table, in order of creation, or a range of one of its indexes."""
        document = source if isinstance(source, type) else source.document
        table = self._access.table(document)
        visible = None if self._access.policy_ctx is None else self._visible
        return Query(
            Target(
                self._access.transaction,
                table,
                table_name(document),
                plan_of(source, table),
                partial(decoded, document, table),
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

    def _locate(self, document_id: str) -> Place:
        number, internal = decode_id(document_id)
        catalogue = self._access.transaction.catalogue
        name = catalogue.names.get(number, "")
        schema = self._access.tables.get(name)
        if schema is not None and is_builtin(name) == self._access.system:
            return Place(schema, catalogue.tables[name], internal)
        raise InvalidId(f"the id {document_id!r} belongs to no table of this deployment")

    def _read(self, place: Place, fields: tuple[str, ...] = ()) -> Document | None:
        image = self._access.transaction.get(place.table, place.internal, fields)
        if image is None:
            return None
        found = place.decoded(image)
        return found if self._visible(found) else None

    def _require(self, place: Place, document_id: str) -> Document:
        found = self._read(place)
        if found is None:
            raise NotFound(f"no such document in {place.schema.name}", id=document_id)
        return found

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
            document, made, created_ms(internal), self._access.transaction.table_of
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
        place = self._locate(document_id)
        before = self._require(place, document_id)
        # A field is given another value, and no value is changed inside.
        draft = copy(before)
        for name, value in fields.items():
            if name.startswith("_") or name not in draft.__struct_fields__:
                raise AttributeError(f"{type(draft).__name__} has no field {name!r}")
            setattr(draft, name, value)
        self._write(place, document_id, draft, before)

    @contextmanager
    def edit(self, document_id: "Id[D]") -> Iterator[D]:
        """Give a draft of the document; what was changed is written when the block ends.

        Nothing is written if it ends by an error.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        place = self._locate(document_id)
        draft: Any = self._require(place, document_id)
        yield draft
        self._write(place, document_id, draft)

    def replace(self, document_id: "Id[D]", document: D) -> None:
        """Put another document in its place; id and creation time stay.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        place = self._locate(document_id)
        self._write(place, document_id, document, self._require(place, document_id))

    def delete(self, document_id: "Id[D]") -> None:
        """Remove the document.

        Raises:
            NotFound: there is no such document that the caller may see.
        """
        place = self._locate(document_id)
        self._check_write(self._require(place, document_id))
        self._put(place, None)

    def _write(
        self,
        place: Place,
        document_id: str,
        document: Document,
        before: Document | None = None,
    ) -> None:
        """Put a document in the place of another; without ``before`` that is read anew."""
        transaction = self._access.transaction
        image, read = codec_of(place.schema.document).written(
            document, document_id, created_ms(place.internal), transaction.table_of
        )
        known = transaction.get(place.table, place.internal)
        if image == known or known is None:
            return
        if self._access.policy_ctx is not None:
            self._check_write(place.decoded(known) if before is None else before)
            self._check_write(read)
        self._put(place, image)

    def _put(self, place: Place, image: bytes | None) -> None:
        counted = not self._access.system
        self._access.transaction.put(place.table, place.internal, image, counted=counted)

    def _check_write(self, document: Document) -> None:
        ctx = self._access.policy_ctx
        if ctx is not None and not may_write(document, ctx):
            raise Forbidden(
                f"you may not change this document of {table_name(type(document))}"
            )


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
