"""Takes up the frames of a connection, in order, and performs their effects."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from chalicelib.engine.errors import (
    BadMessage,
    BaseVersionMismatch,
    EngineError,
    Overloaded,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import Origin, Request
from chalicelib.engine.ports import Frame
from chalicelib.engine.sync.holding import CLOSE_AGAIN, Holding
from chalicelib.engine.sync.messages import (
    Action,
    Authenticate,
    Connect,
    ModifyQuerySet,
    Mutation,
    decode_inbox,
)
from chalicelib.engine.sync.order import GAP_PATIENCE_MS, Received, Timing, choose, place
from chalicelib.engine.sync.outbox import RESPONSE_ENVELOPE_BYTES, mutation_response
from chalicelib.engine.sync.services import ActionJob, Committed, Ended
from chalicelib.engine.sync.session import (
    Answer,
    Effect,
    Enlist,
    Run,
    Start,
    Verify,
    receive,
    signed_in,
)

ACTION_PATIENCE_MS: Final = 630_000.0
"""How long an action may take until it is answered as failed: ten minutes and a margin."""

EndOlder = Callable[[list[str]], None]


class Reception:
    """The frames that one holding of a session has to do with.

    ``done`` are those taken up that lie in the inbox still, ``committed`` the mutations
    answered.
    """

    def __init__(self, held: Holding, end_older: EndOlder) -> None:
        """``end_older`` ends connections that were followed by this one."""
        self._held, self._services = held, held.services
        self._end_older = end_older
        self.done: list[str] = []
        self.committed: Committed = {}
        self._waiting: dict[str, Received] = {}
        self._handed: dict[str, Frame] = {}
        self._taken: set[str] = set()
        self._origin: Origin | None = None
        self._answered: dict[int, bool] = {}
        self._looked_ms = 0.0

    @property
    def waiting_count(self) -> int:
        """How many frames could not be taken up."""
        return len(self._waiting)

    def take(self, frame: Frame) -> None:
        """Take in a frame that is not in the inbox."""
        self._handed[frame.id] = frame
        self._take_all([frame])

    def look(self, inbox: Callable[[], list[Frame]]) -> None:
        """Take in the frames of the inbox."""
        # Before the reading: what is left in there meanwhile may not be seen.
        self._looked_ms = self._services.clock.now_ms()
        self._take_all(inbox())

    def _take_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if frame.id not in self._taken:
                self._waiting[frame.id] = Received(frame, decode_inbox(frame.body))

    def in_hand(self) -> list[Frame]:
        """Frames that came in hand and still wait; from now on they are in the inbox."""
        left = [frame for i, frame in self._handed.items() if i in self._waiting]
        self._handed.clear()
        return left

    def take_up(self, until_ms: float, inbox: Callable[[], list[Frame]]) -> bool:
        """Take up every frame that is ready.

        Returns:
            False if ready frames are left, since it is later than ``until_ms``.
        """
        in_time = self._take_up_ready(until_ms, inbox)
        if in_time:
            self._give_up_gaps()
        return in_time

    def _take_up_ready(self, until_ms: float, inbox: Callable[[], list[Frame]]) -> bool:
        while self._services.clock.now_ms() <= until_ms:
            if not self._waiting:
                return True
            timing = self._timing()
            waiting = sorted(self._waiting.values(), key=place)
            choice = choose(self._held.session, waiting, timing)
            if choice.ready is not None:
                self._take_up(choice.ready)
            elif choice.wait_ms is not None:
                # Earlier frames may come while this one settles, or have come already.
                look_ms = self._looked_ms + choice.wait_ms
                self._services.clock.wait_ms(max(0, look_ms - timing.now_ms))
                self.look(inbox)
            else:
                return True
        return False

    def _timing(self) -> Timing:
        return Timing(
            self._services.clock.now_ms(),
            self._looked_ms,
            self._held.lease.born_ms,
            self._services.settle_ms,
            self._was_answered,
        )

    def _was_answered(self, request_id: int) -> bool:
        """Look whether the log has the answer to a request of this session."""
        if request_id not in self._answered:
            request = Request(self._held.session.id, request_id)
            self._answered[request_id] = self._services.runner.was_answered(request)
        return self._answered[request_id]

    def _give_up_gaps(self) -> None:
        """End the connection when a frame has waited too long for one before it."""
        if not self._waiting:
            return
        oldest_ms = min(r.frame.stamp_ms for r in self._waiting.values())
        if self._services.settle_ms == 0:
            self._held.fatal(BadMessage("a message builds on one that was never sent"))
        # Only what the last look did not find has not come.
        if self._looked_ms - oldest_ms > GAP_PATIENCE_MS:
            raise Ended(CLOSE_AGAIN, "FrameLost")
        self._services.send_wake(self._held.connection, GAP_PATIENCE_MS + 1)

    def _take_up(self, received: Received) -> None:
        held, frame = self._held, received.frame
        self._origin = frame.origin
        del self._waiting[frame.id]
        self._taken.add(frame.id)
        if self._handed.pop(frame.id, None) is None:
            self.done.append(frame.id)
        try:
            step = receive(
                held.session,
                received.message,
                received_ms=frame.stamp_ms,
                give_up_ms=self._services.clock.now_ms() + ACTION_PATIENCE_MS,
            )
        except (BadMessage, BaseVersionMismatch) as error:
            held.fatal(error)
        except Overloaded as error:
            raise Ended(CLOSE_AGAIN, error.code) from error
        held.changed = held.changed or step.session is not held.session
        held.session = step.session
        for effect in step.effects:
            self._perform(effect)
        if isinstance(received.message, Connect | Authenticate | ModifyQuerySet):
            self._count_in()
        if step.due:
            held.lease = msgspec.structs.replace(held.lease, due=True)

    def _count_in(self) -> None:
        """Have it counted what this connection holds, and whose it is."""
        session = self._held.session
        try:
            self._services.turnstile.holds(
                self._held.connection, session.caller, len(session.queries)
            )
        except Overloaded as error:
            raise Ended(CLOSE_AGAIN, error.code) from error

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Enlist():
                self._enlist()
            case Verify(message=message):
                self._sign_in(message)
            case Run(message=message):
                self._run_mutation(message)
            case Start(message=message):
                self._start_action(message)
            case Answer(message=message):
                self._held.outbox.post_raw(bytes(message.response))
                self._held.newest = True

    def _enlist(self) -> None:
        held, session = self._held, self._held.session
        held.lease = msgspec.structs.replace(held.lease, drop_ms=session.patience_ms)
        enlist = self._services.enlist
        self._end_older(enlist(held.connection, session.id, session.number))

    def _sign_in(self, request: Authenticate) -> None:
        try:
            caller = self._services.verify(request)
        except EngineError as error:
            self._held.refuse_token(str(error), attempted=True)
        self._held.session = signed_in(self._held.session, caller)

    def _run_mutation(self, request: Mutation) -> None:
        held = self._held
        held.require_fresh_token()
        call = Call(
            request.udf_path,
            bytes(request.args),
            held.session.caller,
            origin=self._origin,
        )
        name = Request(held.session.id, request.request_id)
        try:
            outcome = self._services.runner.mutation(
                call,
                name,
                max_value_bytes=self._services.max_message_bytes - RESPONSE_ENVELOPE_BYTES,
                # A connection before this one may be at work on it yet.
                repeated=held.session.number > 0,
            )
        except EngineError as error:
            # Conflicts without end, or an unknown outcome: the client comes back and repeats.
            raise Ended(CLOSE_AGAIN, error.code) from error
        response = mutation_response(
            request.request_id,
            outcome,
            redacted=self._services.redacted,
            max_bytes=self._services.max_message_bytes,
        )
        held.outbox.post(response)
        # The transition that resolves it must not be older.
        held.lease = msgspec.structs.replace(
            held.lease, wake_ts=max(held.lease.wake_ts, outcome.ts)
        )
        if outcome.failure is None:
            self.committed[outcome.ts] = name

    def _start_action(self, request: Action) -> None:
        held = self._held
        held.require_fresh_token()
        self._services.start(
            ActionJob(
                held.connection,
                held.session.id,
                request.request_id,
                request.udf_path,
                request.args,
                held.session.caller,
                self._origin,
            )
        )
