"""The log as mutations may read it: what was committed, in order, each entry once.

An entry never changes, so that reading it is as deterministic as reading a row. Whoever follows
the log keeps a position in it, by a document of the engine's own: that is written in the same
transaction as what came of the entries, and housekeepers trim the log no further.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from chalicelib.engine.database.catalogue import FIRST_USER_NUMBER
from chalicelib.engine.database.catalogue_cache import CatalogueCache
from chalicelib.engine.database.documents import (
    Writer,
    system_writer,
    transaction_of,
)
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import BelowHorizon, InvalidId
from chalicelib.engine.log import Entry, Origin, Write
from chalicelib.engine.persistence import Interval, Persistence
from chalicelib.engine.schema import codec_of, table_name
from chalicelib.engine.schema.builtin import LogFollower
from chalicelib.engine.values import encoding
from chalicelib.engine.values.ids import decode_id, encode_id

Values = dict[str, Any]
"""A document as a value: its fields by their names on the wire, ``_id`` left out."""


class Change:
    """What one transaction did to one document."""

    def __init__(self, table: str, write: Write) -> None:
        self.table, self._write = table, write
        self.document: Final = write.document_id

    @cached_property
    def before(self) -> Values | None:
        """The document before; None if it was made."""
        return _values(self._write.before)

    @cached_property
    def after(self) -> Values | None:
        """The document afterwards; None if it was removed."""
        return _values(self._write.after)


class Committed(msgspec.Struct, frozen=True):
    """One committed transaction: when, by which function, for whom, from where, and what.

    ``subject`` is the token identifier of the user who called; None: nobody, or a job.
    """

    ts: int
    time_ms: int
    transaction: str
    path: str
    subject: str | None
    origin: Origin | None
    changes: tuple[Change, ...]


class History:
    """The log up to the snapshot of one mutation, as far as nothing there may yet fail."""

    def __init__(self, db: Writer) -> None:
        self._db, self._transaction = system_writer(db), transaction_of(db)

    def position(self, follower: str) -> int:
        """How far a follower has come; a new one begins with the oldest entry that is kept."""
        held = self._held(follower)
        return self._transaction.snapshot.horizon() if held is None else int(held.position)

    def after(self, position: int, limit: int) -> Sequence[Committed]:
        """Return the next entries after ``position``, ``limit`` at most.

        Raises:
            BelowHorizon: they are not kept any more, which does not happen to a follower.
        """
        snapshot = self._transaction.snapshot
        last = min(position + limit, snapshot.view.settled)
        entries = snapshot.between(position, last) if position < last else ()
        if entries is None:
            raise BelowHorizon("the log is not kept so far back")
        return [self._committed(entry) for entry in entries]

    def move(self, follower: str, position: int) -> None:
        """Note that a follower has dealt with everything up to ``position``."""
        held = self._held(follower)
        if held is None:
            self._db.insert(LogFollower(name=follower, position=position))
        elif position != held.position:
            self._db.patch(held.id, position=position)

    def leave(self, follower: str) -> None:
        """Follow no longer: the log may be trimmed."""
        held = self._held(follower)
        if held is not None:
            self._db.delete(held.id)

    def document(self, document_id: str) -> tuple[str, Values] | None:
        """Return the name of a document's table, and the document as it is now, if it is."""
        try:
            number, internal = decode_id(document_id)
        except InvalidId:
            return None
        catalogue = self._transaction.catalogue
        table = catalogue.tables.get(catalogue.names.get(number, ""))
        image = self._transaction.get(table, internal) if table is not None else None
        found = _values(image)
        return None if found is None else (catalogue.names[number], found)

    def _held(self, follower: str) -> LogFollower | None:
        return self._db.query(LogFollower.by_name.eq(follower)).unique()

    def _committed(self, entry: Entry) -> Committed:
        names = self._transaction.catalogue.names
        return Committed(
            ts=entry.ts,
            time_ms=entry.wall_ms,
            transaction=entry.transaction,
            path=entry.path,
            subject=entry.subject,
            origin=entry.origin,
            changes=tuple(
                Change(names.get(write.table, f"_dropped_{write.table}"), write)
                for write in entry.writes
                if write.table >= FIRST_USER_NUMBER
            ),
        )


def followed_up_to(persistence: Persistence, tail: LogTail) -> int | None:
    """The position of the follower that is furthest behind; None if nobody follows."""
    snapshot = Snapshot(persistence, tail, tail.refresh())
    catalogue = CatalogueCache(tail).at(snapshot)
    table = catalogue.tables.get(table_name(LogFollower))
    if table is None:
        return None
    transaction = Transaction(snapshot, catalogue)
    everybody = Interval(table.by_id, b"", None)
    codec = codec_of(LogFollower)
    positions = (
        codec.decode(row.image or b"", encode_id(table.number, row.id), 0).position
        for row in transaction.rows(everybody, reverse=False, limit=None)
    )
    return min(map(int, positions), default=None)


def _values(image: bytes | None) -> Values | None:
    if image is None:
        return None
    found: Any = encoding.decode(image)
    return found  # type: ignore[no-any-return]  # an image is an object
