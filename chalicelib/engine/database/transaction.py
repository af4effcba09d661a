"""One run's reads and writes: a snapshot with the run's own writes laid over it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import CATALOGUE_KEY, Catalogue, TableDefinition
from chalicelib.engine.database.counts import Count, change_by, count_at
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.usage import Statistics, Usage
from chalicelib.engine.log import IndexKey, Row, Write
from chalicelib.engine.persistence import Interval

DocumentKey = tuple[int, bytes]
"""A table number and an internal id."""


_Change = tuple[bytes, tuple[IndexKey, ...], bytes | None]
"""The rows of a document, by its internal id and their keys, and its image from now on."""


class _Pending(msgspec.Struct):
    before: bytes | None
    after: bytes | None
    removed: tuple[IndexKey, ...]
    added: tuple[IndexKey, ...] = ()


class Transaction:
    """Reads at a snapshot and keeps what was read; writes stay here until the commit."""

    def __init__(self, snapshot: Snapshot, catalogue: Catalogue) -> None:
        self.snapshot, self.catalogue = snapshot, catalogue
        self.table_of: Final = catalogue.table_of
        self.read_set = ReadSet()
        self.read_set.add_key(CATALOGUE_KEY)
        self.usage = Usage()
        self.counts: list[Count] = []
        self._pending: dict[DocumentKey, _Pending] = {}
        self._own: dict[int, dict[bytes, Row]] = {}
        self._changes: list[_Change] = []
        self._images: dict[DocumentKey, bytes | None] = {}
        self._looked_up: set[DocumentKey] = set()
        self._undo: list[Callable[[], object]] | None = None
        self._written: tuple[Write, ...] | None = None

    def answer_row(self, key: IndexKey) -> Row | None:
        """Read the row of an answered request, which joins the read set."""
        self.read_set.add_key(key)
        return self.snapshot.get(key)

    def get(
        self, table: TableDefinition, internal: bytes, fields: tuple[str, ...] = ()
    ) -> bytes | None:
        """Read a document's image by id; where ``fields`` are named, the caller looks at those."""
        pending = self._pending.get((table.number, internal))
        if pending is not None:
            return pending.after
        return self._read(table, internal, fields)

    def remember(
        self, table: TableDefinition, internal: bytes, image: bytes | None
    ) -> None:
        """Take in an image that was read in another way, so that it need not be read again."""
        self._images.setdefault((table.number, internal), image)

    def rows(
        self, interval: Interval, *, reverse: bool, limit: int | None
    ) -> Iterator[Row]:
        """Read a range of an index in key order.

        The read set grows as far as the caller has iterated, and to the end of the interval
        when the iteration has ended by itself. The caller looks at the interval's ``fields``.
        """
        self.usage.looked()
        for piece in self.snapshot.slices(interval, reverse=reverse, limit=limit):
            unread = piece.interval
            for row in self._with_own(piece.rows, piece.interval, reverse=reverse):
                done, unread = _until(unread, row.key, reverse=reverse)
                self.read_set.add(done)
                self.usage.read(len(row.image or b""))
                yield row
            self.read_set.add(unread)

    def count(self, interval: Interval) -> int:
        """Count the rows of an interval, whose keys join the read set."""
        self.usage.looked()
        self.read_set.add_members(interval)
        found = count_at(interval, self.snapshot)
        if found.keep:
            self.counts.append(found.count)
        return found.count.number + change_by(self._pending.values(), interval)

    def insert(
        self, table: TableDefinition, internal: bytes, image: bytes, *, counted: bool = True
    ) -> None:
        """Set the image of a document whose id is new, which saves reading it first."""
        self._images[table.number, internal] = None
        self.put(table, internal, image, counted=counted)

    def put(
        self,
        table: TableDefinition,
        internal: bytes,
        image: bytes | None,
        *,
        counted: bool = True,
    ) -> None:
        """Set a document's image; None deletes it. What the engine writes is not ``counted``."""
        if counted:
            self.usage.wrote(len(image or b""))
        pending = self._pending.get((table.number, internal))
        if pending is None:
            pending = self._first_write(table, internal)
        if self._undo is not None:
            self._undo.append(
                partial(self._show, internal, pending, pending.added, pending.after)
            )
        added = table.keys(internal, image) if image is not None else ()
        self._show(internal, pending, added, image)

    def _show(
        self,
        internal: bytes,
        pending: _Pending,
        added: tuple[IndexKey, ...],
        image: bytes | None,
    ) -> None:
        """Have the run's own reads see a document as it is now."""
        self._changes += (internal, pending.added, None), (internal, added, image)
        pending.after, pending.added = image, added
        self._written = None

    @contextmanager
    def rolled_back_on_error(self) -> Iterator[None]:
        """Take back what is written inside the block if that raises; what was read stays read."""
        outer, mine = self._undo, list[Callable[[], object]]()
        self._undo = mine
        try:
            yield
        except BaseException:
            for undo in reversed(mine):
                undo()
            raise
        else:
            if outer is not None:
                outer.extend(mine)
        finally:
            self._undo = outer

    def statistics(self) -> Statistics:
        """What was read and written so far."""
        return self.usage.statistics(self.catalogue)

    def writes(self) -> tuple[Write, ...]:
        """What to commit; documents made and deleted again are left out."""
        if self._written is None:
            self._written = tuple(
                Write(number, internal, p.before, p.after, p.removed, p.added)
                for (number, internal), p in self._pending.items()
                if p.before is not None or p.after is not None
            )
        return self._written

    def _first_write(self, table: TableDefinition, internal: bytes) -> _Pending:
        before = self._read(table, internal)
        removed = table.keys(internal, before) if before is not None else ()
        self._changes.append((internal, removed, None))
        pending = self._pending[table.number, internal] = _Pending(before, None, removed)
        if self._undo is not None:
            self._undo.append(partial(self._forget, (table.number, internal), pending))
        return pending

    def _forget(self, document: DocumentKey, pending: _Pending) -> None:
        """Have the run's own reads see a document as the snapshot has it."""
        for index, key in (*pending.removed, *pending.added):
            self._own_rows(index).pop(key, None)
        del self._pending[document]
        self._written = None

    def _read(
        self, table: TableDefinition, internal: bytes, fields: tuple[str, ...] = ()
    ) -> bytes | None:
        document = table.number, internal
        if document in self._looked_up:
            return self._images[document]
        self.read_set.add_key((table.by_id, internal), fields)
        if document not in self._images:
            self.usage.looked()
            row = self.snapshot.get((table.by_id, internal))
            self._images[document] = row.image if row is not None else None
            if row is not None:
                self.usage.read(len(row.image or b""))
        if not fields:
            self._looked_up.add(document)
        return self._images[document]

    def _own_rows(self, index: int) -> dict[bytes, Row]:
        """What the run has written to an index, by key; most runs write last, and never ask."""
        for internal, keys, image in self._changes:
            for changed, key in keys:
                row = Row(changed, key, 0, internal, image)
                self._own.setdefault(changed, {})[key] = row
        self._changes.clear()
        return self._own.get(index, {})

    def _with_own(
        self, rows: Sequence[Row], covered: Interval, *, reverse: bool
    ) -> Sequence[Row]:
        own = self._own_rows(covered.index)
        if not own:
            return rows
        merged = {row.key: row for row in rows}
        merged.update((key, row) for key, row in own.items() if covered.holds(key))
        return [
            merged[k]
            for k in sorted(merged, reverse=reverse)
            if merged[k].image is not None
        ]


def _until(interval: Interval, key: bytes, *, reverse: bool) -> tuple[Interval, Interval]:
    """Split just beyond ``key`` in reading direction: what has been read, and the rest."""
    border = key if reverse else key + b"\x00"
    below, above = interval.split(border)
    return (above, below) if reverse else (below, above)
