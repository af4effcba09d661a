"""Documents as bytes: the image that is stored, and the form that clients receive."""

import copy
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET

from chalicelib.engine.errors import InvalidSchema, SchemaMismatch, TypeMismatch
from chalicelib.engine.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENT_NESTING,
    MAX_JOB_ARGUMENT_BYTES,
    MAX_VALUE_NESTING,
)
from chalicelib.engine.schema.documents import Document, attach
from chalicelib.engine.values import encoding
from chalicelib.engine.values.types import (
    ObjectOf,
    Role,
    TableOf,
    TypeCodec,
    documents_in,
    encode_searched,
    search_documents,
    search_ids,
    search_results,
    type_of,
)
from chalicelib.engine.values.types.search import PLAIN_NESTING
from chalicelib.engine.values.types.tree import depth
from chalicelib.engine.values.value import Value, check

D = TypeVar("D", bound=Document)

_SYSTEM_FIELDS: Final = 2
_WIDEST_BYTES: Final = 5
_REST_BYTES: Final = 1 << 16  # what a job's document holds besides its arguments, at most


class DocumentCodec(Generic[D]):
    """Turns documents of one class into bytes and back.

    An image is encoded JSON without ``_id`` and ``_creationTime``, which the key of its row
    tells.

    Raises:
        InvalidHint: A field is of a type that cannot be stored.
    """

    def __init__(self, cls: type[D]) -> None:
        whole = type_of(cls)
        if not isinstance(whole, ObjectOf) or whole.table is None:
            raise InvalidSchema("InvalidTableName", f"{cls.__name__} has no table")
        self.table = whole.table
        self.tree = ObjectOf(cls, whole.fields[_SYSTEM_FIELDS:])
        if inner := documents_in(self.tree):
            raise InvalidSchema(
                "NestedDocument",
                f"{cls.__name__}: a document is no field: Id[{inner[0].cls.__name__}] is",
            )
        self._types = TypeCodec(cls, Role.ARGUMENT, self.tree)
        self._search_documents = search_documents(self.tree)
        self._search_results = search_results(self.tree)
        self._search_ids = search_ids(self.tree)
        # A document of the engine's own may hold the arguments of a whole call.
        own = self.table.startswith("_")
        self._nesting = MAX_VALUE_NESTING if own else MAX_DOCUMENT_NESTING
        self._max_bytes = (
            MAX_JOB_ARGUMENT_BYTES + _REST_BYTES if own else MAX_DOCUMENT_BYTES
        )
        # What nests deeper in an Any is found by the search: see ``is_plain``.
        self._is_deep = depth(self.tree) > MAX_DOCUMENT_NESTING - PLAIN_NESTING

    def encode(self, document: D, table_of: TableOf | None = None) -> bytes:
        """Return the image of a document; ids are looked at only if ``table_of`` is given.

        Raises:
            SchemaMismatch: A field is not of its type.
            InvalidValue: Something inside is not a value, or too large.
        """
        return self._encode(document, table_of)[0]

    def written(
        self, document: D, id_: str, creation_time: float, table_of: TableOf
    ) -> tuple[bytes, D]:
        """Return the image of a document, and the document as whoever reads that will see it.

        Raises:
            SchemaMismatch: A field is not of its type.
            InvalidValue: Something inside is not a value, or too large.
        """
        image, read = self._encode(document, table_of)
        if read is None:
            return image, self.decode(image, id_, creation_time)
        return image, attach(read, id_, creation_time)

    def _encode(self, document: D, table_of: TableOf | None) -> tuple[bytes, D | None]:
        """Return the image, and what was read of it if it was read to see that it is valid."""
        bare: Any = copy.copy(document)
        bare._id = bare._creation_time = UNSET  # noqa: SLF001 - the engine's own
        plain, image = encode_searched(bare, self._search_documents)
        if plain and not self._is_deep and len(image) * _WIDEST_BYTES < MAX_DOCUMENT_BYTES:
            try:
                read: D = self._types.decode_trusted(image)
            except msgspec.ValidationError:
                pass  # the judge has the better words
            else:
                if self._search_ids is None or not self._search_ids(bare, table_of):
                    return image, read
        return self._encode_judged(encoding.decode(image), table_of), None

    def _encode_judged(self, value: Value, table_of: TableOf | None) -> bytes:
        check(value, nesting=self._nesting, max_bytes=self._max_bytes)
        try:
            exact = self._types.convert(value, table_of)
        except TypeMismatch as wrong:
            raise SchemaMismatch(
                f'Failed to insert or update a document in table "{self.table}" because it'
                f" does not match the schema: {wrong}"
            ) from None
        # Numbers are now as their hints have them: equal documents have equal images.
        return encode_searched(exact, self._search_documents)[1]

    def decode(self, image: bytes, id_: str, creation_time: float) -> D:
        """Read an image; the document gets ``id_`` and its creation time, in ms.

        Raises:
            SchemaMismatch: It was written under another schema.
        """
        try:
            document: Any = self._types.decode_trusted(image)
        except msgspec.ValidationError:
            document = self._convert(image, id_)
        read: D = document
        return attach(read, id_, creation_time)

    def _convert(self, image: bytes, id_: str) -> Any:
        try:
            return self._types.convert(encoding.decode(image))
        except TypeMismatch as wrong:
            raise SchemaMismatch(
                f'Document with ID "{id_}" in table "{self.table}" does not match the'
                f" schema: {wrong}"
            ) from None

    def wire(self, document: D) -> bytes:
        """Return a document as clients receive it, with ``_id`` and ``_creationTime``.

        Raises:
            InvalidSchema: It was not inserted yet.
        """
        _ = document.id
        return encode_searched(document, self._search_results)[1]


def codec_of(cls: type[D]) -> DocumentCodec[D]:
    """Return the codec of a document class, made once."""
    codec = _codecs.get(cls)
    if codec is None:
        codec = _codecs[cls] = DocumentCodec(cls)
    return codec


_codecs: Final[dict[type, DocumentCodec[Any]]] = {}
