"""Going back to what was, by going on: images out of the log are written again, as new commits.

First the log is read from the target on, and each document that was written since gets a mark
that names the first write of it: what was before that is what is to come back. Then the marks
are worked off. Both go in small transactions, each of which notes how far it has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import TableDefinition
from chalicelib.engine.database.documents import (
    Writer,
    system_writer,
    transaction_of,
)
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.database.undo_judge import Judge
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import Entry, Write
from chalicelib.engine.schema import Misfitting, Undo, UndoMark, UndoneTable
from chalicelib.engine.values.ids import InternalId, decode_id

FOLLOWER: Final = "_undo"
"""The name under which an undo holds the trimming of the log."""

STEP_BYTES: Final = 4 << 20
"""Bytes of images that one step brings back, roughly: a quarter of what one entry may hold."""

TOLD: Final = 10
"""Documents that are named of each kind; all are counted."""

_DIGEST_BYTES: Final = 16


class _Touched(msgspec.Struct):
    """What some entries did to one document: the first write of it, and how it was left."""

    first: int
    write: int
    document: str
    table: int
    before: bytes | None
    after: bytes | None


class _Page(msgspec.Struct, frozen=True):
    """The documents that the next writes of the log touch, and how far that reaches."""

    touched: Sequence[_Touched]
    position: int
    within: int


class UndoSteps:
    """The steps of one undo, within one mutation. The document ``undo`` is kept by the caller."""

    def __init__(self, db: Writer, undo: Undo) -> None:
        self._db, self._undo = system_writer(db), undo
        self._transaction: Transaction = transaction_of(db)
        self._judge = Judge(self._transaction)
        self._found = {one.table: one for one in undo.found}
        self._names = self._transaction.catalogue.names
        self._entry: Entry | None = None

    def read(self) -> None:
        """Take in the next writes of the log; at the end the undo is planned.

        Raises:
            BelowHorizon: the log is not kept so far back.
        """
        undo = self._undo
        if undo.until is None:
            undo.until = self._asked_at()
        if undo.position < undo.until:
            page = _page(self._entries(undo.position, undo.until), undo, self._wanted())
            for touched in page.touched:
                self._mark(touched)
            undo.found = [self._found[name] for name in sorted(self._found)]
            undo.position, undo.within = page.position, page.within
        if undo.position == undo.until:
            undo.state = "planned"

    def restore(self) -> None:
        """Bring the next documents back; at the end the undo is done.

        Raises:
            BelowHorizon: as before.
        """
        size = 0
        for mark in self._next_marks():
            size += self._bring_back(mark)
            self._drop(mark)
            if size >= STEP_BYTES:
                break
        if not self._undo.marks:
            self._undo.state = "done"

    def forget(self) -> None:
        """Let go of the next marks; at the end the undo is canceled."""
        for mark in self._next_marks():
            self._drop(mark)
        if not self._undo.marks:
            self._undo.state = "canceled"

    # -- reading ----------------------------------------------------------------------------

    def _asked_at(self) -> int:
        """The timestamp of the commit that asked for the undo, which wrote its document.

        The snapshot in which that was made may have lagged behind what others had committed.
        """
        number, internal = decode_id(self._undo.id)
        table = self._transaction.catalogue.tables[self._names[number]]
        row = self._transaction.snapshot.get((table.by_id, internal))
        return row.ts if row is not None else self._undo.target

    def _wanted(self) -> frozenset[int]:
        tables = self._transaction.catalogue.tables
        return frozenset(tables[n].number for n in self._undo.tables if n in tables)

    def _mark(self, touched: _Touched) -> None:
        found = self._db.query(UndoMark.by_document.eq(touched.document)).unique()
        held = _digest(touched.after)
        if found is not None:
            if found.held != held:
                self._count(touched.table, found.was, found.held, -1)
                self._count(touched.table, found.was, held, 1)
                self._db.patch(found.id, held=held)
            return
        was = _digest(touched.before)
        self._db.insert(
            UndoMark(
                document=touched.document,
                first=touched.first,
                write=touched.write,
                was=was,
                held=held,
            )
        )
        self._undo.marks += 1
        self._count(touched.table, was, held, 1)
        self._look_at(touched)

    def _look_at(self, touched: _Touched) -> None:
        """See whether what was can come back."""
        if touched.before is None:
            return
        undo, name = self._undo, self._names[touched.table]
        misfit = self._judge.misfit(name, touched.document, touched.before)
        if misfit is not None:
            undo.misfits += 1
            _tell(undo.misfit_examples, misfit)
        dangling = self._judge.dangling(touched.document, touched.before)
        if dangling is not None:
            undo.dangling += 1
            _tell(undo.dangling_examples, dangling)

    def _count(self, table: int, was: str | None, held: str | None, by: int) -> None:
        if was == held:
            return
        name = self._names[table]
        one = self._found.setdefault(name, UndoneTable(table=name))
        if was is None:
            one.inserted += by
        elif held is None:
            one.deleted += by
        else:
            one.changed += by

    # -- restoring ----------------------------------------------------------------------------

    def _next_marks(self) -> Sequence[UndoMark]:
        """The next ones, in the order of the log: an entry is read once for all of its writes."""
        return self._db.query(UndoMark.by_first).take(self._undo.batch)

    def _drop(self, mark: UndoMark) -> None:
        self._db.delete(mark.id)
        self._undo.marks -= 1

    def _bring_back(self, mark: UndoMark) -> int:
        """Write what a document was, unless that must not be; return how large it is."""
        number, internal = decode_id(mark.document)
        name = self._names[number]
        table = self._transaction.catalogue.tables[name]
        was, now = self._image(mark), self._peek(table, internal)
        if now == was:
            return 0
        reason = self._in_the_way(mark, name, now, was)
        if reason is not None:
            self._undo.left += 1
            _tell(self._undo.left_examples, reason)
            return 0
        self._transaction.remember(table, internal, now)
        self._transaction.put(table, internal, was, counted=False)
        self._undo.restored += 1
        return len(now or b"") + len(was or b"")

    def _in_the_way(
        self, mark: UndoMark, table: str, now: bytes | None, was: bytes | None
    ) -> Misfitting | None:
        if _digest(now) != mark.held and not self._undo.overwrite:
            reason = "it was written by others since it was looked at"
            return Misfitting(document=mark.document, path="", reason=reason)
        return self._judge.misfit(table, mark.document, was) if was is not None else None

    def _peek(self, table: TableDefinition, internal: InternalId) -> bytes | None:
        """Read a document that may be left alone: then who writes it is not waited for.

        It joins the read set when it is written.
        """
        row = self._transaction.snapshot.get((table.by_id, internal))
        return row.image if row is not None else None

    def _image(self, mark: UndoMark) -> bytes | None:
        """What the document of a mark was."""
        if self._entry is None or self._entry.ts != mark.first:
            (self._entry,) = self._entries(mark.first - 1, mark.first)
        return self._entry.writes[mark.write].before

    def _entries(self, after: int, until: int) -> Sequence[Entry]:
        found = self._transaction.snapshot.page(after, until)
        if not found:
            raise BelowHorizon("the log was trimmed before the undo had read it")
        return found


def _page(entries: Sequence[Entry], undo: Undo, wanted: frozenset[int]) -> _Page:
    """What the next writes touch: ``batch`` documents at most, each once."""
    touched: dict[str, _Touched] = {}
    within = undo.within
    for entry in entries:
        for at, write in _from(entry, within):
            if write.table not in wanted:
                continue
            known = touched.get(write.document_id)
            if known is not None:
                known.after = write.after
            elif len(touched) == undo.batch:
                return _Page(tuple(touched.values()), entry.ts - 1, at)
            else:
                touched[write.document_id] = _touch(entry.ts, at, write)
        within = 0
    return _Page(tuple(touched.values()), entries[-1].ts, 0)


def _from(entry: Entry, within: int) -> Iterator[tuple[int, Write]]:
    return ((at, w) for at, w in enumerate(entry.writes) if at >= within)


def _touch(ts: int, at: int, write: Write) -> _Touched:
    return _Touched(ts, at, write.document_id, write.table, write.before, write.after)


def _digest(image: bytes | None) -> str | None:
    if image is None:
        return None
    return blake2b(image, digest_size=_DIGEST_BYTES).hexdigest()


def _tell(examples: list[Misfitting], one: Misfitting) -> None:
    if len(examples) < TOLD:
        examples.append(one)
