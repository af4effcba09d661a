"""The catalogue: tables, their numbers and their indexes, as a document in the log.

Its key is in the read set of every run, so that no entry is committed by somebody who did not
know an index, and every live query is run again when the code or the schema changes.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from chalicelib.engine.errors import InvalidId
from chalicelib.engine.log import IndexKey, stored_key
from chalicelib.engine.schema.stored import includes, shape_of
from chalicelib.engine.values.encoding import restore
from chalicelib.engine.values.ids import decode_id
from chalicelib.engine.values.order import key_bytes
from chalicelib.engine.values.value import MISSING

CATALOGUE_TABLE: Final = 1
"""Table number of the catalogue; its only document has an id of zeros."""

CATALOGUE_ID: Final = bytes(16)
CATALOGUE_KEY: Final[IndexKey] = (1, CATALOGUE_ID)
"""Where the catalogue is found: index 1 is the ``by_id`` of table 1."""

FIRST_USER_NUMBER: Final = 16
"""Table numbers and index ids below are the engine's own."""


_COMPRESS_FROM_BYTES: Final = 1024

KEPT_PAST: Final = 100
"""Validators of a table that are remembered after they were replaced."""


class IndexDefinition(msgspec.Struct, frozen=True, array_like=True):
    """An index: wire paths of its fields, and whether every document is in it yet."""

    id: int
    fields: tuple[str, ...]
    state: Literal["building", "ready"]


class TableDefinition(msgspec.Struct, frozen=True, array_like=True):
    """A table: its number, the id of its ``by_id`` index, and its other indexes by name.

    ``validator`` says what all of its documents look like, as ``schema.stored`` writes it;
    empty if nobody has looked. ``past`` names those that it has taken the place of.
    """

    number: int
    by_id: int
    indexes: dict[str, IndexDefinition]
    validator: str = ""
    past: tuple[str, ...] = ()

    def with_validator(self, validator: str) -> "TableDefinition":
        """The same table under another validator."""
        if validator == self.validator:
            return self
        past = [name for name in self.past if name != _name_of(validator)]
        if self.validator:
            past = [*past, _name_of(self.validator)][-KEPT_PAST:]
        return msgspec.structs.replace(self, validator=validator, past=tuple(past))

    def may_become(self, validator: str) -> bool:
        """Tell whether code may take ``validator`` into effect by itself.

        It may if every document satisfies it, and if it is no older one: code that was
        replaced must not undo what took its place.
        """
        return _name_of(validator) not in self.past and includes(
            shape_of(validator), shape_of(self.validator)
        )

    def keys(self, internal: bytes, image: bytes) -> tuple[IndexKey, ...]:
        """The rows of a document: one in ``by_id``, one in every other index."""
        own = (self.by_id, internal)
        if not self.indexes:
            return (own,)
        document: Any = restore(image)
        return (
            own,
            *[(i.id, row_key(i, internal, document)) for i in self.indexes.values()],
        )


class TableSpec(msgspec.Struct, frozen=True, array_like=True):
    """What a schema wants of a table: wire paths of the fields of each index, a validator."""

    indexes: dict[str, tuple[str, ...]] = {}
    validator: str = ""


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """A schema that takes effect once the data was found to satisfy it."""

    code_version: str
    tables: dict[str, TableSpec]


class Catalogue(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """All tables by name, and the version of the code that is served.

    While there is a ``proposal``, whatever is written satisfies it as well as the
    validators of the tables.
    """

    code_version: str = ""
    tables: dict[str, TableDefinition] = {}
    next_number: int = FIRST_USER_NUMBER
    proposal: Proposal | None = None

    @cached_property
    def names(self) -> dict[int, str]:
        """Table names by number."""
        return {table.number: name for name, table in self.tables.items()}

    @cached_property
    def table_of(self) -> Callable[[str], str | None]:
        """How ids are judged: a function to the table of a text, or None if it is no id."""
        names = self.names

        def find(text: str) -> str | None:
            try:
                return names.get(decode_id(text)[0])
            except InvalidId:
                return None

        return find


def row_key(index: IndexDefinition, internal: bytes, document: Mapping[str, Any]) -> bytes:
    """The key of a document's row in ``index``, as it is stored."""
    return stored_key(full_key(index, internal, document))


def full_key(index: IndexDefinition, internal: bytes, document: Mapping[str, Any]) -> bytes:
    """The same before long keys are cut."""
    return key_bytes([_field(document, path) for path in index.fields]) + internal


def with_tables(
    catalogue: Catalogue, wanted: Mapping[str, TableSpec], code_version: str
) -> Catalogue:
    """Let a schema take effect; an index of an old table starts as building.

    Indexes of its tables that the schema does not name are dropped; an index whose fields
    changed is a new index under the old name. Tables that it does not name are kept, and
    kept up to date. No number is ever given again.
    """
    tables, number = dict(catalogue.tables), catalogue.next_number
    for name, spec in wanted.items():
        old = tables.get(name)
        if old is None:
            old = TableDefinition(number, number, {})
            number += 1
        state: Literal["building", "ready"] = "building" if name in tables else "ready"
        indexes: dict[str, IndexDefinition] = {}
        for index, fields in spec.indexes.items():
            held = old.indexes.get(index)
            if held is None or held.fields != fields:
                held = IndexDefinition(number, fields, state)
                number += 1
            indexes[index] = held
        old = msgspec.structs.replace(old, indexes=indexes)
        tables[name] = old.with_validator(spec.validator)
    return Catalogue(code_version, tables, number)


def narrowed(catalogue: Catalogue, wanted: Mapping[str, TableSpec]) -> list[str]:
    """The tables whose documents may not all satisfy ``wanted``."""
    return [
        name
        for name, spec in wanted.items()
        if (held := catalogue.tables.get(name)) is not None
        and held.validator != spec.validator
        and not includes(shape_of(spec.validator), shape_of(held.validator))
    ]


def indexes_by_id(catalogue: Catalogue) -> dict[int, tuple[str, str]]:
    """The (table, index) names of every index but ``by_id``, by its id."""
    return {
        definition.id: (name, index)
        for name, table in catalogue.tables.items()
        for index, definition in table.indexes.items()
    }


def building(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The (table, index) pairs whose backfill is not complete."""
    for name, table in catalogue.tables.items():
        for index, definition in table.indexes.items():
            if definition.state == "building":
                yield name, index


def _name_of(validator: str) -> str:
    return blake2b(validator.encode(), digest_size=8).hexdigest()


def _field(document: Mapping[str, Any], path: str) -> Any:
    if "." not in path:
        return document.get(path, MISSING)
    found: Any = document
    for name in path.split("."):
        # What JSON holds is a dict, which is told faster than any other mapping.
        if type(found) is not dict and not isinstance(found, Mapping):
            return MISSING
        if name not in found:
            return MISSING
        found = found[name]
    return found


def encode_catalogue(catalogue: Catalogue) -> bytes:
    """Return a catalogue as bytes; a large one is compressed.

    Every process begins by reading it, and validators of many tables say the same again.
    """
    text = _encoder.encode(catalogue)
    return text if len(text) < _COMPRESS_FROM_BYTES else zlib.compress(text, 9)


def decode_catalogue(image: bytes) -> Catalogue:
    """Return the catalogue that :func:`encode_catalogue` wrote."""
    return _decoder.decode(image if image[:1] == b"[" else zlib.decompress(image))


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Catalogue)
