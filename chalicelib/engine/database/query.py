"""Reading many documents: a range, an order, a filter, and how many are wanted."""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby, islice
from typing import Any, Generic, Literal, TypeVar

import msgspec

from chalicelib.engine.database.bounds import Bound, key_range
from chalicelib.engine.database.catalogue import IndexDefinition, TableDefinition, full_key
from chalicelib.engine.database.read_set import widened
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import NotUnique
from chalicelib.engine.log import CUT_KEY_BYTES, MAX_KEY_BYTES, Row
from chalicelib.engine.values.encoding import decode

D = TypeVar("D")


class RangePlan(msgspec.Struct, frozen=True):
    """Which part of which index to read; ``index`` None is the order of creation."""

    index: IndexDefinition | None
    equal: tuple[Any, ...]
    lower: Bound | None
    upper: Bound | None


class Query(Generic[D]):
    """A reading that has not begun; each method returns another one, or begins it.

    Reading stops when the caller stops, and only what was read joins the read set.
    """

    def __init__(
        self,
        transaction: Transaction,
        table: TableDefinition,
        plan: RangePlan,
        decoded: Callable[[bytes, bytes], D],
        visible: Callable[[Any], bool],
        *,
        reverse: bool = False,
        filters: tuple[Callable[[D], bool], ...] = (),
    ) -> None:
        self._transaction, self._table, self._plan = transaction, table, plan
        self._decoded, self._visible = decoded, visible
        self._reverse, self._filters = reverse, filters

    def order(self, direction: Literal["asc", "desc"]) -> "Query[D]":
        """Read in this order of the index's fields; the default is ascending."""
        return self._with(reverse=direction == "desc", filters=self._filters)

    def filter(self, predicate: Callable[[D], bool]) -> "Query[D]":
        """Leave out documents for which ``predicate`` does not hold; they are read all the same."""
        return self._with(reverse=self._reverse, filters=(*self._filters, predicate))

    def take(self, count: int) -> list[D]:
        """Return the first ``count`` documents, or as many as there are."""
        return list(islice(self._documents(count), count))

    def first(self) -> D | None:
        """Return the first document, or None."""
        return next(self._documents(1), None)

    def unique(self) -> D | None:
        """Return the only document, or None.

        Raises:
            NotUnique: there are several.
        """
        found = list(islice(self._documents(2), 2))
        if len(found) > 1:
            raise NotUnique(
                "unique() found more than one document; use first(), or narrow it"
            )
        return found[0] if found else None

    def collect(self) -> list[D]:
        """Return every document."""
        return list(self._documents(None))

    def __iter__(self) -> Iterator[D]:
        return self._documents(None)

    def _with(
        self, *, reverse: bool, filters: tuple[Callable[[D], bool], ...]
    ) -> "Query[D]":
        return Query(
            self._transaction,
            self._table,
            self._plan,
            self._decoded,
            self._visible,
            reverse=reverse,
            filters=filters,
        )

    def _documents(self, limit: int | None) -> Iterator[D]:
        hint = None if self._filters else limit
        for row in self._ordered_rows(hint):
            image = row.image or b""
            self._transaction.remember(self._table, row.id, image)
            document = self._decoded(row.id, image)
            if self._visible(document) and all(holds(document) for holds in self._filters):
                yield document

    def _ordered_rows(self, limit: int | None) -> Iterator[Row]:
        plan = self._plan
        index_id = plan.index.id if plan.index else self._table.by_id
        width = len(plan.index.fields) if plan.index else 0
        low, high = key_range(width, plan.equal, plan.lower, plan.upper)
        interval = widened(index_id, low, high)
        rows = self._transaction.rows(interval, reverse=self._reverse, limit=limit)
        if plan.index is None:
            return rows
        return _in_full_order(rows, plan.index, (low, high), reverse=self._reverse)


def _in_full_order(
    rows: Iterator[Row],
    index: IndexDefinition,
    bounds: tuple[bytes, bytes | None],
    *,
    reverse: bool,
) -> Iterator[Row]:
    """Sort rows that share a cut prefix by their whole keys, and keep those within bounds."""
    low, high = bounds
    for shared, group in groupby(rows, key=_cut_prefix):
        if shared is None:
            yield from group
            continue
        whole = [(full_key(index, row.id, _fields(row)), row) for row in group]
        for key, row in sorted(whole, key=_first, reverse=reverse):
            if low <= key and (high is None or key < high):
                yield row


def _fields(row: Row) -> Mapping[str, Any]:
    document: Any = decode(row.image or b"{}")
    return document  # type: ignore[no-any-return]  # an image is an object


def _cut_prefix(row: Row) -> bytes | None:
    return row.key[:MAX_KEY_BYTES] if len(row.key) == CUT_KEY_BYTES else None


def _first(pair: tuple[bytes, Row]) -> bytes:
    return pair[0]
