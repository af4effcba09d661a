"""Commit: one conditional put (docs/design.md 2), and keeping the rows near the log's end."""

from collections.abc import Callable
from threading import Lock
from typing import Final

import msgspec

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


class Conflicted(EngineError):
    """Somebody else committed a change to what this transaction has read."""

    code = "Conflicted"


class Committer:
    """Puts entries at the end of the log, and applies them to the rows."""

    def __init__(self, persistence: Persistence, tail: LogTail, clock: Clock) -> None:
        self._persistence, self._tail, self._clock = persistence, tail, clock
        self._pipeline = persistence if isinstance(persistence, Pipelined) else None
        self._line = Lock()

    def commit(self, read: View, read_set: ReadSet, draft: Callable[[int], Entry]) -> Entry:
        """Commit what was read at ``read``; ``draft`` gives the entry for a timestamp.

        Returns:
            The entry as it is in the log.

        Raises:
            Conflicted: the reads are no longer valid. Nothing was written.
            OutcomeUnknown: a put was not answered in time.
        """
        if self._pipeline is not None:
            return self._commit_in_line(self._pipeline, read.ts, read_set, draft)
        self._help_when_far_behind(read)
        checked = read.ts
        entry = draft(checked + 1)
        while (winner := self._put(entry)) is not None:
            if winner.transaction == entry.transaction:
                self._tail.committed(winner)
                return winner
            if read_set.touched_by(winner):
                raise Conflicted("overtaken by the entry at the next position")
            view = self._tail.refresh()
            later = self._tail.since(checked, view.ts)
            if later is None or read_set.touched_by_any(later):
                raise Conflicted("overtaken by an entry of the tail")
            checked = view.ts
            entry = draft(checked + 1)
        self._tail.committed(entry)
        return entry

    def _commit_in_line(
        self,
        pipeline: Pipelined,
        checked: int,
        read_set: ReadSet,
        draft: Callable[[int], Entry],
    ) -> Entry:
        """Commit behind what is under way, validated against it, and wait for the disk."""
        while True:
            with self._line:
                under_way = pipeline.under_way()
                # Read afterwards: what is no longer under way is in the tail, or has failed.
                head = self._tail.refresh().ts
                later = self._tail.since(checked, head)
                if later is None or read_set.touched_by_any(later):
                    raise Conflicted("overtaken by an entry of the tail")
                checked = head
                ahead = [entry for entry in under_way if entry.ts > head]
                rival = next((e for e in ahead if read_set.touched_by(e)), None)
                entry = draft((ahead[-1].ts if ahead else head) + 1)
                try:
                    answer = pipeline.submit(entry) if rival is None else None
                except AssertionError:
                    continue  # those ahead have failed meanwhile: look again
            if answer is None:
                # Running again is of no use before that one can be read.
                pipeline.settle(rival.ts if rival is not None else head)
                raise Conflicted("overtaken by an entry under way")
            winner = answer()
            # Whoever goes on from here sees what it has just committed.
            self._tail.refresh()
            if winner is None or winner.transaction == entry.transaction:
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
            return self._persistence.tail(applied, APPLY_BATCH_ENTRIES)
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
            if self._clock.now_ms() > deadline_ms:
                raise unanswered
            self._clock.wait_ms(PUT_PAUSE_MS)


class Draft(msgspec.Struct, frozen=True):
    """All of an entry but its position."""

    entry: Entry

    def __call__(self, ts: int) -> Entry:
        """The entry at ``ts``."""
        return msgspec.structs.replace(self.entry, ts=ts)
