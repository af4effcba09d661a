"""The catalogue and what is left to do for it, read and changed together."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import (
    CATALOGUE_ID,
    CATALOGUE_KEY,
    CATALOGUE_TABLE,
    Catalogue,
    TableDefinition,
    TableSpec,
    decode_catalogue,
    encode_catalogue,
    with_tables,
)
from chalicelib.engine.database.committer import Committer, Conflicted, Draft
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval, Persistence
from chalicelib.engine.ports import Clock, Ids
from chalicelib.engine.schema import BUILTIN_TABLES, SchemaTask, codec_of
from chalicelib.engine.values.ids import RANDOM_BYTES, encode_id, make_internal

CATALOGUE_DEFINITION: Final = TableDefinition(CATALOGUE_TABLE, CATALOGUE_KEY[0], {})
"""How the catalogue itself is stored."""

TASKS: Final = "_schema_tasks"
"""Name of the table of tasks."""

_US_PER_MS = 1000


class SchemaState(msgspec.Struct, frozen=True):
    """The catalogue, and by internal id the tasks of the last deployment, oldest first."""

    catalogue: Catalogue
    tasks: Mapping[bytes, SchemaTask]


class Reading(msgspec.Struct, frozen=True):
    """A state as it was read, and the transaction in which it may be changed."""

    transaction: Transaction
    state: SchemaState

    @property
    def ts(self) -> int:
        """The timestamp at which it was read."""
        return self.transaction.snapshot.ts


class SchemaStates:
    """Reads and commits states."""

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

    def read(self) -> Reading:
        """Read the state at the log's end."""
        snapshot = Snapshot(self._persistence, self._tail, self._tail.refresh())
        transaction = Transaction(snapshot, Catalogue())
        image = transaction.get(CATALOGUE_DEFINITION, CATALOGUE_ID)
        catalogue = decode_catalogue(image) if image else Catalogue()
        table = catalogue.tables.get(TASKS)
        tasks = _tasks(transaction, table) if table is not None else {}
        return Reading(transaction, SchemaState(catalogue, tasks))

    def commit(self, reading: Reading, wanted: SchemaState) -> bool:
        """Put ``wanted`` in the place of what was read; False if that was overtaken."""
        held, transaction = reading.state, reading.transaction
        if wanted == held:
            return True
        catalogue = with_task_table(wanted.catalogue)
        if catalogue != held.catalogue:
            transaction.put(CATALOGUE_DEFINITION, CATALOGUE_ID, encode_catalogue(catalogue))
        _put_tasks(transaction, catalogue.tables[TASKS], held.tasks, wanted.tasks)
        draft = Draft(
            Entry(
                ts=0,
                transaction=self._ids.transaction_id(),
                wall_ms=int(self._clock.now_ms()),
                path="_system:deploy",
                subject=None,
                request=None,
                result=None,
                log_lines=(),
                writes=transaction.writes(),
            )
        )
        try:
            self._committer.commit(transaction.snapshot.view, transaction.read_set, draft)
        except Conflicted:
            return False
        return True

    def change(self, change: Callable[[SchemaState], SchemaState]) -> SchemaState:
        """Commit ``change`` of whatever the state is; return what it then is."""
        while True:
            reading = self.read()
            wanted = change(reading.state)
            if self.commit(reading, wanted):
                return wanted

    def new_id(self) -> bytes:
        """The internal id of a new task."""
        us = int(self._clock.now_ms() * _US_PER_MS)
        return make_internal(us, self._ids.seed()[:RANDOM_BYTES])


def with_task_table(catalogue: Catalogue) -> Catalogue:
    """The catalogue with the table of tasks in it, which a first proposal needs already."""
    if TASKS in catalogue.tables:
        return catalogue
    schema = BUILTIN_TABLES[TASKS]
    spec = TableSpec(dict(schema.indexes), schema.stored())
    made = with_tables(catalogue, {TASKS: spec}, catalogue.code_version)
    return msgspec.structs.replace(made, proposal=catalogue.proposal)


def _tasks(transaction: Transaction, table: TableDefinition) -> dict[bytes, SchemaTask]:
    everything = Interval(table.by_id, b"", None)
    codec = codec_of(SchemaTask)
    found: dict[bytes, SchemaTask] = {}
    for row in transaction.rows(everything, reverse=False, limit=None):
        image = row.image or b""
        transaction.remember(table, row.id, image)
        found[row.id] = codec.decode(image, encode_id(table.number, row.id), 0)
    return found


def _put_tasks(
    transaction: Transaction,
    table: TableDefinition,
    held: Mapping[bytes, SchemaTask],
    wanted: Mapping[bytes, SchemaTask],
) -> None:
    for internal in held.keys() - wanted.keys():
        transaction.put(table, internal, None)
    for internal, task in wanted.items():
        if internal not in held:
            transaction.insert(table, internal, codec_of(SchemaTask).encode(task))
        elif task != held[internal]:
            transaction.put(table, internal, codec_of(SchemaTask).encode(task))
