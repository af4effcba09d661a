"""How many documents an interval of an index holds, without reading them.

A count is kept as a row with the timestamp at which it was exact. The log says by how much each
later entry changed it, so that whoever asks again reads one row and the entries since then. The
row is a memory, never the truth: a count that is missing, or older than the kept log, is made
anew by walking the keys once.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from chalicelib.engine.database.snapshot import Snapshot
from chalicelib.engine.errors import StorageUnavailable, TransactionLimit
from chalicelib.engine.log import Entry, IndexKey, Write
from chalicelib.engine.persistence import Interval, Persistence

COUNTS_INDEX: Final = 8
"""Id of the index that holds counts; the engine's own."""

MAX_KEYS_WALKED: Final = 250_000
"""Most keys that are walked to count an interval for the first time: a few seconds.

A reason, not a source: a function may take 15 seconds. Later counts do not depend on it.
"""

RENEWED_AFTER_ENTRIES: Final = 100
"""Entries since a count was kept from which it is kept anew: each reader goes through them."""


class Count(msgspec.Struct, frozen=True, array_like=True):
    """That ``interval`` held ``number`` documents at ``ts``."""

    interval: Interval
    ts: int
    number: int


class Counted(msgspec.Struct, frozen=True):
    """A count at a snapshot; ``keep`` tells that it is worth keeping, if the reads hold."""

    count: Count
    keep: bool


class Change(Protocol):
    """The rows that a write removes and adds."""

    @property
    def removed(self) -> tuple[IndexKey, ...]:
        """Rows that there were before."""
        ...

    @property
    def added(self) -> tuple[IndexKey, ...]:
        """Rows that there are afterwards."""
        ...


def count_at(interval: Interval, snapshot: Snapshot) -> Counted:
    """Count the rows of ``interval`` at ``snapshot``.

    Raises:
        TransactionLimit: it was never counted, and holds too many keys to walk.
    """
    row = snapshot.remembered(_place(interval))
    if row is not None and row.image is not None:
        held = msgspec.msgpack.decode(row.image, type=Count)
        moved = _moved(held, snapshot)
        if moved is not None:
            return moved
    number = sum(1 for _ in _keys(interval, snapshot))
    return Counted(Count(interval, snapshot.ts, number), keep=True)


def change_by(writes: Iterable[Change], interval: Interval) -> int:
    """By how much ``writes`` change the number of rows in ``interval``."""
    return sum(_inside(w.added, interval) - _inside(w.removed, interval) for w in writes)


def keep_counts(counts: Sequence[Count], persistence: Persistence) -> None:
    """Remember counts that were found exact. What cannot be written now is counted again."""
    with suppress(StorageUnavailable):
        persistence.apply([_entry(count) for count in counts])


def _moved(held: Count, snapshot: Snapshot) -> Counted | None:
    """The count at the snapshot, by what was committed in between; None if nobody knows."""
    ts = snapshot.ts
    entries = snapshot.between(*sorted((held.ts, ts)))
    if entries is None:
        return None
    by = change_by((write for entry in entries for write in entry.writes), held.interval)
    number = held.number + by if held.ts <= ts else held.number - by
    old = ts - held.ts > RENEWED_AFTER_ENTRIES
    return Counted(Count(held.interval, ts, number), keep=old)


def _keys(interval: Interval, snapshot: Snapshot) -> Iterable[bytes]:
    walked = 0
    for piece in snapshot.slices(interval, reverse=False, limit=None):
        walked += len(piece.rows)
        if walked > MAX_KEYS_WALKED:
            raise TransactionLimit(
                "TooManyKeysCounted",
                f"More than {MAX_KEYS_WALKED} documents would have to be counted for the first"
                " time: count narrower ranges, or keep the number in a document.",
            )
        yield from (row.key for row in piece.rows)


def _inside(keys: Iterable[IndexKey], interval: Interval) -> int:
    return sum(1 for index, key in keys if index == interval.index and interval.holds(key))


def _place(interval: Interval) -> IndexKey:
    place = interval.index, interval.low, interval.high
    digest = blake2b(msgspec.msgpack.encode(place), digest_size=16).digest()
    return COUNTS_INDEX, digest


def _entry(count: Count) -> Entry:
    """An entry that is in no log: its row goes through the condition of every row."""
    image = msgspec.msgpack.encode(count)
    write = Write(0, b"", None, image, (), (_place(count.interval),))
    return Entry(count.ts, "", 0, "_system:count", None, None, None, (), (write,))
