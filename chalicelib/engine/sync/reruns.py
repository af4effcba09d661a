"""Why live queries were run again, and what was spared: each process's own book of it.

The newest re-runs are kept, the rest is counted. What is written down is what the session had
in hand anyway; names and documents are looked up by whoever asks (``explain``).
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from threading import Lock
from typing import Final, Literal

import msgspec

from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval
from chalicelib.engine.sync.session import Session

RERUNS_KEPT: Final = 4096
"""Re-runs that a process remembers, about 2 MB of them; one commit may cause thousands."""

Why = Literal["first run", "identity changed", "log no longer kept", "written"]


class Cause(msgspec.Struct, frozen=True):
    """What made a live query run: for ``written``, the first write that it had read.

    ``ts`` and ``path`` are those of the commit, ``key`` is one that it touched, ``interval``
    the one of the query's read set that holds it.
    """

    why: Why
    ts: int = 0
    path: str = ""
    interval: Interval | None = None
    key: bytes = b""


FIRST_RUN: Final = Cause("first run")
IDENTITY_CHANGED: Final = Cause("identity changed")
LOG_NOT_KEPT: Final = Cause("log no longer kept")


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """One live query that was run, or was given what another run had found.

    ``ts`` is where its session stood afterwards. ``shared``: nothing was run, since an equal
    query had been. ``sent``: the client was sent the result, since it differed.
    """

    wall_ms: float
    connection: str
    session: str
    query_id: int
    path: str
    arguments: bytes
    ts: int
    cause: Cause
    shared: bool
    sent: bool


class Step(msgspec.Struct, frozen=True):
    """How a session was moved on: why which queries ran, and which of them for others too.

    ``behind`` tells that there were commits to look at, ``proved`` how many queries were not run
    though those wrote rows that they had read: keys alone, or fields that are as they were.
    """

    causes: Mapping[int, Cause]
    shared: Collection[int]
    behind: bool
    proved: int = 0


class Counts(msgspec.Struct):
    """What came of sessions that were moved on, since the process began."""

    runs: int = 0
    shared: int = 0
    spared: int = 0
    proved: int = 0
    unchanged: int = 0
    sent: int = 0
    unsent: int = 0
    merged: int = 0

    def by_metric(self) -> dict[str, float]:
        """The counts by the names of their metrics; docs/live-queries.md explains them."""
        return {
            "LiveQueriesRun": self.runs,
            "LiveQueriesShared": self.shared,
            "LiveQueriesSpared": self.spared,
            "LiveQueriesProved": self.proved,
            "LiveResultsUnchanged": self.unchanged,
            "TransitionsSent": self.sent,
            "TransitionsUnsent": self.unsent,
            "TransitionsMerged": self.merged,
        }


def ignore(_rerun: Rerun) -> None:
    """Tell nobody."""


class Reruns:
    """The book of one process; other processes have their own."""

    def __init__(self, tell: Callable[[Rerun], None] = ignore) -> None:
        """``tell`` hears of every query that runs for another reason than being new."""
        self.counts = Counts()
        self._kept: deque[Rerun] = deque(maxlen=RERUNS_KEPT)
        self._lock, self._tell = Lock(), tell

    def moved(
        self,
        connection: str,
        session: Session,
        step: Step,
        *,
        ts: int,
        changed: Collection[int],
        sent: bool,
        now_ms: float,
    ) -> None:
        """Write down what moving a session on took.

        ``changed`` are the queries whose results differ from those last sent.
        """
        again = [
            Rerun(
                wall_ms=now_ms,
                connection=connection,
                session=session.id,
                query_id=i,
                path=session.queries[i].path,
                arguments=session.queries[i].arguments,
                ts=ts,
                cause=cause,
                shared=i in step.shared,
                sent=i in changed,
            )
            for i, cause in step.causes.items()
        ]
        with self._lock:
            self._count(session, step, len(changed), sent=sent)
            self._kept.extend(again)
        for rerun in again:
            if rerun.cause is not FIRST_RUN:
                self._tell(rerun)

    def merged(self) -> None:
        """Count a transition that waits, since its client has not taken those before it."""
        with self._lock:
            self.counts.merged += 1

    def newest(self, path: str | None, limit: int) -> list[Rerun]:
        """The newest first: those of ``path``, or all."""
        with self._lock:
            kept = list(self._kept)
        found = (r for r in reversed(kept) if path is None or r.path == path)
        return list(islice(found, limit))

    def _count(self, session: Session, step: Step, changed: int, *, sent: bool) -> None:
        counts, touched = self.counts, len(step.causes)
        counts.runs += touched - len(step.shared)
        counts.shared += len(step.shared)
        counts.unchanged += touched - changed
        counts.proved += step.proved
        if step.behind:
            counts.spared += len(session.queries) - touched
        counts.sent += sent
        counts.unsent += not sent


def first_touch(touch: tuple[Interval, bytes], entry: Entry) -> Cause:
    """The cause that ``entry`` is."""
    interval, key = touch
    return Cause("written", entry.ts, entry.path, interval, key)
