"""Mutations of many processes that conflict: one process runs them, one after another.

Each of them would be overtaken by the others again and again. So they stand in line, and
whoever holds the line's lease runs them (docs/design.md 2, "Contention"). The lease is for
liveness alone. A mutation may be run by two holders at once: both commit under one request's
name, which each has read, so that one of them takes effect (docs/hazards.md B16). And its owner
says that it has failed only after it has used up a name that every holder reads.
"""

from collections.abc import Collection
from itertools import count
from typing import Final, Protocol

import msgspec

from chalicelib.engine.database.held_rows import HeldRows
from chalicelib.engine.errors import EngineError, OutcomeUnknown
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.line import InLine, Line
from chalicelib.engine.log import Request
from chalicelib.engine.ports import Clock, Ids

PATIENCE_MS: Final = 8_000.0
"""How long a mutation stands in line until its caller is told that the outcome is not known.

With the tries before it stays below the 20 s for which a session is run.
"""

FORGOTTEN_MS: Final = 60 * 60 * 1000.0
"""Age of a mutation in line that nobody runs any more: its owner has died, or was told that
the outcome is not known. Answers are kept longer, so that none is run a second time."""

LEASE_MS: Final = 6_000.0
"""How long a lease lasts: what stands in line waits so long for a holder that has died."""

HOLD_MS: Final = 1_000.0
"""How long a holder runs what stands in line; then its own caller has waited enough."""

POLL_MS: Final = 8.0
"""Pause between two looks at whether one's mutation was run, at first."""

LONGEST_POLL_MS: Final = 100.0
"""The same after a while: an eighth of the time that one has stood in line."""

TAKEN_EVERY_MS: Final = 100.0
"""Pause between two tries of a process at the lease: each of them is paid like a write."""

LINGER_MS: Final = 10.0
"""Pause of a holder that has met an empty line, before it looks again: those whom it has
served hear of it, and come with their next mutation. Who takes the lease reads all anew."""

LINGERS: Final = 4
"""How often in a row a holder looks at an empty line."""

HELD_EVERY: Final = 4
"""Looks for the answer between two at the line itself, from which one is gone without one."""

SERVED_AT_ONCE: Final = 100
"""Mutations that a holder reads from the line at a time."""

MAX_ARGUMENT_BYTES: Final = 256 * 1024
"""Largest arguments of a mutation in line: an item of DynamoDB holds 400 KB."""

RUNS: Final = 8
"""Runs of one mutation by a holder; those that do not stand in line may overtake it."""

CONTENDED_MS: Final = 5_000.0
"""How long mutations of one function stand in line at once after one of them had to."""


class Waiting(msgspec.Struct, frozen=True):
    """A mutation in line.

    ``request`` is the client's name of it, if it has one. ``ticket`` is a name that its owner
    may use up: then nobody commits it any more. ``code_version`` is that of the owner: other
    code might do something else. ``since``: nothing that the log has up to there uses the
    ticket up, which is newer.
    """

    call: Call
    request: Request | None
    ticket: Request
    code_version: str
    max_value_bytes: int | None
    since: int = 0

    @property
    def name(self) -> Request:
        """The request under which it is committed, by whomever."""
        return self.request or self.ticket


def place_of(waiting: Waiting, now_ms: float) -> str:
    """Where a mutation stands that comes now: behind those that came before."""
    return f"{now_ms:018.3f}#{waiting.ticket.session}"


def pause_ms(stood_ms: float) -> float:
    """How long to wait until one looks for the answer again."""
    return min(max(POLL_MS, stood_ms / 8), LONGEST_POLL_MS)


class Runs(Protocol):
    """What a combiner has done."""

    def hold(self) -> HeldRows:
        """Begin to run what stands in line."""
        ...

    def commit(self, waiting: Waiting, held: HeldRows) -> bool | None:
        """Run once; True if that has committed, None if it was overtaken.

        False: it writes nothing as things are, or was answered before. Its owner finds out
        by itself.
        """
        ...

    def head(self) -> int:
        """How far the log is known, at least."""
        ...

    def heard(self, request: Request, after: int) -> tuple[Outcome | None, int]:
        """Look for the answer of a request in what was committed since; and up to where."""
        ...

    def answer(self, request: Request) -> Outcome | None:
        """Look for the answer of a request, however old."""
        ...


