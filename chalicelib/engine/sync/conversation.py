"""One holding of a session: has its frames taken up, and moves it on."""

from collections.abc import Callable
from typing import Final

import msgspec

from chalicelib.engine.errors import EngineError, MessageTooLarge
from chalicelib.engine.ports import Frame, Lease
from chalicelib.engine.sync.early import Early
from chalicelib.engine.sync.holding import CLOSE_AGAIN, CLOSE_INTERNAL, Holding
from chalicelib.engine.sync.messages import (
    ActionDone,
    ActionResponse,
    Ping,
    Transition,
    encode,
)
from chalicelib.engine.sync.reception import EndOlder, Reception
from chalicelib.engine.sync.services import Committed, Ended, Services
from chalicelib.engine.sync.session import LiveQuery, Session, receive
from chalicelib.engine.sync.telling import message, pack, unpack
from chalicelib.engine.sync.transition import Moved

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


class Conversation(Holding):
    """What the holder of a lease does with it.

    Most holdings are wake-ups, for which there is not one frame: what takes frames up is made
    when there may be some.
    """

    def __init__(
        self,
        services: Services,
        connection: str,
        session: Session,
        lease: Lease,
        end_older: EndOlder,
    ) -> None:
        super().__init__(services, connection, session, lease)
        self._end_older = end_older
        self._reception: Reception | None = None
        self.is_held_up = False
        self.look_again_ms: float | None = None
        self.early: Early | None = None

    @property
    def frames(self) -> Reception:
        """What takes up the frames of this holding."""
        if self._reception is None:
            self._reception = Reception(self, self._end_older)
        return self._reception

    @property
    def has_frames(self) -> bool:
        """Whether it may have to do with frames at all."""
        return self._reception is not None

    @property
    def committed(self) -> Committed:
        """The mutations that were answered."""
        return self._reception.committed if self._reception is not None else {}

    def client_is_behind(self) -> bool:
        """Tell whether a client has transitions to take before it gets another one."""
        until_ms = self.session.behind_until_ms
        if until_ms and until_ms > self.services.clock.now_ms():
            return True
        return self.services.unsent(self.connection) >= MAX_UNSENT

    def work(self, until_ms: float, inbox: Callable[[], list[Frame]]) -> bool:
        """Take up every frame that is ready, then move the session on if that is due.

        Returns:
            False if ready frames are left, since it is later than ``until_ms``.
        """
        in_time = self._reception is None or self._reception.take_up(until_ms, inbox)
        if self.session.actions:
            self._give_up_actions()
        if self.session.id and (self.lease.due or self.lease.wake_ts > self.lease.seen):
            self.is_held_up = self.client_is_behind()
            if self.is_held_up:
                # Later changes join this one: they go out in one transition.
                self.services.reruns.merged()
            else:
                self._move()
        self._ping_if_idle()
        return in_time

    def _move(self) -> None:
        """Send what the client has not seen, if there is anything to say."""
        self.require_fresh_token()
        try:
            moved = self.services.mover.move(
                self.connection,
                self.session,
                self.lease,
                newest=self.newest,
                early=self.early,
            )
        except EngineError as error:
            raise Ended(CLOSE_AGAIN, error.code) from error
        self.newest = False
        now_ms = self.services.clock.now_ms()
        transition, digests = message(
            moved,
            self.lease,
            unpack(self.lease.digests),
            redacted=self.services.redacted,
            now_ms=now_ms,
        )
        lease = self.lease
        sends = bool(lease.due or transition.modifications)
        changed = {m.query_id for m in transition.modifications} & moved.outcomes.keys()
        if sends and not self._has_room_for(transition):
            self._hold_back(moved, changed)
            return
        self.services.reruns.moved(
            self.connection,
            moved.session,
            moved.step,
            ts=moved.ts,
            changed=changed,
            sent=sends,
            now_ms=now_ms,
        )
        version, told = lease.version, lease.digests
        if sends:
            version = self.session.query_set, self.session.identity, moved.ts
            told = pack(digests)
        self.lease = msgspec.structs.replace(
            lease,
            version=version,
            digests=told,
            seen=max(lease.seen, moved.ts),
            due=moved.overtaken,
            sent_ms=max(lease.sent_ms, self.outbox.sent_ms),
        )
        # Removed only now: until it was sent, the old ones were still needed.
        if moved.obsolete:
            self.services.index.remove(moved.obsolete)
        after = _up_to_date(moved.session)
        if after is not self.session:
            self.changed = self.changed or after != self.session
            self.session = after

    def _has_room_for(self, transition: Transition) -> bool:
        """Send a transition; False if the gateway has no room for it."""
        try:
            return self.outbox.post_transition(transition, chunked=self.session.is_js)
        except MessageTooLarge as error:
            raise Ended(CLOSE_INTERNAL, "TransitionTooLarge") from error

    def _hold_back(self, moved: Moved, changed: set[int]) -> None:
        """Keep what there was no room for: it is sent with what has changed by then.

        The session has moved on, and its subscriptions with it; but the queries that had
        something to say count as never run, and what was dropped is told once more.
        """
        self.services.reruns.merged()
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
            behind_until_ms=self.services.clock.now_ms() + wait_ms,
        )
        self.services.index.remove(moved.obsolete)
        seen = max(self.lease.seen, moved.ts)
        self.lease = msgspec.structs.replace(self.lease, seen=seen, due=True)
        self.changed = self.is_held_up = True
        self.look_again_ms = wait_ms + QUEUE_EARLY_MS

    def _ping_if_idle(self) -> None:
        """Keep the client from giving up: two thirds of its patience, less one tick."""
        if not self.session.id:
            return
        lease, outbox = self.lease, self.outbox
        heard_ms = max(lease.sent_ms, outbox.sent_ms, lease.born_ms)
        idle_ms = self.services.clock.now_ms() - heard_ms
        if idle_ms > lease.drop_ms * 2 / 3 - self.services.tick_ms:
            self.outbox.post(Ping())
        if outbox.sent_ms > lease.sent_ms:
            self.lease = msgspec.structs.replace(lease, sent_ms=outbox.sent_ms)

    def _give_up_actions(self) -> None:
        """Answer for actions whose job died after its claim."""
        now_ms = self.services.clock.now_ms()
        for request_id, at_ms in list(self.session.actions.items()):
            if at_ms < now_ms:
                done = _lost_action(request_id)
                step = receive(self.session, done, received_ms=now_ms, give_up_ms=0)
                self.session, self.changed = step.session, True
                self.outbox.post_raw(bytes(done.response))
                self.lease = msgspec.structs.replace(self.lease, due=True)


def _up_to_date(session: Session) -> Session:
    """The session of a client that was told everything; mostly that is the same one."""
    if not (session.dropped or session.refused or session.behind_until_ms):
        return session
    return msgspec.structs.replace(session, dropped={}, refused=0, behind_until_ms=0)


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
