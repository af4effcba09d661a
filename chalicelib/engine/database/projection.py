"""Reading a few fields of documents: what else is in them cannot matter to the reader."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from chalicelib.engine.errors import QueryMisused
from chalicelib.engine.schema import Document, Struct

_KEPT: Final = 1024
_OF_THE_ROW: Final = {"id": "_id", "creation_time": "_creationTime"}
"""Fields that a document has from its row: they never change."""


class Projection(msgspec.Struct, frozen=True):
    """Which fields of a document are read, by their wire names, and how they are handed on."""

    fields: tuple[str, ...]
    of: Callable[[Any], Any]


@lru_cache(_KEPT)
def projection(document: type[Document], shape: type[Struct]) -> Projection:
    """How documents are read by the fields that ``shape`` has in common with them.

    Raises:
        QueryMisused: ``shape`` is no class of fields, or has one that the documents lack.
    """
    if not issubclass(shape, Struct):
        raise QueryMisused(
            f"only() takes a Struct with fields of the document, not {shape!r}"
        )
    names = shape.__struct_fields__
    wire = dict(
        zip(document.__struct_fields__, document.__struct_encode_fields__, strict=True)
    )
    unknown = [n for n in names if n not in _OF_THE_ROW and (n not in wire or n[:1] == "_")]
    if unknown:
        raise QueryMisused(
            f"{shape.__name__}.{unknown[0]}: {document.__name__} has no such field"
        )

    def of(read: Any) -> Any:
        return shape(**{name: getattr(read, name) for name in names})

    # Never none: that would mean all of them.
    fields = {"_id"} | {_OF_THE_ROW.get(name) or wire[name] for name in names}
    return Projection(tuple(sorted(fields)), of)
