"""What is written satisfies the schema that is served, and the one that is proposed."""

from collections.abc import Mapping
from typing import Final

from chalicelib.engine.database.catalogue import Catalogue
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import SchemaBehind, SchemaMismatch
from chalicelib.engine.log import Write
from chalicelib.engine.schema import TableSchema
from chalicelib.engine.schema.stored import Shape, misfit, shape_of
from chalicelib.engine.values.encoding import decode

SERVED: Final = "is served"

_Wanted = list[tuple[str, Shape]]
"""Types that the documents of a table must be of, each with the words for it."""


class SchemaGuard:
    """Judges writes by the catalogue, where it says something else than this process's code.

    Documents have been judged by their own class when they were encoded, so that nothing is
    left to do while the catalogue and the code agree.
    """

    def __init__(self, tables: Mapping[str, TableSchema]) -> None:
        self._tables = tables
        self._own: dict[str, str] = {}
        # Replaced as a whole: another thread may look at another catalogue meanwhile.
        self._known: tuple[Catalogue, dict[int, _Wanted]] = (Catalogue(), {})

    def check(self, transaction: Transaction) -> None:
        """Look at what ``transaction`` is about to commit.

        Raises:
            SchemaMismatch: a document is not of a type that all of its table are of.
            SchemaBehind: the same, and this process's schema may take effect by itself.
        """
        catalogue = transaction.catalogue
        of, wanted = self._known
        if of is not catalogue:
            wanted = {}
            self._known = catalogue, wanted
        names: dict[int, str] | None = None
        for write in transaction.writes():
            if write.after is None:
                continue
            if write.table not in wanted:
                names = names or catalogue.names
                wanted[write.table] = self._foreign(catalogue, names.get(write.table, ""))
            if wanted[write.table]:
                self._judge(write, wanted[write.table], transaction)

    def _foreign(self, catalogue: Catalogue, name: str) -> _Wanted:
        """The types that this process's own class does not stand for."""
        table, proposal = catalogue.tables.get(name), catalogue.proposal
        spec = proposal.tables.get(name) if proposal is not None else None
        served = table.validator if table is not None else ""
        proposed = spec.validator if spec is not None else ""
        # What is proposed first: a schema that is behind does not excuse a misfit with it.
        wanted = {proposed: "is being deployed", served: SERVED}
        return [
            (what, shape_of(text))
            for text, what in wanted.items()
            if text not in ("", self._own_text(name))
        ]

    def _own_text(self, name: str) -> str:
        if name not in self._own:
            schema = self._tables.get(name)
            self._own[name] = schema.stored() if schema is not None else ""
        return self._own[name]

    def _judge(self, write: Write, wanted: _Wanted, transaction: Transaction) -> None:
        document = decode(write.after or b"")
        for what, shape in wanted:
            found = misfit(shape, document, transaction.table_of)
            if found is None:
                continue
            name = transaction.catalogue.names[write.table]
            table, own = transaction.catalogue.tables[name], self._own_text(name)
            if what == SERVED and own and table.may_become(own):
                raise SchemaBehind(name, own)
            raise SchemaMismatch(
                f"Document {write.document_id} does not match the schema of {name} that"
                f" {what}, which is not that of the code that wrote it:"
                f" {found.path or 'the document'}: {found.reason}. Nothing was written;"
                f" deploy the code and its schema together."
            )
