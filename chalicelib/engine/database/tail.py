"""What this process knows of the log's end, and the views that transactions start from."""

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Final

from chalicelib.engine.database.overlay import Overlay
from chalicelib.engine.database.written import Stretch, Written
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock

PAGE_ENTRIES: Final = 1000
"""Entries asked for in one reading of the tail."""

KEPT_ENTRIES: Final = 20_000
"""Entries kept in memory below the watermark, for sessions and cached results that lag."""

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Memory that those entries may take, roughly, in bytes.

What :class:`Written` adds for whoever lags behind comes on top: some 330 bytes for an entry of one
write with three rows, of which the weight says 1,500.
"""

LONG_TAIL_ENTRIES: Final = 200
"""Length of the unapplied tail from which the watermark is read again."""

STALE_HEAD_MS: Final = 15 * 60 * 1000.0
"""Age of the last reading of the head after which no transaction may trust it.

Below the horizon "no entry is there" means nothing, and the horizon is at least 24 hours old
(docs/design.md 2): a process that slept longer than that would commit into the past.
"""


class View:
    """The log as far as ``ts``: rows hold what is up to ``applied``, ``entries`` the rest.

    Up to ``settled`` it is durable. Only a mutation reads what may yet fail: see ``ahead``.
    ``before`` is a view of the same log that ended earlier: what it has laid over the rows
    need not be laid anew.
    """

    def __init__(
        self,
        applied: int,
        ts: int,
        entries: Sequence[Entry],
        before: "View | None" = None,
    ) -> None:
        self.applied, self.ts, self.entries = applied, ts, entries
        self.settled = ts
        self._before = before.laid() if before is not None else None

    @cached_property
    def overlay(self) -> Overlay:
        """The rows of the entries that may not have been applied."""
        before, self._before = self._before, None
        known = before.ts - self.applied if before is not None else 0
        # Of the same beginning, or rows that are applied by now would stay for ever.
        if before is None or before.applied != self.applied or known > len(self.entries):
            return Overlay().with_entries(self.entries)
        return before.overlay.with_entries(self.entries[known:])

    def laid(self) -> "View | None":
        """The newest view whose overlay is known: this one, or one before it."""
        return self if "overlay" in self.__dict__ else self._before


class LogTail:
    """The end of the log as last read; shared by all transactions of a process."""

    def __init__(self, persistence: Persistence, clock: Clock) -> None:
        self._persistence, self._clock = persistence, clock
        self._lock = Lock()
        self._known = Written(0)
        self._weight = 0
        self._applied = 0
        self._read_ms = float("-inf")
        self._view: View | None = None
        self._last: View | None = None

    def view(self) -> View:
        """Return the newest view that needs no reading, unless nothing recent is known."""
        if self.is_stale():
            return self.refresh()
        with self._lock:
            return self._current()

    def glance(self) -> View:
        """A view for whoever reads the log's end afterwards, and may find itself overtaken.

        Where nothing is known it ends where the rows do, which only the marks must be read for.
        No put may rely on it: what follows may have been trimmed (docs/hazards.md A3).
        """
        if self._known.base == 0:
            self._restart()
        elif self.is_stale():
            return self.refresh()
        with self._lock:
            return self._current()

    def is_stale(self) -> bool:
        """Tell whether the head was last read so long ago that no put may rely on it."""
        return self._clock.now_ms() - self._read_ms > STALE_HEAD_MS

    def refresh(self) -> View:
        """Read the log to its end and return that view."""
        if self._known.base == 0:
            self._restart()
        while True:
            known_view, read_ms = self._view, self._clock.now_ms()
            head = self._end() if known_view is None else known_view.ts
            try:
                found = self._persistence.tail(head, PAGE_ENTRIES)
            except BelowHorizon:
                self._restart()
                continue
            if not found.entries and known_view is not None:
                self._read_ms = read_ms
                if len(known_view.entries) <= LONG_TAIL_ENTRIES:
                    return known_view
            with self._lock:
                self._extend(head, found.entries)
                if found.more:
                    continue
                self._read_ms = read_ms
                view = self._current()
            long = len(view.entries) > LONG_TAIL_ENTRIES
            return self._shortened() if long else view

    def committed(self, entry: Entry) -> None:
        """Take in an entry that this process itself has put at the end."""
        with self._lock:
            self._extend(entry.ts - 1, (entry,))

    def since(self, ts: int, until: int) -> Sequence[Entry] | None:
        """The entries of ``(ts, until]``; None if they are no longer kept.

        ``until`` is the timestamp of a view.
        """
        with self._lock:
            if ts >= self._known.base:
                return self._known.between(ts, until)
        found: list[Entry] = []
        while ts < until:
            page = self.page(ts, until)
            if not page:
                return None
            found += page
            ts = page[-1].ts
        return found

    def stretch(self, ts: int, until: int) -> Stretch | None:
        """The same entries, for whoever asks which of them touched what; None as above.

        However many there are, few of those that are kept are looked at.
        """
        with self._lock:
            if ts >= self._known.base:
                return self._known.stretch(ts, until)
        entries = self.since(ts, until)
        return None if entries is None else Stretch(entries)

    def page(self, ts: int, until: int) -> Sequence[Entry] | None:
        """The first entries of ``(ts, until]``, as many as one reading holds; None as above."""
        limit = min(PAGE_ENTRIES, until - ts)
        with self._lock:
            if ts >= self._known.base:
                return self._known.between(ts, ts + limit)
        try:
            return self._persistence.tail(ts, limit).entries
        except BelowHorizon:
            return None

    def horizon(self) -> int:
        """The timestamp up to which entries are not kept any more."""
        return self._persistence.marks().horizon

    def reported(self, first: int, last: int) -> Sequence[Entry]:
        """The entries ``first`` to ``last`` that a stream reports, as far as they are kept.

        Reports come late and twice: one may begin where the log has been trimmed meanwhile.
        """
        view = self.view()
        if view.ts < last:
            view = self.refresh()
        until = min(last, view.ts)
        entries = self.since(first - 1, until) if first <= until else ()
        if entries is None:
            horizon = self._persistence.marks().horizon
            entries = self.since(horizon, until) if horizon < until else ()
        return entries or ()

    def applied(self, ts: int) -> None:
        """Take in that the rows now hold everything up to ``ts``."""
        with self._lock:
            self._applied = max(self._applied, min(ts, self._known.end))
            self._view = None

    def _end(self) -> int:
        with self._lock:
            return self._known.end

    def _restart(self) -> None:
        marks = self._persistence.marks()
        with self._lock:
            if marks.applied <= self._known.end:
                return  # another thread has begun meanwhile: its views end later than this mark
            self._known, self._applied = Written(marks.applied), marks.applied
            self._weight = 0
            self._view = self._last = None

    def _shortened(self) -> View:
        self.applied(self._persistence.marks().applied)
        with self._lock:
            return self._current()

    def _extend(self, after: int, entries: Sequence[Entry]) -> None:
        head = self._known.end
        fresh = entries[max(0, head - after) :] if after <= head else ()
        if not fresh:
            return
        self._known.entries.extend(fresh)
        self._weight += sum(entry.weight for entry in fresh)
        if self._persistence.applies_at_once:
            self._applied = self._known.end
        self._forget()
        self._view = None

    def _forget(self) -> None:
        """Let go of applied entries that are too many, a quarter at a time."""
        known = self._known
        if len(known.entries) <= KEPT_ENTRIES and self._weight <= KEPT_BYTES:
            return
        surplus = min(self._applied - known.base, max(1, len(known.entries) // 4))
        self._weight -= sum(entry.weight for entry in known.entries[:surplus])
        known.forget(surplus)

    def _current(self) -> View:
        if self._view is None:
            head = self._known.end
            entries = tuple(self._known.between(self._applied, head))
            self._view = View(self._applied, head, entries, self._last)
            self._last = self._view
        return self._view
