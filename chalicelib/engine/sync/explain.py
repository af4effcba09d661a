"""Answers questions about live queries: why they ran, what a write would wake."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from chalicelib.engine.database.catalogue import CATALOGUE_KEY, Catalogue, TableDefinition
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.transaction import Transaction
from chalicelib.engine.errors import InvalidId, NotFound
from chalicelib.engine.functions.live import Answer, WouldBe
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.log import Entry, Write, members_of
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Clock, SessionStore, SubscriptionIndex
from chalicelib.engine.sync.reruns import Cause, Rerun, Reruns
from chalicelib.engine.sync.states import session_of
from chalicelib.engine.values.encoding import encode, restore
from chalicelib.engine.values.ids import RANDOM_BYTES, decode_id, make_internal

_US_PER_MS: Final = 1000
_CHANGED: Final = b'{"_id":null}'
"""Stands for a change nobody knows of which fields: whoever reads any has read this one."""


class Explainer:
    """The engine's answer to ``functions.live.Live``."""

    def __init__(
        self,
        runner: Runner,
        tail: LogTail,
        *,
        index: SubscriptionIndex,
        sessions: SessionStore,
        reruns: Reruns,
        clock: Clock,
        counted: Callable[[], Mapping[str, float]],
    ) -> None:
        self._runner, self._tail, self._clock = runner, tail, clock
        self._index, self._sessions, self._reruns = index, sessions, reruns
        self._counted = counted

    def statistics(self) -> Answer:
        """What this process has counted since it began."""
        return {name: float(number) for name, number in self._counted().items()}

    def reruns(self, path: str | None, limit: int) -> list[Answer]:
        """The newest re-runs of this process, the newest first, with their causes."""
        catalogue = self._runner.catalogue(known=True)
        found = self._reruns.newest(path, limit)
        return [self._rerun(rerun, catalogue) for rerun in found]

    def watchers(self, write: WouldBe, limit: int) -> Answer:
        """The subscriptions that a write would wake.

        The index of subscriptions names the connections; which of their queries it is, their
        read sets tell. A session that is being moved just now is shown as it was before.
        """
        transaction = self._runner.look()
        entry = _entry(self._would_be(transaction, write))
        found = self._watchers(entry, transaction.catalogue)
        shown = list(islice(found, limit))
        return {"watchers": shown, "isComplete": next(found, None) is None}

    def _watchers(self, entry: Entry, catalogue: Catalogue) -> Iterator[Answer]:
        for connection in sorted(self._index.match(set(entry.touched()))):
            session = session_of(self._sessions.state(connection))
            for i, query in session.queries.items():
                touch = ReadSet(query.reads).touch_of(entry)
                if touch is not None:
                    yield {
                        "connection": connection,
                        "session": session.id,
                        "queryId": float(i),
                        "path": query.path,
                        "args": _arguments(query.arguments),
                        **_where(touch[0], catalogue),
                    }

    def _would_be(self, transaction: Transaction, write: WouldBe) -> Write:
        if write.document is not None:
            table, internal = _located(transaction, write.document)
            before = transaction.get(table, internal)
        else:
            table = _table(transaction.catalogue, write.table or "")
            created_us = int(self._clock.now_ms() * _US_PER_MS)
            internal, before = make_internal(created_us, bytes(RANDOM_BYTES)), b"{}"
        if before is None:
            raise NotFound(f"there is no document {write.document}")
        fields = {n: v for n, v in (write.fields or {}).items() if not n.startswith("_")}
        held: Any = restore(before)
        after = encode({**held, **fields})
        old = table.keys(internal, before) if write.document is not None else ()
        new = () if write.deleted else table.keys(internal, after)
        # Encoded alike: a field counts as changed if it is given, and differs.
        images = (b"{}", _CHANGED) if write.fields is None else (encode(held), after)
        return Write(table.number, internal, *images, old, new)

    def _rerun(self, rerun: Rerun, catalogue: Catalogue) -> Answer:
        return {
            "at": rerun.wall_ms,
            "path": rerun.path,
            "args": _arguments(rerun.arguments),
            "connection": rerun.connection,
            "session": rerun.session,
            "queryId": float(rerun.query_id),
            "ts": str(rerun.ts),
            "shared": rerun.shared,
            "sent": rerun.sent,
            "cause": self._cause(rerun.cause, catalogue),
        }

    def _cause(self, cause: Cause, catalogue: Catalogue) -> Answer:
        if cause.interval is None:
            return {"why": cause.why}
        is_code = (cause.interval.index, cause.key) == CATALOGUE_KEY
        return {
            "why": "code version" if is_code else cause.why,
            "ts": str(cause.ts),
            "function": cause.path,
            "document": self._document(cause),
            **_where(cause.interval, catalogue),
            "key": cause.key.hex(),
        }

    def _document(self, cause: Cause) -> str | None:
        """The document that was written there, if the log still has the commit."""
        if cause.interval is None or cause.ts > self._tail.view().ts:
            return None
        index = max(cause.interval.index, members_of(cause.interval.index))
        for entry in self._tail.since(cause.ts - 1, cause.ts) or ():
            for write in entry.writes:
                if (index, cause.key) in (*write.removed, *write.added):
                    return write.document_id
        return None


def _arguments(raw: bytes) -> Any:
    """Arguments as a function has them; on the wire they are the one item of an array."""
    found: Any = restore(raw)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def _where(interval: Interval, catalogue: Catalogue) -> dict[str, Any]:
    """Name an interval: its table and index, its ends in hexadecimal digits."""
    only_keys = interval.index < 0
    index = members_of(interval.index) if only_keys else interval.index
    table, name = _names(catalogue).get(index, (None, None))
    return {
        "table": table,
        "index": name,
        "from": interval.low.hex(),
        "to": None if interval.high is None else interval.high.hex(),
        "keysOnly": only_keys,
        "fields": list(interval.fields) or None,
    }


def _names(catalogue: Catalogue) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for name, table in catalogue.tables.items():
        found[table.by_id] = name, "by_id"
        found.update({i.id: (name, n) for n, i in table.indexes.items()})
    return found


def _entry(write: Write) -> Entry:
    return Entry(0, "", 0, "", None, None, None, (), (write,))


def _table(catalogue: Catalogue, name: str) -> TableDefinition:
    table = catalogue.tables.get(name)
    if table is None:
        raise NotFound(f"there is no table {name!r}: give the id of a document, or a table")
    return table


def _located(transaction: Transaction, document: str) -> tuple[TableDefinition, bytes]:
    try:
        number, internal = decode_id(document)
    except InvalidId as wrong:
        raise NotFound(str(wrong)) from None
    name = transaction.catalogue.names.get(number, "")
    return _table(transaction.catalogue, name), internal
