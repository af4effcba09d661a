"""Commit: one conditional put (docs/design.md 2), and keeping the rows near the log's end."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Final

import msgspec

from chalicelib.engine.database.ahead import Ahead, those_after
from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.errors import EngineError, OutcomeUnknown
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Persistence, Pipelined
from chalicelib.engine.ports import Clock

MAX_LAG_ENTRIES: Final = 500
"""Entries above the watermark from which a committer helps to apply before it commits."""

APPLY_BATCH_ENTRIES: Final = 200
"""Entries applied between two moves of the watermark."""

MAX_APPLY_MS: Final = 10 * 60 * 1000.0
"""How long an applier works on one reading of the watermark.

Tombstones live for days past the watermark, so that an applier that respects this bound never
brings a deleted row back (docs/hazards.md A5 allows 15 minutes).
"""

PUT_PATIENCE_MS: Final = 15_000.0
"""How long an unanswered put is repeated before the outcome is reported as unknown."""

PUT_PAUSE_MS: Final = 50.0
"""Pause before an unanswered put is repeated."""


Landing = Callable[[], Entry]
"""Waits until a commit is in the log; what was begun may yet fail."""


class Conflicted(EngineError):
    """Somebody else committed a change to what this transaction has read."""

    code = "Conflicted"


class Committer:
    """Puts entries at the end of the log, and applies them to the rows."""

    def __init__(self, persistence: Persistence, tail: LogTail, clock: Clock) -> None:
        self._persistence, self._tail, self._clock = persistence, tail, clock
        self._pipeline = persistence if isinstance(persistence, Pipelined) else None
        self._ahead = Ahead(self._pipeline, tail) if self._pipeline is not None else None
        self._line = Lock()

    def newest(self, *, refresh: bool = False) -> View:
        """What a mutation should read: as little as possible can overtake it.

        Where entries are under way they are part of it. ``refresh`` reads the log's end anew.
        """
        if self._ahead is not None:
            return self._ahead.view()
        return self._tail.refresh() if refresh else self._tail.view()

    def settle(self, read: View) -> bool:
        """Wait until all that ``read`` holds is durable; False if some of it is gone.

        What was read there is told to nobody before.
        """
        return self._ahead is None or self._ahead.settle(read)

    def commit(self, read: View, read_set: ReadSet, draft: Callable[[int], Entry]) -> Entry:
        """Commit what was read at ``read``; ``draft`` gives the entry for a timestamp.

        Returns:
            The entry as it is in the log.

        Raises:
            Conflicted: the reads are no longer valid. Nothing was written.
            OutcomeUnknown: a put was not answered in time.
        """
        return self.begin(read, read_set, draft)()

    def begin(
        self, read: View, read_set: ReadSet, draft: Callable[[int], Entry]
    ) -> Landing:
        """Begin to commit; what to call for the entry, once it is in the log.

        Where commits are made in groups the next mutation need not wait for that.

        Raises:
            Conflicted: the reads are no longer valid. Nothing was written.
            OutcomeUnknown: a put was not answered in time.
        """
        if self._pipeline is not None and self._ahead is not None:
            return self._begin_in_line(self._pipeline, self._ahead, read, read_set, draft)
        entry = self._commit_alone(read, read_set, draft)
        return lambda: entry

    def _commit_alone(
        self, read: View, read_set: ReadSet, draft: Callable[[int], Entry]
    ) -> Entry:
        self._help_when_far_behind(read)
        checked = read.ts
        if self._tail.is_stale():
            # It slept since it read. Below the horizon "no entry is there" means nothing.
            checked = self._validated(checked, read_set)
        entry = draft(checked + 1)
        while (winner := self._put(entry)) is not None:
            if winner.transaction == entry.transaction:
                self._tail.committed(winner)
                return winner
            if read_set.touched_by(winner):
                raise Conflicted("overtaken by the entry at the next position")
            checked = self._validated(checked, read_set)
            entry = draft(checked + 1)
        self._tail.committed(entry)
        return entry

    def _validated(self, checked: int, read_set: ReadSet) -> int:
        """Read the log's end, and return it if nothing after ``checked`` was read."""
        view = self._tail.refresh()
        later = self._tail.since(checked, view.ts)
        if later is None or read_set.touched_by_any(later):
            raise Conflicted("overtaken by an entry of the tail")
        return view.ts

    def _begin_in_line(
        self,
        pipeline: Pipelined,
        ahead: Ahead,
        read: View,
        read_set: ReadSet,
        draft: Callable[[int], Entry],
    ) -> Landing:
        """Take the place behind what is under way, validated against it."""
        while True:
            with self._line:
                head, under_way = ahead.look()
                if not ahead.still_holds(read, head, under_way):
                    raise Conflicted("what was read has not been written")
                later = self._tail.since(read.ts, head.ts) if read.ts < head.ts else ()
                behind = those_after(under_way, read.ts)
                if later is None or read_set.touched_by_any((*later, *behind)):
                    raise Conflicted("overtaken by an entry of the tail, or under way")
                entry = draft((under_way[-1].ts if under_way else head.ts) + 1)
                try:
                    answer = pipeline.submit(entry)
                except AssertionError:
                    continue  # those ahead have failed meanwhile: look again
            return partial(self._landed, entry, answer)

    def _landed(self, entry: Entry, answer: Callable[[], Entry | None]) -> Entry:
        winner = answer()
        # Whoever goes on from here sees what it has just committed.
        self._tail.refresh()
        if winner is not None and winner.transaction != entry.transaction:
            raise Conflicted("somebody else has the position")
        return winner or entry

    def catch_up(self) -> int:
        """Apply every entry above the watermark, in order, and move it; return where it is."""
        started_ms = self._clock.now_ms()
        applied = self._persistence.marks().applied
        while self._clock.now_ms() - started_ms < MAX_APPLY_MS:
            entries = self._entries_after(applied)
            if not entries:
                break
            self._persistence.apply(entries)
            if not self._persistence.advance(applied, entries[-1].ts):
                # Somebody else moves it too: go on from where it is now.
                applied = max(applied, self._persistence.marks().applied)
                continue
            applied = entries[-1].ts
        self._tail.applied(applied)
        return applied

    def _entries_after(self, applied: int) -> tuple[Entry, ...]:
        view = self._tail.refresh()
        known = self._tail.since(applied, view.ts) if applied < view.ts else ()
        if known is None:
            return self._persistence.tail(applied, APPLY_BATCH_ENTRIES).entries
        return tuple(known[:APPLY_BATCH_ENTRIES])

    def _help_when_far_behind(self, view: View) -> None:
        if view.ts - view.applied > MAX_LAG_ENTRIES:
            self.catch_up()

    def _put(self, entry: Entry) -> Entry | None:
        """Put until there is an answer: the same entry, at the same position.

        Whoever gave up and put elsewhere could see both puts land (docs/hazards.md A2).
        """
        deadline_ms = self._clock.now_ms() + PUT_PATIENCE_MS
        unanswered: OutcomeUnknown | None = None
        while True:
            try:
                return self._persistence.append(entry)
            except OutcomeUnknown as error:
                unanswered = error
            except EngineError:
                # A refusal says nothing of a put before it that was not answered.
                if unanswered is None:
                    raise
            self._clock.wait_ms(PUT_PAUSE_MS)
            # Looked at last: whoever slept here must not put where the log was trimmed.
            if self._clock.now_ms() > deadline_ms:
                raise unanswered


class Draft(msgspec.Struct, frozen=True):
    """All of an entry but its position."""

    entry: Entry

    def __call__(self, ts: int) -> Entry:
        """The entry at ``ts``."""
        return msgspec.structs.replace(self.entry, ts=ts)
