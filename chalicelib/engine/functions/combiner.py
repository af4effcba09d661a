"""Mutations of many processes that conflict: one process runs them, one after another.

Each of them would be overtaken by the others again and again. So they stand in line, and
whoever holds the line's lease runs them (docs/design.md 2, "Contention"). The lease is for
liveness alone. A mutation may be run by two holders at once: both commit under one request's
name, which each has read, so that one of them takes effect (docs/hazards.md B16). And its owner
says that it has failed only after it has used up a name that every holder reads.
"""

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

LEASE_MS: Final = 6_000.0
"""How long a lease lasts: what stands in line waits so long for a holder that has died."""

HOLD_MS: Final = 1_000.0
"""How long a holder runs what stands in line; then its own caller has waited enough."""

POLL_MS: Final = 20.0
"""Pause between two looks at whether one's mutation was run."""

TAKEN_EVERY: Final = 3
"""Looks between two tries at the lease: each of them is paid like a write."""

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
    code might do something else.
    """

    call: Call
    request: Request | None
    ticket: Request
    code_version: str
    max_value_bytes: int | None

    @property
    def name(self) -> Request:
        """The request under which it is committed, by whomever."""
        return self.request or self.ticket


class Runs(Protocol):
    """What a combiner has done."""

    def hold(self) -> HeldRows:
        """Begin to run what stands in line."""
        ...

    def commit(self, waiting: Waiting, held: HeldRows) -> bool | None:
        """Run once; True if that is done with, None if it was overtaken.

        False: it writes nothing as things are, and its owner finds out why by itself.
        """
        ...

    def answer(self, request: Request) -> Outcome | None:
        """Look for the answer of a request at the log's end."""
        ...


class Combiner:
    """Stands in line, and runs who stands there when nobody else does."""

    def __init__(
        self, line: Line, runs: Runs, *, clock: Clock, ids: Ids, code_version: str
    ) -> None:
        self._line, self._runs = line, runs
        self._clock, self._ids, self._code_version = clock, ids, code_version
        self._contended: dict[str, float] = {}

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
        place = f"{now_ms:018.3f}#{waiting.ticket.session}"
        self._line.join(InLine(place, msgspec.msgpack.encode(waiting)))
        looks = 0
        while True:
            if looks % TAKEN_EVERY == 0:
                self._serve(place)
            looks += 1
            # In this order: who is gone from the line was answered before.
            is_gone = not self._line.holds(place)
            answer = self._runs.answer(waiting.name)
            late = self._clock.now_ms() > now_ms + PATIENCE_MS
            if answer is not None or late:
                self._line.leave(place)
            if answer is not None or is_gone:
                return answer
            if late:
                raise OutcomeUnknown(f"{path} stood in line too long; it may yet be run")
            self._clock.wait_ms(POLL_MS)

    def _serve(self, place: str) -> None:
        """Run who stands in line, unless somebody does; for a while beyond one's own place."""
        now_ms = self._clock.now_ms()
        if not self._line.take(place, now_ms=now_ms, deadline_ms=now_ms + LEASE_MS):
            return
        try:
            held = self._runs.hold()
            while self._serve_all(held, now_ms + HOLD_MS):
                held.trim()
        finally:
            self._line.give_back(place)

    def _serve_all(self, held: HeldRows, until_ms: float) -> bool:
        """Run all that stand in line; False if nobody does, none can be run, or it is late."""
        done: list[str] = []
        for one in self._line.waiting(SERVED_AT_ONCE):
            if self._clock.now_ms() > until_ms:
                break
            waiting = msgspec.msgpack.decode(one.body, type=Waiting)
            if waiting.code_version == self._code_version and self._is_done(waiting, held):
                done.append(one.place)
        # After the commits, and all at once: their owners look into the log.
        self._line.leave(*done)
        return bool(done) and self._clock.now_ms() <= until_ms

    def _is_done(self, waiting: Waiting, held: HeldRows) -> bool:
        for _ in range(RUNS):
            try:
                done = self._runs.commit(waiting, held)
            except EngineError:
                return False  # its owner meets the same, or has it run by another holder
            if done is not None:
                return True
        return False
