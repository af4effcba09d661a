"""The storage port: one log, and the rows derived from it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from chalicelib.engine.log import Entry, IndexKey, Row

PAGE_BYTES: Final = 4 << 20
"""Bytes of images with which a page of a scan is full, however many rows were asked for.

Documents have up to a MiB each, and whoever asks for a thousand may need ten of them.
"""

TAIL_BYTES: Final = 16 << 20
"""Bytes in memory of entries with which a reading of the log is full, roughly.

One entry may take twice as much alone, and a hundred of them more than a Lambda function has.
"""


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """Entries that follow a position. ``more``: the reading was full, and others may follow.

    Without ``more`` it met the head, or a gap.
    """

    entries: tuple[Entry, ...]
    more: bool = False


def full_tail(entries: Iterable[Entry], limit: int) -> Tail:
    """As many of ``entries`` as one reading holds; the others are not taken from there."""
    found, weight = list[Entry](), 0
    for entry in entries:
        found.append(entry)
        weight += entry.weight
        if len(found) >= limit or weight >= TAIL_BYTES:
            return Tail(tuple(found), more=True)
    return Tail(tuple(found))


class Interval(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The keys ``low <= key < high`` of one index. ``high`` None means: to the end.

    Where ``fields`` are named, they are all that is read of the documents there, by their wire
    names; else a document is read whole.
    """

    index: int
    low: bytes
    high: bytes | None
    fields: tuple[str, ...] = ()

    def holds(self, key: bytes) -> bool:
        """Tell whether ``key`` lies inside."""
        return self.low <= key and (self.high is None or key < self.high)

    def split(self, at: bytes) -> "tuple[Interval, Interval]":
        """The keys below ``at``, and the others."""
        return (
            Interval(self.index, self.low, at, self.fields),
            Interval(self.index, at, self.high, self.fields),
        )


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Some rows of a scan, and where the next page goes on (None: there is nothing more).

    In a forward scan the next page begins at ``resume``, in a reverse scan it ends before it.
    """

    rows: tuple[Row, ...]
    resume: bytes | None


class Marks(msgspec.Struct, frozen=True, array_like=True):
    """How far the rows are (``applied``), and where the kept log begins (``horizon``).

    Every entry at or below ``applied`` is in the rows; rows may be newer. Entries at or below
    ``horizon`` may have been trimmed: there, "no entry is there" means nothing.
    """

    applied: int
    horizon: int


class Persistence(Protocol):
    """One log of committed entries, and the rows derived from it.

    Implementations: ``adapters.dynamodb``, ``adapters.sqlite``, ``adapters.memory`` (the
    reference). All must pass ``tests/conformance/test_persistence.py``. All methods may be
    called from several threads at once. Every method reads what was last written (strongly
    consistent); none is a snapshot of more than one item unless it says so.
    """

    applies_at_once: bool
    """Whether ``append`` also writes the rows, so that the watermark is always the head."""

    def append(self, entry: Entry) -> Entry | None:
        """Put ``entry`` at ``entry.ts`` if that position is free, durably.

        The caller puts at the position after one that it knows to be taken. An
        implementation may apply the entry's rows in the same step.

        Returns:
            None if the position was free; else the entry that holds it. The caller compares
            transaction ids: an entry of its own means that an earlier, unanswered try
            succeeded.

        Raises:
            OutcomeUnknown: the put was not answered; it may have happened, or may yet.
            EntryTooLarge: the entry cannot be stored; nothing was written.
        """
        ...

    def tail(self, after: int, limit: int = 1000) -> Tail:
        """Read the entries that follow ``after``, in order and without a gap.

        The result ends at the first position that was not seen taken, even if later ones
        were: such a reading is torn. It may be shorter than the log; an empty one means that
        ``after`` was the head when it was read. It is full, and says so, with ``limit``
        entries or with :data:`TAIL_BYTES`; the entry that reaches that is the last one.

        Raises:
            BelowHorizon: entries after ``after`` may have been trimmed.
        """
        ...

    def marks(self) -> Marks:
        """Read the watermark and the horizon."""
        ...

    def apply(self, entries: Sequence[Entry]) -> None:
        """Write the rows of consecutive entries, each if its key's row is absent or older.

        Idempotent, and commutes with every other application. A deletion leaves a tombstone,
        so that a late application of an older entry cannot bring the row back.
        """
        ...

    def advance(self, expected: int, applied: int) -> bool:
        """Move the watermark from ``expected`` to ``applied``; False if it stood elsewhere.

        The caller has applied every entry in between.
        """
        ...

    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        """Read rows in key order, tombstones left out.

        Each row is current, the page as a whole is no snapshot. No row is shown, here or by
        :meth:`get`, before :meth:`tail` shows its entry: who finds nothing there after it has
        read takes what it read for whole. A page may hold fewer than
        ``limit`` rows, even none, and yet have a next one: so it does when what it holds has
        :data:`PAGE_BYTES`.
        """
        ...

    def get(self, index: int, key: bytes) -> Row | None:
        """Read one row; None if it is absent or a tombstone."""
        ...

    def get_all(self, keys: Sequence[IndexKey]) -> list[Row | None]:
        """Read rows, each as :meth:`get` does, in the order of ``keys``: asked for at once.

        They may be from different moments. A key may come twice.
        """
        ...

    def raise_horizon(self, horizon: int) -> None:
        """Declare that entries at or below ``horizon`` may be trimmed. Never lowers it.

        The caller leaves the log's last entry above it. Once this has returned, whoever
        asks for an entry that is trimmed is refused, and does not take it for a free place.
        """
        ...

    def trim(self, limit: int) -> int:
        """Remove entries at or below the horizon, oldest first; return how many.

        At most ``limit``; 0 means that nothing is left to be trimmed. What was staged for
        them goes too.
        """
        ...

    def forget(self, rows: Sequence[Row]) -> None:
        """Remove rows, tombstones among them, if they are still those of the given ts.

        No condition guards the place afterwards: the caller knows that nobody applies an
        entry any more that is older than what is removed.
        """
        ...

    def remove_index(self, index: int, limit: int) -> int:
        """Remove rows of an index that nobody keeps any more, tombstones too; return how many.

        At most ``limit``; 0 means that none is left.
        """
        ...

    def sweep(self, cursor: str, limit: int) -> str:
        """Look at up to ``limit`` staged parts, and remove those that nothing names.

        A part is removed when it was staged more than a day ago and no entry and no row
        can come to name it any more. Begin with an empty cursor; the answer is where to go
        on, empty at the end.
        """
        ...

    def notes(self) -> bytes:
        """Read what the housekeeper wrote last; empty if it has written nothing."""
        ...

    def keep_notes(self, notes: bytes) -> None:
        """Keep the housekeeper's notes, in the place of the ones before."""
        ...


@runtime_checkable
class Pipelined(Persistence, Protocol):
    """A log whose only writer is this process, and which commits in groups.

    Positions are given at once, so that the next entry need not wait for the one before to
    be durable. Answers come in order; an entry that fails takes those behind it along.
    """

    def submit(self, entry: Entry) -> Callable[[], Entry | None]:
        """Begin to append ``entry`` behind those under way; call the result for the answer.

        The answer, and its errors, are those of ``append``; it comes when it is durable.
        """
        ...

    def under_way(self) -> tuple[Entry, ...]:
        """The entries that have a position and are not durable yet, in order, none left out.

        One that is missing here was refused, or is in the tail that is read afterwards.
        """
        ...

    def settle(self, ts: int) -> None:
        """Return when the entry under way at ``ts`` is durable, or has failed."""
        ...
