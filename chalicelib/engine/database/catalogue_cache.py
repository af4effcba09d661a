"""The catalogue as of a snapshot, without reading it every time."""

from threading import Lock

from chalicelib.engine.database.catalogue import (
    CATALOGUE_KEY,
    Catalogue,
    decode_catalogue,
)
from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.database.tail import LogTail

_EMPTY = Catalogue()
_INDEX = CATALOGUE_KEY[0]


class CatalogueCache:
    """The last catalogue read, and the timestamps between which it is known to hold."""

    def __init__(self, tail: LogTail) -> None:
        self._tail, self._lock = tail, Lock()
        self._held, self._from, self._until = _EMPTY, 0, -1

    def at(self, snapshot: Snapshot) -> Catalogue:
        """Return the catalogue at ``snapshot``.

        It is read without being pinned: every run has its key in the read set, so that a
        run with the wrong one is found out like any other torn read.
        """
        view = snapshot.view
        if view.settled < view.ts and view.overlay.get(CATALOGUE_KEY) is not None:
            # It may yet fail: of no use to others.
            return _read(snapshot)
        ts = view.settled
        with self._lock:
            if self._from <= ts <= self._until:
                return self._held
            until = self._until
        if 0 <= until < ts:
            entries = self._tail.since(until, ts)
            if entries is not None and not any(_INDEX in e.keys_by_index for e in entries):
                with self._lock:
                    if self._until == until:
                        self._until = ts
                    return self._held
        found = _read(snapshot)
        with self._lock:
            if ts > self._until:
                self._held, self._from, self._until = found, ts, ts
        return found


def _read(snapshot: Snapshot) -> Catalogue:
    row = snapshot.get(CATALOGUE_KEY)
    return decode_catalogue(row.image) if row is not None and row.image else _EMPTY
