"""Documents, tables and indexes as an app declares them: type hints are the schema."""

from msgspec import UNSET

from chalicelib.engine.schema.builtin import BUILTIN_TABLES, StoredFile
from chalicelib.engine.schema.codec import DocumentCodec, codec_of
from chalicelib.engine.schema.documents import (
    Document,
    Id,
    Secret,
    Struct,
    Unset,
    attach,
    indexes_of,
    is_attached,
    is_undone,
    may_read,
    may_write,
    policies,
    table_name,
)
from chalicelib.engine.schema.indexes import (
    BY_CREATION_TIME,
    CREATION_TIME,
    Bounded,
    Index,
    IndexRange,
    Range,
    index,
    indexed,
)
from chalicelib.engine.schema.jobs import ScheduledFunction
from chalicelib.engine.schema.naming import wire_name
from chalicelib.engine.schema.pages import Page, PageStatus, PaginationOptions
from chalicelib.engine.schema.tables import TableSchema, tables
from chalicelib.engine.schema.tasks import Misfitting, SchemaTask
from chalicelib.engine.schema.undos import Undo, UndoMark, UndoneTable
from chalicelib.engine.values.value import Int64

__all__ = [
    "BUILTIN_TABLES",
    "BY_CREATION_TIME",
    "CREATION_TIME",
    "UNSET",
    "Bounded",
    "Document",
    "DocumentCodec",
    "Id",
    "Index",
    "IndexRange",
    "Int64",
    "Misfitting",
    "Page",
    "PageStatus",
    "PaginationOptions",
    "Range",
    "ScheduledFunction",
    "SchemaTask",
    "Secret",
    "StoredFile",
    "Struct",
    "TableSchema",
    "Undo",
    "UndoMark",
    "UndoneTable",
    "Unset",
    "attach",
    "codec_of",
    "index",
    "indexed",
    "indexes_of",
    "is_attached",
    "is_undone",
    "may_read",
    "may_write",
    "policies",
    "table_name",
    "tables",
    "wire_name",
]