class Combiner:
    """Stands in line, and runs who stands there when nobody else does."""

    def __init__(
        self, line: Line, runs: Runs, *, clock: Clock, ids: Ids, code_version: str
    ) -> None:
        self._line, self._runs = line, runs
        self._clock, self._ids, self._code_version = clock, ids, code_version
        self._contended: dict[str, float] = {}
        self._tried_ms = float("-inf")
        self._left: list[str] = []

    def is_contended(self, path: str) -> bool:
        """Tell whether a mutation of this function had to stand in line lately."""
        return self._contended.get(path, 0) > self._clock.now_ms()

    def expect_contention(self, path: str) -> None:
        """Have mutations of a function stand in line at once, for a while."""
        self._contended[path] = self._clock.now_ms() + CONTENDED_MS

    def waiting(
        self, call: Call, request: Request | None, max_value_bytes: int | None
    ) -> Waiting | None:
        """What is to stand in line; None if it is too large to."""
        if len(call.arguments) > MAX_ARGUMENT_BYTES:
            return None
        ticket = Request(f"line:{self._ids.transaction_id()}", 0)
        return Waiting(call, request, ticket, self._code_version, max_value_bytes)

    def run(self, waiting: Waiting) -> Outcome | None:
        """Stand in line until the mutation was run; None if its owner is to run it alone.

        Raises:
            OutcomeUnknown: it was not run in time, and may yet be.
        """
        now_ms, path = self._clock.now_ms(), waiting.call.path
        self.expect_contention(path)
        place = place_of(waiting, now_ms)
        heard = self._runs.head()
        waiting = msgspec.structs.replace(waiting, since=heard)
        self._line.join(InLine(place, msgspec.msgpack.encode(waiting)), *self._left)
        self._left.clear()
        for look in count(1):
            if not self._serve(place):
                self._clock.wait_ms(pause_ms(self._clock.now_ms() - now_ms))
            answer, heard = self._runs.heard(waiting.name, heard)
            if answer is not None:
                self._left.append(place)
                return answer
            if look % HELD_EVERY == 0 and not self._line.holds(place):
                # In this order: who is gone from the line was answered before.
                return self._runs.answer(waiting.name)
            if self._clock.now_ms() > now_ms + PATIENCE_MS:
                self._line.leave(place)
                raise OutcomeUnknown(f"{path} stood in line too long; it may yet be run")
        raise AssertionError  # counting has no end

    def _serve(self, place: str) -> bool:
        """Run who stands in line, for a while beyond one's own place; False if somebody does."""
        now_ms = self._clock.now_ms()
        if now_ms < self._tried_ms + TAKEN_EVERY_MS:
            return False
        if not self._line.take(place, now_ms=now_ms, deadline_ms=now_ms + LEASE_MS):
            self._tried_ms = self._clock.now_ms()
            return False
        try:
            self._hold(place, now_ms + HOLD_MS)
        finally:
            self._line.give_back(place)
        return True

    def _hold(self, own: str, until_ms: float) -> None:
        """Run who stands in line, until nobody comes any more, or it is late."""
        held, done = self._runs.hold(), set[str]()
        # Who is alone in line has nobody to wait for.
        looks = LINGERS if self._serve_all(held, done, until_ms) > 1 else 1
        idle = 0
        while idle < looks and self._clock.now_ms() <= until_ms:
            if idle:
                self._clock.wait_ms(LINGER_MS)
            held.trim()
            served = self._serve_all(held, done, until_ms)
            looks = LINGERS if served else looks
            idle = 0 if served else idle + 1
        # Owners leave when they come again; some may not.
        self._leave(done | {own})

    def _serve_all(self, held: HeldRows, done: set[str], until_ms: float) -> int:
        """Run all that stand in line and are not ``done``; return how many could be."""
        places, gone, served = self._in_line(done), list[str](), 0
        for waiting in places.values():
            held.expect_none(waiting.ticket.key, waiting.since)
        # All that are not known, in one reading: then a mutation costs its put alone.
        names = ((w.ticket, w.request) for w in places.values())
        held.fetch(name.key for both in names for name in both if name is not None)
        for place, waiting in places.items():
            if self._clock.now_ms() > until_ms:
                break
            committed = self._run_once(waiting, held)
            served += committed is not None
            if committed:
                done.add(place)
            elif committed is False:
                # Its owner finds nothing new in the log, and waits for its place to be gone.
                gone.append(place)
        self._leave(gone)
        return served

    def _in_line(self, done: set[str]) -> dict[str, Waiting]:
        """Who stands in line with a mutation of this code, and is not ``done``, by place."""
        oldest = f"{self._clock.now_ms() - FORGOTTEN_MS:018.3f}"
        found = {one.place: one.body for one in self._line.waiting(SERVED_AT_ONCE)}
        done.intersection_update(found)
        self._leave([place for place in found if place < oldest])
        new = {
            place: msgspec.msgpack.decode(body, type=Waiting)
            for place, body in found.items()
            if place >= oldest and place not in done
        }
        return {p: w for p, w in new.items() if w.code_version == self._code_version}

    def _leave(self, places: Collection[str]) -> None:
        if places:
            self._line.leave(*sorted(places))

    def _run_once(self, waiting: Waiting, held: HeldRows) -> bool | None:
        """Run a mutation until it is done with: see :class:`Runs`; None if it never is."""
        for _ in range(RUNS):
            try:
                done = self._runs.commit(waiting, held)
            except EngineError:
                return None  # its owner meets the same, or has it run by another holder
            if done is not None:
                return done
        return None
