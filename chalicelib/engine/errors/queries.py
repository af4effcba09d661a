"""Errors of queries, and of the schema that they rely on."""

from chalicelib.engine.errors.families import EngineError


class PaginationRefused(EngineError):
    """A page cannot be read as it was asked for; ``rule`` names what is wrong."""

    code = "PaginationRefused"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{rule}: {message}")
        self.rule = rule


class TransactionLimit(EngineError):
    """A function reads or writes more than one transaction may; ``rule`` names the limit."""

    code = "TransactionLimit"

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class TableUnknown(EngineError):
    """A document class belongs to no table that is served."""

    code = "TableUnknown"


class IndexNotReady(EngineError):
    """An index is still being built and cannot be queried yet."""

    code = "IndexNotReady"


class QueryMisused(EngineError):
    """A query was asked for something that makes no sense; the message says what does."""

    code = "QueryMisused"


class IndexUnknown(EngineError):
    """An index is not in the schema that is served: dropped since, or not deployed yet."""

    code = "IndexUnknown"


class SchemaBehind(EngineError):
    """Code wrote what only its own schema allows, which may take effect by itself."""

    code = "SchemaBehind"

    def __init__(self, table: str, validator: str) -> None:
        super().__init__(f"the schema of {table} is older than the code: deploy it")
        self.table, self.validator = table, validator


class SchemaRefused(EngineError):
    """The data does not satisfy a schema that was to be deployed; nothing has changed."""

    code = "SchemaRefused"


class NotUnique(EngineError):
    """A query for one document found several."""

    code = "NotUnique"
