"""Reading many documents: a range, an order, a filter, and how many are wanted."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, Literal, TypeVar

import msgspec

from chalicelib.engine.database.bounds import Bound, key_range
from chalicelib.engine.database.catalogue import IndexDefinition, TableDefinition
from chalicelib.engine.database.pages import Bounds, Pages, Read, Source
from chalicelib.engine.database.projection import projection
from chalicelib.engine.database.read_set import widened
from chalicelib.engine.database.rows_in_order import Keyed, in_full_order
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import NotUnique, QueryMisused
from chalicelib.engine.limits import (
    MAX_BYTES_READ,
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENTS_READ,
)
from chalicelib.engine.log import MAX_KEY_BYTES
from chalicelib.engine.schema import Document, Page, PaginationOptions, Struct

D = TypeVar("D")
S = TypeVar("S", bound=Struct)


class RangePlan(msgspec.Struct, frozen=True):
    """Which part of which index to read; ``index`` None is the order of creation."""

    index: IndexDefinition | None
    equal: tuple[Any, ...]
    lower: Bound | None
    upper: Bound | None


class Target(msgspec.Struct, frozen=True):
    """What a query reads, and with what eyes.

    ``visible`` is the row policy, None where there is none; ``decoded`` gives the document of
    an internal id and an image. ``of`` takes a few fields of it, if no more is wanted, after the
    filters ``first``; ``fields`` names them if nobody looks at others.
    """

    transaction: Transaction
    table: TableDefinition
    name: str
    plan: RangePlan
    decoded: Callable[[bytes, bytes], Any]
    visible: Callable[[Any], bool] | None
    pages: Pages
    document: type[Document]
    first: tuple[Callable[[Any], bool], ...] = ()
    of: Callable[[Any], Any] | None = None
    fields: tuple[str, ...] = ()


class Query(Generic[D]):
    """A reading that has not begun; each method returns another one, or begins it.

    Reading stops when the caller stops, and only what was read joins the read set.
    """

    def __init__(
        self,
        target: Target,
        *,
        reverse: bool = False,
        filters: tuple[Callable[[D], bool], ...] = (),
    ) -> None:
        self._target, self._reverse, self._filters = target, reverse, filters

    def order(self, direction: Literal["asc", "desc"]) -> "Query[D]":
        """Read in this order of the index's fields; the default is ascending."""
        if direction not in ("asc", "desc"):
            raise QueryMisused(f'order is "asc" or "desc", not {direction!r}')
        return Query(self._target, reverse=direction == "desc", filters=self._filters)

    def filter(self, predicate: Callable[[D], bool]) -> "Query[D]":
        """Leave out documents for which ``predicate`` does not hold; they are read all the same."""
        return Query(
            self._target, reverse=self._reverse, filters=(*self._filters, predicate)
        )

    def only(self, shape: type[S]) -> "Query[S]":
        """Read no more of each document than the fields of ``shape``, and return those.

        Where nothing else looks at the documents (no filter before this, no row policy: see
        ``ctx.db.unrestricted``), a write that leaves these fields as they are concerns nobody who
        reads so: no mutation conflicts with it, and no live query is run again. What a page
        holds depends on the size of its documents: pages are read whole.

        Raises:
            QueryMisused: the documents lack a field of ``shape``, or some are chosen already.
        """
        target = self._target
        if target.of is not None:
            raise QueryMisused("only() was called twice: name all fields in one Struct")
        part = projection(target.document, shape)
        asked = self._filters or target.visible is not None
        narrowed = msgspec.structs.replace(
            target,
            of=part.of,
            fields=() if asked else part.fields,
            first=self._filters,
        )
        return Query(narrowed, reverse=self._reverse)

    def take(self, count: int) -> list[D]:
        """Return the first ``count`` documents, or as many as there are.

        Raises:
            QueryMisused: ``count`` is no whole number from 0 on.
        """
        if type(count) is not int or count < 0:
            raise QueryMisused(f"take() takes a whole number from 0 on, not {count!r}")
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
                f"unique() query returned more than one result from table"
                f" {self._target.name}. Use first(), or narrow it."
            )
        return found[0] if found else None

    def collect(self) -> list[D]:
        """Return every document."""
        return list(self._documents(None))

    def paginate(self, pagination_opts: PaginationOptions) -> Page[D]:
        """Return the page that a client asks for; a function may read one.

        Raises:
            InvalidCursor: a cursor is from another query.
            PaginationRefused: the page has no place, or it is the second one.
        """
        target, usage = self._target, self._target.transaction.usage
        if target.fields:
            whole = msgspec.structs.replace(target, fields=())
            query: Query[D] = Query(whole, reverse=self._reverse, filters=self._filters)
            return query.paginate(pagination_opts)
        index = target.plan.index
        identity = [target.table.number, index.id if index else 0]
        source = Source(
            msgspec.msgpack.encode(identity), self._bounds(), self._reverse, self._reads
        )
        # One row less than would be refused: a page that is cut off must see that it is.
        rows = MAX_DOCUMENTS_READ - usage.documents_read - 1
        size = MAX_BYTES_READ - usage.bytes_read - MAX_DOCUMENT_BYTES
        return target.pages.read(source, pagination_opts, rows=rows, size=size)

    def count(self) -> int:
        """Return how many documents there are.

        Without filters, and where no row policy is asked (``ctx.db.unrestricted``), none of
        them is read: the number is kept beside the index. Otherwise all of them are.

        Raises:
            TransactionLimit: there are too many to count for the first time.
        """
        low, high = bounds = self._bounds()
        cut = max(len(low), len(high or b"")) > MAX_KEY_BYTES
        filters = self._filters or self._target.first
        if filters or self._target.visible is not None or cut:
            return sum(1 for _ in self._documents(None))
        return self._target.transaction.count(widened(self._index_id, *bounds))

    def __iter__(self) -> Iterator[D]:
        return self._documents(None)

    def _documents(self, limit: int | None) -> Iterator[D]:
        hint = None if self._filters or self._target.first else limit
        plan = self._target.plan
        if hint is None and not plan.equal and plan.lower is plan.upper is None:
            self._target.transaction.usage.full_scans.add(self._target.table.number)
        return (
            read.item for read in self._reads(self._bounds(), hint) if read.item is not None
        )

    def _reads(self, bounds: Bounds, limit: int | None) -> Iterator[Read]:
        target = self._target
        usage = target.transaction.usage
        for key, row in self._rows(bounds, limit):
            image = row.image or b""
            target.transaction.remember(target.table, row.id, image)
            document = target.decoded(row.id, image)
            seen = target.visible is None or target.visible(document)
            before = usage.bytes_read
            shown = seen and _passes(document, target.first)
            if target.of is not None and shown:
                document = target.of(document)
            shown = shown and _passes(document, self._filters)
            # What filters read for it counts, too. Not what a policy read: it tells of others.
            size = len(image) + usage.bytes_read - before
            yield Read(key, size, document if shown else None, not seen)

    def _rows(self, bounds: Bounds, limit: int | None) -> Iterator[Keyed]:
        interval = widened(self._index_id, *bounds, self._target.fields)
        rows = self._target.transaction.rows(interval, reverse=self._reverse, limit=limit)
        index = self._target.plan.index
        if index is None:
            return ((row.key, row) for row in rows)
        return in_full_order(rows, index, bounds, reverse=self._reverse)

    def _bounds(self) -> Bounds:
        plan = self._target.plan
        width = len(plan.index.fields) if plan.index else 0
        return key_range(width, plan.equal, plan.lower, plan.upper)

    @property
    def _index_id(self) -> int:
        index = self._target.plan.index
        return index.id if index else self._target.table.by_id


def _passes(document: D, filters: tuple[Callable[[D], bool], ...]) -> bool:
    return not filters or all(holds(document) for holds in filters)
