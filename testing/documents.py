"""The database of a test, read and written past functions and row policies."""

from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.engine.database.access import Access
from chalicelib.engine.database.catalogue_cache import CatalogueCache
from chalicelib.engine.database.committer import Committer, Draft
from chalicelib.engine.database.documents import Writer
from chalicelib.engine.database.pages import Pages
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.functions.determinism import Determinism
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, CursorSeal, Ids


@contextmanager
def transaction(
    persistence: Persistence,
    registry: Registry,
    clock: Clock,
    ids: Ids,
    cursors: CursorSeal,
) -> Iterator[Writer]:
    """Give a writer that no row policy binds; commit what it wrote when the block ends.

    Nothing is written if it ends by an error.

    Raises:
        Conflicted: Somebody else changed what was read.
    """
    tail = LogTail(persistence, clock)
    view = tail.refresh()
    snapshot = Snapshot(persistence, tail, view)
    held = Transaction(snapshot, CatalogueCache(tail).at(snapshot))
    made = Determinism(clock.now_ms(), ids.seed())
    yield Writer(Access(held, registry.tables, made.new_internal, Pages(cursors, None)))
    writes = held.writes()
    if writes:
        entry = Entry(
            ts=0,
            transaction=ids.transaction_id(),
            wall_ms=int(clock.now_ms()),
            path="test",
            subject=None,
            request=None,
            result=None,
            log_lines=(),
            writes=writes,
        )
        Committer(persistence, tail, clock).commit(view, held.read_set, Draft(entry))
