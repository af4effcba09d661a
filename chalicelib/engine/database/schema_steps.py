"""The steps of a deployment's tasks: a page of documents at a time, each page committed."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from chalicelib.engine.database.catalogue import IndexDefinition, TableDefinition, row_key
from chalicelib.engine.database.committer import MAX_APPLY_MS, Committer
from chalicelib.engine.database.schema_state import SchemaState
from chalicelib.engine.errors import InvalidId
from chalicelib.engine.log import Entry, Row, Write
from chalicelib.engine.persistence import Interval, Page, Persistence
from chalicelib.engine.ports import Clock
from chalicelib.engine.schema import Misfitting, SchemaTask
from chalicelib.engine.schema.stored import Shape, misfit, shape_of
from chalicelib.engine.values.encoding import decode
from chalicelib.engine.values.ids import (
    INTERNAL_ID_BYTES,
    creation_us,
    decode_id,
    encode_id,
)
from chalicelib.engine.values.types import TableOf

BACKFILL_ROWS: Final = 256
"""Documents that one step reads, and rows that it writes or removes."""

TOLD_MISFITS: Final = 10
"""Documents that a refusal names; all are counted."""

State = Literal["open", "done", "refused"]


class Steps:
    """Does one step of a task, outside of the log; what it changed of the task is returned."""

    def __init__(
        self, persistence: Persistence, committer: Committer, clock: Clock
    ) -> None:
        self._persistence, self._committer, self._clock = persistence, committer, clock

    def step(self, task: SchemaTask, state: SchemaState, ts: int) -> SchemaTask | None:
        """Go on with ``task`` as of ``state``, which was read at ``ts``.

        Rows hold what was committed before the task was, once the watermark has passed it:
        what comes later keeps the index, and the schema, by itself.

        Returns:
            The task as it is to be committed; None if nothing could be done now.
        """
        began_ms = self._clock.now_ms()
        if self._committer.catch_up() < ts:
            return None
        if task.kind == "drop":
            return self._remove(task)
        table = state.catalogue.tables[task.table]
        last = task.last if task.last is not None else self._last_key(table)
        page = self._persistence.scan(
            Interval(table.by_id, task.cursor, last + b"\x00"),
            reverse=False,
            limit=BACKFILL_ROWS,
        )
        if task.kind == "check":
            task = self._checked(task, table, page, state)
        else:
            if self._clock.now_ms() - began_ms > MAX_APPLY_MS:
                return None  # as for any applier: what it read may be too old to be written
            self._fill(table, table.indexes[task.index or ""], page)
        return self._moved(task, page, last)

    def _last_key(self, table: TableDefinition) -> bytes:
        interval = Interval(table.by_id, b"", None)
        while True:
            page = self._persistence.scan(interval, reverse=True, limit=1)
            if page.rows or page.resume is None:
                return page.rows[0].key if page.rows else b""
            interval = Interval(table.by_id, b"", page.resume)

    def _moved(self, task: SchemaTask, page: Page, last: bytes) -> SchemaTask:
        done = task.done + len(page.rows)
        first = task.first or (page.rows[0].key if page.rows else None)
        end = page.resume is None
        return msgspec.structs.replace(
            task,
            done=done,
            about=done if end else _about(first, page.resume or b"", last, done),
            first=first,
            cursor=page.resume or task.cursor,
            last=last,
            state="done" if end else "open",
            updated_ms=self._clock.now_ms(),
        )

    def _fill(self, table: TableDefinition, index: IndexDefinition, page: Page) -> None:
        """Write the rows of an index for some documents, each under its document's own ts.

        They go through the apply condition: whatever was committed since is newer and
        refuses them, deletions included.
        """
        self._persistence.apply([_carrier(table, index, row) for row in page.rows])

    def _checked(
        self, task: SchemaTask, table: TableDefinition, page: Page, state: SchemaState
    ) -> SchemaTask:
        proposal = state.catalogue.proposal
        if proposal is None:
            return task
        shape = shape_of(proposal.tables[task.table].validator)
        found = list(_misfitting(shape, table, page, _tables_of(state)))
        return msgspec.structs.replace(
            task,
            misfits=task.misfits + len(found),
            examples=[*task.examples, *found][:TOLD_MISFITS],
        )

    def _remove(self, task: SchemaTask) -> SchemaTask:
        removed = self._persistence.remove_index(task.number, BACKFILL_ROWS)
        return msgspec.structs.replace(
            task,
            done=task.done + removed,
            state="open" if removed else "done",
            updated_ms=self._clock.now_ms(),
        )


def _carrier(table: TableDefinition, index: IndexDefinition, row: Row) -> Entry:
    """An entry that is never committed: it carries one row to the appliers' condition."""
    image = row.image or b""
    key = index.id, row_key(index, row.id, decode(image))  # type: ignore[arg-type]  # documents are objects
    write = Write(table.number, row.id, None, row.image, (), (key,))
    return Entry(row.ts, "", 0, "", None, None, None, (), (write,))


def _misfitting(
    shape: Shape, table: TableDefinition, page: Page, table_of: TableOf
) -> Iterator[Misfitting]:
    for row in page.rows:
        found = misfit(shape, decode(row.image or b""), table_of)
        if found is not None:
            document = encode_id(table.number, row.id)
            yield Misfitting(document=document, path=found.path, reason=found.reason)


def _tables_of(state: SchemaState) -> TableOf:
    names = state.catalogue.names

    def find(text: str) -> str | None:
        try:
            return names.get(decode_id(text)[0])
        except InvalidId:
            return None

    return find


def _about(first: bytes | None, cursor: bytes, last: bytes, done: int) -> int | None:
    """Guess how many documents there are, as if they had been created at an even pace."""
    if first is None:
        return None
    began, now, end = map(_created_us, (first, cursor, last))
    return max(done, done * (end - began) // (now - began)) if now > began else None


def _created_us(key: bytes) -> int:
    """When the document at a key of ``by_id`` was created; the key may be cut or longer."""
    return creation_us(key.ljust(INTERNAL_ID_BYTES, b"\x00"))
