"""Type hints as the schema: one tree per hint, and everything that is derived from it."""

from chalicelib.engine.values.types.codec import TypeCodec, encode_searched, to_value
from chalicelib.engine.values.types.describe import (
    Role,
    fields_json,
    validator_json,
    validator_text,
    value_text,
)
from chalicelib.engine.values.types.hints import HIDDEN, ID_OF, field_of, table_of, type_of
from chalicelib.engine.values.types.judge import Judge, TableOf
from chalicelib.engine.values.types.search import (
    search_decoded,
    search_documents,
    search_ids,
    search_results,
)
from chalicelib.engine.values.types.tree import (
    Field,
    Node,
    ObjectOf,
    UnionOf,
    documents_in,
    holds,
)

__all__ = [
    "HIDDEN",
    "ID_OF",
    "Field",
    "Judge",
    "Node",
    "ObjectOf",
    "Role",
    "TableOf",
    "TypeCodec",
    "UnionOf",
    "documents_in",
    "encode_searched",
    "field_of",
    "fields_json",
    "holds",
    "search_decoded",
    "search_documents",
    "search_ids",
    "search_results",
    "table_of",
    "to_value",
    "type_of",
    "validator_json",
    "validator_text",
    "value_text",
]
