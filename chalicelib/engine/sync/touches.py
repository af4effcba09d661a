"""What the log has touched of what sessions read, found once for all that read the same."""

from collections.abc import Mapping
from typing import Final

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.database.written import Stretch
from chalicelib.engine.sync.reruns import LOG_NOT_KEPT, Cause, first_touch

KEPT_TOUCHES: Final = 4096
"""Answers that are kept: a commit wakes thousands of sessions with the same few questions."""

_Question = tuple[ReadSet, int, int]


class Touches:
    """Tells which read sets a part of the log has touched, and by what.

    Entries never change, nor do read sets that are asked about: an answer holds for ever.
    """

    def __init__(self, tail: LogTail) -> None:
        self._tail = tail
        self._known: dict[_Question, Cause | bool] = {}

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
                answer = self._known[question] = look.at(read)
            if isinstance(answer, Cause):
                causes[i] = answer
            else:
                grazed += answer
        if len(self._known) > KEPT_TOUCHES:
            self._known.clear()
        return causes, grazed


class _Look:
    """The entries between two timestamps, read when they are first asked about."""

    __slots__ = ("_missed", "_since", "_tail", "_until", "_was_read")

    def __init__(self, tail: LogTail, since: int, until: int) -> None:
        self._tail, self._since, self._until = tail, since, until
        self._missed: Stretch | None = None
        self._was_read = False

    def at(self, reads: ReadSet) -> Cause | bool:
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
