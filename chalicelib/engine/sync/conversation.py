"""One holding of a session: takes up frames in order, performs their effects, moves it on."""

from collections.abc import Callable, Iterable
from typing import Final, NoReturn

import msgspec

from chalicelib.engine.auth import has_expired, user_of
from chalicelib.engine.errors import (
    BadMessage,
    BaseVersionMismatch,
    EngineError,
    MessageTooLarge,
    Overloaded,
)
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import Origin, Request
from chalicelib.engine.ports import Frame, Lease
from chalicelib.engine.sync.messages import (
    Action,
    ActionDone,
    ActionResponse,
    Authenticate,
    AuthError,
    Connect,
    FatalError,
    ModifyQuerySet,
    Mutation,
    Ping,
    Transition,
    decode_inbox,
    encode,
)
from chalicelib.engine.sync.order import GAP_PATIENCE_MS, Received, Timing, choose, place
from chalicelib.engine.sync.outbox import (
    RESPONSE_ENVELOPE_BYTES,
    Outbox,
    mutation_response,
)
from chalicelib.engine.sync.services import ActionJob, Committed, Ended, Services
from chalicelib.engine.sync.session import (
    Answer,
    Effect,
    Enlist,
    LiveQuery,
    Run,
    Session,
    Start,
    Verify,
    receive,
    signed_in,
)
from chalicelib.engine.sync.telling import message, pack, unpack
from chalicelib.engine.sync.transition import Moved

ACTION_PATIENCE_MS: Final = 630_000.0
"""How long an action may take until it is answered as failed: ten minutes and a margin."""

MAX_UNSENT: Final = 2
"""Messages that a client may leave untaken until it gets no further transition.

Source: docs/protocol.md 4.5, the server that clients know buffers two transitions.
"""

FIRST_ROOM_MS: Final = 1_000.0
"""After how long a transition is offered again that there was no room for, in milliseconds; twice
that after the next refusal, and so on."""

MAX_REFUSED: Final = 5
"""Refusals in a row, half a minute of them, after which a client that does not read is closed."""

QUEUE_EARLY_MS: Final = 1_000.0
"""How much sooner than asked for a queue may deliver. Source: ``JobQueue.send``."""

CLOSE_INTERNAL: Final = 1011
CLOSE_NORMAL: Final = 1000
CLOSE_AGAIN: Final = 1013


