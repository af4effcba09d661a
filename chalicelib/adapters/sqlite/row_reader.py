"""Rows: out of memory if they were read before, or else out of the file."""

import sqlite3
from contextlib import closing
from typing import Final

from chalicelib.adapters.sqlite.files import Readers
from chalicelib.adapters.sqlite.row_cache import BEYOND, Unknown
from chalicelib.adapters.sqlite.writer import Writer
from chalicelib.engine.log import REQUESTS_INDEX, Row, session_part
from chalicelib.engine.persistence import PAGE_BYTES, Interval, Page

_SHOWN: Final = "SELECT applied FROM marks"
_SCAN: Final = (
    "SELECT key, ts, id, image, (SELECT applied FROM marks) FROM rows"
    " WHERE idx = ? AND key >= ?"
)
_GET: Final = (
    "SELECT ts, id, image, (SELECT applied FROM marks) FROM rows"
    " WHERE idx = ? AND key = ? AND image IS NOT NULL"
)
_LAST: Final = (
    "SELECT max(key), (SELECT applied FROM marks) FROM rows"
    " WHERE idx = ? AND key >= ? AND key < ?"
)


class RowReader:
    """Reads rows, none before the head of the log shows its entry: see :class:`Writer`."""

    def __init__(self, writer: Writer, readers: Readers) -> None:
        self._writer, self._readers = writer, readers

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order: from memory, if they were read before."""
        cache = self._writer.cache
        page = cache.page(interval, reverse=reverse, limit=limit)
        if page is None:
            writes = cache.writes
            page = self._scan_file(interval, reverse=reverse, limit=limit)
            cache.keep_page(interval, page, reverse=reverse, limit=limit, writes=writes)
        self._writer.await_head(self._writer.in_cache)
        return page

    def _scan_file(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        query, values = _SCAN, [interval.index, interval.low]
        if interval.high is not None:
            query += " AND key < ?"
            values.append(interval.high)
        query += (
            f" AND image IS NOT NULL ORDER BY key {'DESC' if reverse else 'ASC'} LIMIT ?"
        )
        rows: list[Row] = []
        left, resume, shown = PAGE_BYTES, None, None
        with self._readers.borrow() as connection:
            with closing(connection.execute(query, (*values, limit + 1))) as found:
                for key, ts, document, image, applied in found:
                    shown = applied
                    if left <= 0 or len(rows) == limit:
                        resume = rows[-1].key if reverse else key
                        break
                    left -= len(image)
                    rows.append(Row(interval.index, key, ts, document, image))
            self._await_head(connection, shown)
        return Page(tuple(rows), resume)

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row: from memory, if it was read before."""
        cache = self._writer.cache
        row = cache.row(index, key)
        if isinstance(row, Unknown):
            if index == REQUESTS_INDEX and self._is_new(key):
                row = None
            else:
                writes = cache.writes
                row = self._get_of_file(index, key)
                cache.keep_row(index, key, row, writes)
        self._writer.await_head(self._writer.in_cache)
        return row

    def _get_of_file(self, index: int, key: bytes) -> Row | None:
        with self._readers.borrow() as connection:
            found = connection.execute(_GET, (index, key)).fetchone()
            self._await_head(connection, found and found[-1])
        return None if found is None else Row(index, key, *found[:-1])

    def _is_new(self, key: bytes) -> bool:
        """Tell whether a request is later than all that its session was answered."""
        session = session_part(key)
        if session is None:
            return False
        cache = self._writer.cache
        last = cache.last_answered(session)
        if last is None:
            writes = cache.writes
            with self._readers.borrow() as connection:
                values = REQUESTS_INDEX, session, session + BEYOND
                found, shown = connection.execute(_LAST, values).fetchone()
                self._await_head(connection, shown)
            last = found or b""
            cache.keep_last_answered(session, last, writes)
        return key > last

    def _await_head(self, connection: sqlite3.Connection, shown: int | None) -> None:
        """Wait until the head shows all that the file has shown; see :class:`Writer`.

        ``shown`` is the watermark as the reading itself has found it, if it has found any row.
        Before the page is kept in memory: others would take it for older than it is.
        """
        writer = self._writer
        if writer.committing > writer.head:
            if shown is None:
                shown = connection.execute(_SHOWN).fetchone()[0]
            writer.await_head(shown)
