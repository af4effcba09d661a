"""Rows that are read once for many runs: what a holder of the line keeps while it holds it."""

from collections.abc import Iterable
from typing import Final

from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.log import IndexKey, Row
from chalicelib.engine.persistence import Interval, Page, Persistence

MAX_ROWS: Final = 20_000
"""Rows that are kept; then all are forgotten, and read anew."""

_Scan = tuple[Interval, bool, int]


class HeldRows:
    """Reads of a store, each made once.

    A row that was read a while ago is right as long as all that was committed since then is
    laid over it. So the views that go with these rows begin where the watermark was before the
    first of them was read, however far it moves meanwhile.
    """

    def __init__(self, persistence: Persistence, tail: LogTail) -> None:
        self._persistence, self._tail = persistence, tail
        self._applied = tail.refresh().applied
        self._rows: dict[IndexKey, Row | None] = {}
        self._last: View | None = None
        self._pages: dict[_Scan, Page] = {}
        self._count = 0

    def view(self) -> View:
        """The newest view that is known, with all that was committed since the beginning."""
        newest = self._tail.view()
        entries = self._tail.since(self._applied, newest.ts)
        if entries is None or len(entries) < newest.ts - self._applied:
            self._forget(newest)
            return newest
        self._last = View(self._applied, newest.ts, entries, self._last)
        return self._last

    def expect_none(self, key: IndexKey, ts: int) -> None:
        """Take in that there was no row of a key at ``ts``, which saves reading it.

        Of use if these rows are older: what was committed since is laid over them.
        """
        if self._applied <= ts:
            self._rows.setdefault(key, None)

    def fetch(self, keys: Iterable[IndexKey]) -> None:
        """Read the rows of ``keys``, those that are not known, all at once."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if unknown:
            found = self._persistence.get_all(unknown)
            self._rows.update(zip(unknown, found, strict=True))
            self._count += len(unknown)

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row."""
        if (index, key) not in self._rows:
            self._rows[index, key] = self._persistence.get(index, key)
            self._count += 1
        return self._rows[index, key]

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order."""
        scan = interval, reverse, limit
        if scan not in self._pages:
            self._pages[scan] = page = self._persistence.scan(
                interval, reverse=reverse, limit=limit
            )
            self._count += len(page.rows)
        return self._pages[scan]

    def trim(self) -> None:
        """Forget everything if it has become much."""
        if self._count > MAX_ROWS:
            self._forget(self._tail.refresh())

    def _forget(self, view: View) -> None:
        self._rows.clear()
        self._pages.clear()
        self._count, self._applied, self._last = 0, view.applied, None
