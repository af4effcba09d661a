"""Queries that a frame adds, run while the lease of their session is being taken.

Where the store is far away, taking the lease is a round trip, and the rows of a query are another.
Who calls, and what the frame builds on, is known for sure only with the lease; but a process that
was the last to run a session remembers it, and running a query changes nothing. What comes
out is worth as much as if it had been run under the lease on the same view: not proved, until
the log is read again after subscribing.
"""

from contextlib import suppress
from typing import Final

from chalicelib.engine.database.tail import LogTail, View
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.runner import Runner
from chalicelib.engine.ports import Frame
from chalicelib.engine.sync.messages import Add, ModifyQuerySet, decode_inbox
from chalicelib.engine.sync.session import Session

MOST_EARLY: Final = 4
"""Queries of a frame that are run early: in vain, if somebody else has the lease."""


class Early:
    """What the first queries of a frame came to, for callers who turn out to be as remembered."""

    def __init__(self, runner: Runner, tail: LogTail) -> None:
        self._runner, self._tail = runner, tail
        self._outcomes: list[tuple[Call, Outcome]] = []

    def run(self, session: Session, frame: Frame) -> None:
        """Run what ``frame`` adds to ``session``, as it is remembered."""
        # Whatever goes wrong here, whoever gets the lease meets it again, and answers for it.
        with suppress(Exception):
            message = decode_inbox(frame.body)
            if isinstance(message, ModifyQuerySet):
                view = self._tail.view()
                for change in message.modifications[:MOST_EARLY]:
                    if isinstance(change, Add):
                        self._run(call_of(session, change), view)

    def _run(self, call: Call, view: View) -> None:
        if not self._runner.cache.knows(call, view):
            outcome = self._runner.query_at(call, view, pinned=False)
            self._outcomes.append((call, outcome))

    def at(self, call: Call, view: View) -> Outcome | None:
        """The outcome of just this call on just this view, if it was run."""
        for known, outcome in self._outcomes:
            if outcome.ts == view.ts and known == call:
                return outcome
        return None


def call_of(session: Session, added: Add) -> Call:
    """The call of a query that is added to a session."""
    return Call(added.udf_path, bytes(added.args), session.caller, added.journal)
