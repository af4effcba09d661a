"""What the log has touched of what sessions read, found once for all that read the same."""

from collections.abc import Mapping
from typing import Final

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.written import Stretch
from chalicelib.engine.sync.reruns import LOG_NOT_KEPT, Cause, first_touch

KEPT_INTERVALS: Final = 50_000
"""Intervals of the read sets whose answers are kept, about 10 MB of them.

A commit wakes thousands of sessions with the same few questions.
"""

_Question = tuple[ReadSet, int, int]
_Answer = Cause | bool


class Touches:
    """Tells which read sets a part of the log has touched, and by what.

    Entries never change, nor do read sets that are asked about: an answer holds for ever.
    """

    def __init__(self, tail: LogTail) -> None:
        self._tail = tail
        self._known: dict[_Question, _Answer] = {}
        self._held = 0

    def among(
        self, reads: Mapping[int, ReadSet], since: int, until: int
    ) -> tuple[dict[int, Cause], int]:
        """Those of ``reads`` that the log touches in ``(since, until]``, and the first touch.

        And how many others it grazes: what they know of the rows that it wrote stayed as it
        was. ``until`` is the timestamp of a view.
        """
        causes: dict[int, Cause] = {}
        grazed = 0
        if since >= until:
            return causes, grazed
        look: _Look | None = None
        for i, read in reads.items():
            question = read, since, until
            answer = self._known.get(question)
            if answer is None:
                look = look or _Look(self._tail, since, until)
                answer = look.at(read)
                self._keep(question, answer)
            if isinstance(answer, Cause):
                causes[i] = answer
            else:
                grazed += answer
        return causes, grazed

    def _keep(self, question: _Question, answer: _Answer) -> None:
        self._held += 1 + len(question[0])
        if self._held > KEPT_INTERVALS:
            self._known.clear()
            self._held = 0
        self._known[question] = answer


class _Look:
    """The entries between two timestamps, read when they are first asked about."""

    __slots__ = ("_missed", "_since", "_tail", "_until", "_was_read")

    def __init__(self, tail: LogTail, since: int, until: int) -> None:
        self._tail, self._since, self._until = tail, since, until
        self._missed: Stretch | None = None
        self._was_read = False

    def at(self, reads: ReadSet) -> _Answer:
        """What touched ``reads`` first; if nothing did, whether it was grazed."""
        if not self._was_read:
            self._missed = self._tail.stretch(self._since, self._until)
            self._was_read = True
        if self._missed is None:
            return LOG_NOT_KEPT  # what is no longer kept may have touched it
        entry = self._missed.first_touching(reads)
        touch = reads.touch_of(entry) if entry is not None else None
        if entry is None or touch is None:
            return self._missed.grazes(reads)
        return first_touch(touch, entry)
