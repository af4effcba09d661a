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

_UNKNOWN: Final = Cause("written")


class Touches:
    """Tells which read sets a part of the log has touched, and by what.

    Entries never change, nor do read sets that are asked about: an answer holds for ever.
    """

    def __init__(self, tail: LogTail) -> None:
        self._tail = tail
        self._known: dict[_Question, Cause | None] = {}

    def among(
        self, reads: Mapping[int, ReadSet], since: int, until: int
    ) -> dict[int, Cause]:
        """Those of ``reads`` that the log touches in ``(since, until]``, and the first touch.

        ``until`` is the timestamp of a view.
        """
        if since >= until:
            return {}
        causes: dict[int, Cause] = {}
        missed: Stretch | None = None
        has_missed = False
        for i, read in reads.items():
            question = read, since, until
            cause = self._known.get(question, _UNKNOWN)
            if cause is _UNKNOWN:
                if not has_missed:
                    missed, has_missed = self._tail.stretch(since, until), True
                cause = self._known[question] = _first_touch(read, missed)
            if cause is not None:
                causes[i] = cause
        if len(self._known) > KEPT_TOUCHES:
            self._known.clear()
        return causes


def _first_touch(reads: ReadSet, missed: Stretch | None) -> Cause | None:
    if missed is None:
        return LOG_NOT_KEPT  # what is no longer kept may have touched it
    entry = missed.first_touching(reads)
    touch = reads.touch_of(entry) if entry is not None else None
    return first_touch(touch, entry) if entry is not None and touch is not None else None
