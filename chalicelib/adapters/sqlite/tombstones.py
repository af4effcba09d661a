"""Tombstones: kept until no late applier can need them, then dropped."""

import sqlite3
from typing import Final

KEPT_S: Final = 3600.0
"""How long a tombstone is kept at least, in seconds.

It is there for appliers of older entries, which work for 15 minutes at most (docs/design.md 3). A
tombstone that is not needed is only in the way of scans.
"""

REAPED_AT_ONCE: Final = 2000
"""Most tombstones that one transaction drops: commits wait for it."""

_DROP: Final = """
DELETE FROM rows WHERE (idx, key) IN (
    SELECT idx, key FROM rows WHERE image IS NULL AND ts <= ? LIMIT ?
)
"""


class Tombstones:
    """Knows up to which timestamp tombstones are old enough."""

    def __init__(self, now_s: float, head: int) -> None:
        """Begin with what was written by an earlier process: none of its appliers is left."""
        self._ripe = head
        self._noted_s, self._noted = now_s, head
        self._left = True

    def ripe(self, now_s: float, head: int) -> int | None:
        """Return up to where tombstones may be dropped; None while there are none such.

        ``head`` is the end of the log at ``now_s`` seconds of a clock that never goes back.
        """
        if now_s - self._noted_s > KEPT_S:
            self._left = self._left or self._noted > self._ripe
            self._ripe = self._noted
            self._noted_s, self._noted = now_s, head
        return self._ripe if self._left else None

    def drop(self, connection: sqlite3.Connection, until: int) -> None:
        """Drop some tombstones up to ``until``, inside a transaction."""
        dropped = connection.execute(_DROP, (until, REAPED_AT_ONCE)).rowcount
        self._left = dropped == REAPED_AT_ONCE