class Conversation:
    """What the holder of a lease does with it."""

    def __init__(
        self, services: Services, connection: str, session: Session, lease: Lease
    ) -> None:
        self._services, self.connection = services, connection
        self.session, self.lease = session, lease
        self.changed = self.is_held_up = False
        self.look_again_ms: float | None = None
        self.done: list[str] = []
        self.committed: Committed = {}
        self.end_older: Callable[[list[str]], None] = lambda _: None
        self._waiting: dict[str, Received] = {}
        self._handed: dict[str, Frame] = {}
        self._taken: set[str] = set()
        self._origin: Origin | None = None
        self._answered: dict[int, bool] = {}
        self._looked_ms = 0.0
        # What the client waits for may lie beyond what this process has read of the log:
        # somebody else may have answered it, or an action have done it elsewhere.
        self._behind = lease.due
        self._digests = unpack(lease.digests)
        self._outbox = Outbox(
            services.gateway,
            services.clock,
            connection,
            services.max_message_bytes,
            services.offer,
        )

    @property
    def waiting_count(self) -> int:
        """How many frames could not be taken up."""
        return len(self._waiting)

    def take(self, frame: Frame) -> None:
        """Take in a frame that is not in the inbox."""
        self._handed[frame.id] = frame
        self._take_all([frame])

    def client_is_behind(self) -> bool:
        """Tell whether a client has transitions to take before it gets another one."""
        if self.session.behind_until_ms > self._services.clock.now_ms():
            return True
        return self._services.unsent(self.connection) >= MAX_UNSENT

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

    def work(self, until_ms: float, inbox: Callable[[], list[Frame]]) -> bool:
        """Take up every frame that is ready, then move the session on if that is due.

        Returns:
            False if ready frames are left, since it is later than ``until_ms``.
        """
        in_time = self._take_up_ready(until_ms, inbox)
        if in_time:
            self._give_up_gaps()
        self._give_up_actions()
        if self.session.id and (self.lease.due or self.lease.wake_ts > self.lease.seen):
            self.is_held_up = self.client_is_behind()
            if self.is_held_up:
                # Later changes join this one: they go out in one transition.
                self._services.reruns.merged()
            else:
                self._move()
        self._ping_if_idle()
        return in_time

    def _take_up_ready(self, until_ms: float, inbox: Callable[[], list[Frame]]) -> bool:
        while self._services.clock.now_ms() <= until_ms:
            timing = self._timing()
            waiting = sorted(self._waiting.values(), key=place)
            choice = choose(self.session, waiting, timing)
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
            self.lease.born_ms,
            self._services.settle_ms,
            self._was_answered,
        )

    def _was_answered(self, request_id: int) -> bool:
        """Look whether the log has the answer to a request of this session."""
        if request_id not in self._answered:
            request = Request(self.session.id, request_id)
            self._answered[request_id] = self._services.runner.was_answered(request)
        return self._answered[request_id]

    def _take_up(self, received: Received) -> None:
        frame = received.frame
        self._origin = frame.origin
        del self._waiting[frame.id]
        self._taken.add(frame.id)
        if self._handed.pop(frame.id, None) is None:
            self.done.append(frame.id)
        try:
            step = receive(
                self.session,
                received.message,
                received_ms=frame.stamp_ms,
                give_up_ms=self._services.clock.now_ms() + ACTION_PATIENCE_MS,
            )
        except (BadMessage, BaseVersionMismatch) as error:
            self._fatal(error)
        except Overloaded as error:
            raise Ended(CLOSE_AGAIN, error.code) from error
        self.changed = self.changed or step.session is not self.session
        self.session = step.session
        for effect in step.effects:
            self._perform(effect)
        if isinstance(received.message, Connect | Authenticate | ModifyQuerySet):
            self._count_in()
        if step.due:
            self.lease = msgspec.structs.replace(self.lease, due=True)

    def _count_in(self) -> None:
        """Have it counted what this connection holds, and whose it is."""
        session = self.session
        try:
            self._services.turnstile.holds(
                self.connection, session.caller, len(session.queries)
            )
        except Overloaded as error:
            raise Ended(CLOSE_AGAIN, error.code) from error

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Enlist():
                self.lease = msgspec.structs.replace(
                    self.lease, drop_ms=self.session.patience_ms
                )
                enlist = self._services.enlist
                self.end_older(
                    enlist(self.connection, self.session.id, self.session.number)
                )
            case Verify(message=message):
                self._sign_in(message)
            case Run(message=message):
                self._run_mutation(message)
            case Start(message=message):
                self._start_action(message)
            case Answer(message=message):
                self._outbox.post_raw(bytes(message.response))
                self._behind = True

    def _sign_in(self, request: Authenticate) -> None:
        try:
            caller = self._services.verify(request)
        except EngineError as error:
            self._refuse_token(str(error), attempted=True)
        self.session = signed_in(self.session, caller)

    def _refuse_token(self, why: str, *, attempted: bool) -> NoReturn:
        self._outbox.post(
            AuthError(
                error=why,
                base_version=self.lease.version[1],
                auth_update_attempted=attempted,
            )
        )
        raise Ended(CLOSE_NORMAL, "AuthError")

    def _require_fresh_token(self) -> None:
        user = user_of(self.session.caller)
        if user is not None and has_expired(user, self._services.clock.now_ms()):
            self._refuse_token("The token has expired: fetch a new one.", attempted=False)

    def _run_mutation(self, request: Mutation) -> None:
        self._require_fresh_token()
        call = Call(
            request.udf_path,
            bytes(request.args),
            self.session.caller,
            origin=self._origin,
        )
        name = Request(self.session.id, request.request_id)
        try:
            outcome = self._services.runner.mutation(
                call,
                name,
                max_value_bytes=self._services.max_message_bytes - RESPONSE_ENVELOPE_BYTES,
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
        self._outbox.post(response)
        # The transition that resolves it must not be older.
        self.lease = msgspec.structs.replace(
            self.lease, wake_ts=max(self.lease.wake_ts, outcome.ts)
        )
        if outcome.failure is None:
            self.committed[outcome.ts] = name

    def _start_action(self, request: Action) -> None:
        self._require_fresh_token()
        self._services.start(
            ActionJob(
                self.connection,
                self.session.id,
                request.request_id,
                request.udf_path,
                request.args,
                self.session.caller,
                self._origin,
            )
        )

    def _move(self) -> None:
        """Send what the client has not seen, if there is anything to say."""
        self._require_fresh_token()
        try:
            moved = self._services.mover.move(
                self.connection, self.session, self.lease, newest=self._behind
            )
        except EngineError as error:
            raise Ended(CLOSE_AGAIN, error.code) from error
        self._behind = False
        now_ms = self._services.clock.now_ms()
        transition, digests = message(
            moved,
            self.lease,
            self._digests,
            redacted=self._services.redacted,
            now_ms=now_ms,
        )
        lease = self.lease
        sends = bool(lease.due or transition.modifications)
        changed = {m.query_id for m in transition.modifications} & moved.outcomes.keys()
        if sends and not self._has_room_for(transition):
            self._hold_back(moved, changed)
            return
        self._services.reruns.moved(
            self.connection,
            moved.session,
            moved.step,
            ts=moved.ts,
            changed=changed,
            sent=sends,
            now_ms=now_ms,
        )
        if sends:
            version = self.session.query_set, self.session.identity, moved.ts
            lease = msgspec.structs.replace(lease, version=version, digests=pack(digests))
            self._digests = digests
        self.lease = msgspec.structs.replace(
            lease,
            seen=max(lease.seen, moved.ts),
            due=moved.overtaken,
            sent_ms=self._sent_ms(),
        )
        # Removed only now: until it was sent, the old ones were still needed.
        self._services.index.remove(moved.obsolete)
        after = msgspec.structs.replace(
            moved.session, dropped={}, refused=0, behind_until_ms=0
        )
        self.changed = self.changed or after != self.session
        self.session = after

    def _has_room_for(self, transition: Transition) -> bool:
        """Send a transition; False if the gateway has no room for it."""
        try:
            return self._outbox.post_transition(transition, chunked=self.session.is_js)
        except MessageTooLarge as error:
            raise Ended(CLOSE_INTERNAL, "TransitionTooLarge") from error

    def _hold_back(self, moved: Moved, changed: set[int]) -> None:
        """Keep what there was no room for: it is sent with what has changed by then.

        The session has moved on, and its subscriptions with it; but the queries that had
        something to say count as never run, and what was dropped is told once more.
        """
        self._services.reruns.merged()
        refused = self.session.refused + 1
        if refused > MAX_REFUSED:
            raise Ended(CLOSE_AGAIN, "ClientTooSlow")
        wait_ms = FIRST_ROOM_MS * 2 ** (refused - 1)
        self.session = msgspec.structs.replace(
            moved.session,
            queries={
                i: _untold(query, self.session.queries[i]) if i in changed else query
                for i, query in moved.session.queries.items()
            },
            dropped=dict.fromkeys(moved.session.dropped, ()),
            refused=refused,
            behind_until_ms=self._services.clock.now_ms() + wait_ms,
        )
        self._services.index.remove(moved.obsolete)
        seen = max(self.lease.seen, moved.ts)
        self.lease = msgspec.structs.replace(self.lease, seen=seen, due=True)
        self.changed = self.is_held_up = True
        self.look_again_ms = wait_ms + QUEUE_EARLY_MS

    def _ping_if_idle(self) -> None:
        """Keep the client from giving up: two thirds of its patience, less one tick."""
        if not self.session.id:
            return
        idle_ms = self._services.clock.now_ms() - max(self._sent_ms(), self.lease.born_ms)
        if idle_ms > self.lease.drop_ms * 2 / 3 - self._services.tick_ms:
            self._outbox.post(Ping())
        self.lease = msgspec.structs.replace(self.lease, sent_ms=self._sent_ms())

    def _sent_ms(self) -> float:
        return max(self.lease.sent_ms, self._outbox.sent_ms)

    def _give_up_gaps(self) -> None:
        """End the connection when a frame has waited too long for one before it."""
        if not self._waiting:
            return
        oldest_ms = min(r.frame.stamp_ms for r in self._waiting.values())
        if self._services.settle_ms == 0:
            self._fatal(BadMessage("a message builds on one that was never sent"))
        # Only what the last look did not find has not come.
        if self._looked_ms - oldest_ms > GAP_PATIENCE_MS:
            raise Ended(CLOSE_AGAIN, "FrameLost")
        self._services.send_wake(self.connection, GAP_PATIENCE_MS + 1)

    def _give_up_actions(self) -> None:
        """Answer for actions whose job died after its claim."""
        now_ms = self._services.clock.now_ms()
        for request_id, at_ms in list(self.session.actions.items()):
            if at_ms < now_ms:
                done = _lost_action(request_id)
                step = receive(self.session, done, received_ms=now_ms, give_up_ms=0)
                self.session, self.changed = step.session, True
                self._outbox.post_raw(bytes(done.response))
                self.lease = msgspec.structs.replace(self.lease, due=True)

    def _fatal(self, error: EngineError) -> NoReturn:
        self._outbox.post(FatalError(error=f"{error.code}: {error}"))
        raise Ended(CLOSE_NORMAL, error.code)


def _untold(query: LiveQuery, before: LiveQuery) -> LiveQuery:
    """A query whose run the client has not heard of: where its page ended counts no more."""
    return msgspec.structs.replace(query, ran=False, journal=before.journal)


def _lost_action(request_id: int) -> ActionDone:
    response = ActionResponse(
        request_id=request_id,
        success=False,
        result=msgspec.Raw(b'"The action did not finish; it may have had effects."'),
    )
    return ActionDone(request_id=request_id, response=msgspec.Raw(encode(response)))
