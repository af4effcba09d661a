"""Letting go of what nobody can ask for any more: in order, in small steps, never by expiry.

Age is told by sightings: that the watermark had passed a timestamp at some time. An entry
below a sighting is at least as old as the sighting is; and so long has the watermark been
beyond it, which is what tombstones wait for (docs/hazards.md A5).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.counts import COUNTS_INDEX
from chalicelib.engine.database.history import followed_up_to
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import BelowHorizon
from chalicelib.engine.limits import (
    ANSWERS_KEPT_MS,
    LOG_KEPT_MS,
    TOMBSTONES_KEPT_MS,
)
from chalicelib.engine.log import REQUESTS_INDEX, Entry, Row, rows
from chalicelib.engine.persistence import Interval, Persistence
from chalicelib.engine.ports import Clock

SIGHTING_MS: Final = 6 * 60 * 60 * 1000.0
"""Time between two sightings: by so much, in milliseconds, things are kept longer at most."""

PAGE: Final = 100
"""Entries that are looked at, or trimmed, at a time; local commits wait for one page."""

PARTS: Final = 10
"""Staged parts that one visit looks at: reading one costs as much as 40 documents."""

VISIT_MS: Final = 20_000.0
"""How long one visit works, in milliseconds; the heartbeat makes one a minute."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long things are kept at least, in milliseconds. ``log_ms`` 0: for ever."""

    log_ms: float = LOG_KEPT_MS
    answers_ms: float = ANSWERS_KEPT_MS
    tombstones_ms: float = TOMBSTONES_KEPT_MS


class Notes(msgspec.Struct, array_like=True):
    """What housekeepers tell each other. Whatever stands here is true, also when it is old.

    ``sightings`` are pairs of a timestamp and a time at which the watermark had passed it,
    oldest first. Tombstones are gone up to ``reaped``, answers to requests up to
    ``answered``. The sweep of staged parts goes on at ``cursor``, that of counts at ``counted``.
    """

    sightings: list[tuple[int, float]] = []
    reaped: int = 0
    answered: int = 0
    cursor: str = ""
    counted: bytes = b""


class Housework(msgspec.Struct, frozen=True):
    """What one visit did: entries passed for tombstones and for answers, entries trimmed."""

    reaped: int
    answered: int
    trimmed: int


class Housekeeper:
    """Visits the store now and then. Several at once do the same work, and no harm."""

    def __init__(
        self,
        persistence: Persistence,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        retention: Retention,
    ) -> None:
        self._persistence, self._tail, self._committer = persistence, tail, committer
        self._clock, self._retention = clock, retention

    def visit(self) -> Housework:
        """Let go of what is old enough, as far as one visit gets."""
        give_up_ms = self._clock.now_ms() + VISIT_MS
        notes = self._notes()
        self._sight(notes)
        ripe = self._seen_before(notes, self._retention.tombstones_ms)
        unasked = self._seen_before(notes, self._retention.answers_ms)
        horizon = self._persistence.marks().horizon
        start = max(notes.reaped, horizon), max(notes.answered, horizon)
        notes.reaped = self._pass(start[0], ripe, _tombstones, give_up_ms)
        notes.answered = self._pass(start[1], unasked, _answers, give_up_ms)
        self._persistence.keep_notes(msgspec.json.encode(notes))
        trimmed = self._trim(notes, give_up_ms)
        self._forget_counts(notes)
        self._sweep(notes)
        return Housework(notes.reaped - start[0], notes.answered - start[1], trimmed)

    def _notes(self) -> Notes:
        held = self._persistence.notes()
        return msgspec.json.decode(held, type=Notes) if held else Notes()

    def _sight(self, notes: Notes) -> None:
        """Note where the watermark is, and drop sightings that tell nothing more."""
        applied, now_ms = self._committer.catch_up(), self._clock.now_ms()
        if not notes.sightings or now_ms - notes.sightings[-1][1] >= SIGHTING_MS:
            notes.sightings.append((applied, now_ms))
        kept = self._retention
        longest_ms = max(kept.log_ms, kept.answers_ms, kept.tombstones_ms)
        while len(notes.sightings) > 1 and now_ms - notes.sightings[1][1] > longest_ms:
            del notes.sightings[0]

    def _seen_before(self, notes: Notes, age_ms: float) -> int:
        """The newest timestamp that the watermark had passed ``age_ms`` ago; 0 if unknown."""
        until_ms = self._clock.now_ms() - age_ms
        return max(
            (ts for ts, seen_ms in notes.sightings if seen_ms <= until_ms), default=0
        )

    def _pass(
        self,
        after: int,
        until: int,
        gone: Callable[[Entry], Iterable[Row]],
        give_up_ms: float,
    ) -> int:
        """Forget rows of the entries of ``(after, until]``, in order; return how far it got."""
        while after < until and self._clock.now_ms() < give_up_ms:
            entries = self._entries(after, until)
            if not entries:
                break
            self._persistence.forget([row for entry in entries for row in gone(entry)])
            after = entries[-1].ts
        return after

    def _entries(self, after: int, until: int) -> Sequence[Entry]:
        try:
            found = self._persistence.tail(after, PAGE)
        except BelowHorizon:
            return ()  # somebody else is further: the next visit begins there
        return [entry for entry in found.entries if entry.ts <= until]

    def _trim(self, notes: Notes, give_up_ms: float) -> int:
        """Raise the horizon, then remove what is below it.

        The log is what names tombstones and answers, so it goes after them; and its last
        entry stays, by which a reader knows that it has met the end and not a gap. What somebody
        follows stays until they have.
        """
        if not self._retention.log_ms:
            return 0
        old = self._seen_before(notes, self._retention.log_ms)
        horizon = min(old, notes.reaped, notes.answered, self._tail.refresh().ts - 1)
        followed = followed_up_to(self._persistence, self._tail)
        if followed is not None:
            horizon = min(horizon, followed)
        if horizon > self._persistence.marks().horizon:
            self._persistence.raise_horizon(horizon)
        trimmed = 0
        while self._clock.now_ms() < give_up_ms:
            count = self._persistence.trim(PAGE)
            trimmed += count
            if not count:
                break
        return trimmed

    def _forget_counts(self, notes: Notes) -> None:
        """Let go of counts that the log no longer reaches back to: nobody can use them.

        There is one for every interval that was ever counted, and one that begins with the
        time of the call is never counted again.
        """
        horizon = self._persistence.marks().horizon
        held = Interval(COUNTS_INDEX, notes.counted, None)
        page = self._persistence.scan(held, reverse=False, limit=PAGE)
        self._persistence.forget([row for row in page.rows if row.ts < horizon])
        notes.counted = page.resume or b""

    def _sweep(self, notes: Notes) -> None:
        notes.cursor = self._persistence.sweep(notes.cursor, PARTS)
        self._persistence.keep_notes(msgspec.json.encode(notes))


def _tombstones(entry: Entry) -> Iterable[Row]:
    return (row for row in rows(entry) if row.image is None)


def _answers(entry: Entry) -> Iterable[Row]:
    return (row for row in rows(entry) if row.index == REQUESTS_INDEX)
