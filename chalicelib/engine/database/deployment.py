"""Bringing the catalogue to a schema, and new indexes to the documents that are there."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import (
    CATALOGUE_ID,
    CATALOGUE_KEY,
    CATALOGUE_TABLE,
    Catalogue,
    TableDefinition,
    building,
    decode_catalogue,
    encode_catalogue,
    with_tables,
)
from chalicelib.engine.database.committer import Committer, Conflicted, Draft
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.log import Entry, Write
from chalicelib.engine.persistence import Interval, Persistence
from chalicelib.engine.ports import Clock, Ids

Schema = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Wire paths of the fields of each index of each table."""

BACKFILL_ROWS: Final = 256
"""Documents whose rows a backfill writes at a time."""

_TABLE: Final = TableDefinition(CATALOGUE_TABLE, CATALOGUE_KEY[0], {})


class Deployment:
    """Commits catalogues."""

    def __init__(
        self,
        persistence: Persistence,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._persistence, self._tail, self._committer = persistence, tail, committer
        self._clock, self._ids = clock, ids

    def deploy(self, schema: Schema, code_version: str) -> Catalogue:
        """Make ``schema`` and ``code_version`` the ones that are served.

        An index over documents that exist is building first: from that entry on everybody
        keeps it up to date, so that what its backfill then reads is all that is missing.
        Stopped in between, the next deployment goes on.
        """
        self._change(lambda held: with_tables(held, schema, code_version))
        while True:
            pending = list(building(self._read()[1]))
            if not pending:
                return self._read()[1]
            for table, index in pending:
                self._backfill(table, index)
                self._change(partial(_ready, table=table, index=index))

    def _read(self) -> tuple[Transaction, Catalogue]:
        transaction = Transaction(
            Snapshot(self._persistence, self._tail, self._tail.refresh()), Catalogue()
        )
        image = transaction.get(_TABLE, CATALOGUE_ID)
        return transaction, decode_catalogue(image) if image else Catalogue()

    def _change(self, change: Callable[[Catalogue], Catalogue]) -> None:
        while True:
            transaction, held = self._read()
            wanted = change(held)
            if wanted == held:
                return
            transaction.put(_TABLE, CATALOGUE_ID, encode_catalogue(wanted))
            draft = self._entry(transaction.writes())
            try:
                self._committer.commit(
                    transaction.snapshot.view, transaction.read_set, draft
                )
            except Conflicted:
                continue

    def _entry(self, writes: tuple[Write, ...]) -> Draft:
        return Draft(
            Entry(
                ts=0,
                transaction=self._ids.transaction_id(),
                wall_ms=int(self._clock.now_ms()),
                path="_system:deploy",
                subject=None,
                request=None,
                result=None,
                log_lines=(),
                writes=writes,
            )
        )

    def _backfill(self, table: str, index: str) -> None:
        """Write the rows of an index for every document, under each document's own ts.

        The rows go through the apply condition: whatever was committed since is newer and
        refuses them, deletions included.
        """
        _, catalogue = self._read()
        definition = catalogue.tables[table]
        one = TableDefinition(
            definition.number, definition.by_id, {index: definition.indexes[index]}
        )
        self._committer.catch_up()
        interval: Interval = Interval(definition.by_id, b"", None)
        while True:
            page = self._persistence.scan(interval, reverse=False, limit=BACKFILL_ROWS)
            entries = []
            for row in page.rows:
                if row.image is not None:
                    key = one.keys(row.id, row.image)[1]
                    write = Write(definition.number, row.id, None, row.image, (), (key,))
                    draft = self._entry((write,)).entry
                    entries.append(msgspec.structs.replace(draft, ts=row.ts))
            self._persistence.apply(entries)
            if page.resume is None:
                return
            interval = Interval(definition.by_id, page.resume, None)


def _ready(catalogue: Catalogue, *, table: str, index: str) -> Catalogue:
    held = catalogue.tables[table]
    done = msgspec.structs.replace(held.indexes[index], state="ready")
    changed = msgspec.structs.replace(held, indexes={**held.indexes, index: done})
    return msgspec.structs.replace(catalogue, tables={**catalogue.tables, table: changed})
