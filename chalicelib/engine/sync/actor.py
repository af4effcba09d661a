"""The actor around a session: at most one invocation runs it at a time (docs/design.md 5)."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec

from chalicelib.engine.errors import ConnectionGone, OutcomeUnknown, PostUnanswered
from chalicelib.engine.ports import (
    Clock,
    Frame,
    Gateway,
    Ids,
    Lease,
    SessionStore,
    SubscriptionIndex,
)
from chalicelib.engine.sync.conversation import Conversation
from chalicelib.engine.sync.early import Early
from chalicelib.engine.sync.holding import CLOSE_AGAIN, CLOSE_INTERNAL
from chalicelib.engine.sync.services import Committed, Ended, Services
from chalicelib.engine.sync.states import States, decode_state, encode_state

LEASE_MS: Final = 35_000.0
"""How long a lease lasts: longer than the longest invocation that runs sessions, so that an
expired one means that its holder is gone. Source: API Gateway's integration timeout of 29 s."""

HOLD_MS: Final = 20_000.0
"""How long a session is run before it is handed over, work or not (docs/hazards.md B3)."""

LEAVE_TRIES: Final = 3
"""How often the answer of an action is left, while it is not known whether it was."""


class Actors:
    """Runs sessions: takes a lease, works, and gives it back."""

    def __init__(
        self,
        store: SessionStore,
        index: SubscriptionIndex,
        gateway: Gateway,
        *,
        clock: Clock,
        ids: Ids,
        services: Services,
    ) -> None:
        self._store, self._index, self._gateway = store, index, gateway
        self._clock, self._ids, self._services = clock, ids, services
        self._states = States()

    def take_frame(self, connection: str, frame: Frame) -> Committed:
        """Take up a frame: run the session with it, or leave it for whoever runs it now.

        Returns:
            The mutations that were answered, if it was run and all went well.
        """
        early, known = self._services.mover.early(), self._states.newest(connection)
        meanwhile = partial(early.run, known, frame) if known is not None else None
        owner, lease, mine = self._acquire(connection, meanwhile=meanwhile)
        if mine:
            return self._hold(connection, owner, lease, frame, early=early)
        if not self._ended(connection, lease):
            self._store.leave(connection, frame)
            # Put first, then counted: whoever sees the count finds the frame.
            self._try(connection, self._store.raise_left(connection))
        return {}

    def leave(self, connection: str, frame: Frame) -> None:
        """Put the answer of an action into the inbox, and run the session if nobody does."""
        for _ in range(LEAVE_TRIES):
            # Twice does no harm: the first one settles the action.
            with suppress(OutcomeUnknown):
                self._store.leave(connection, frame)
                break
        self._try(connection, self._store.raise_left(connection))

    def wake(self, connection: str, ts: int, until_ms: float = float("inf")) -> None:
        """Have the session look at the log up to ``ts``.

        It is run for ``HOLD_MS``, or until ``until_ms`` if that is sooner, then handed over.
        """
        owner, lease, mine = self._acquire(connection, wake_ts=ts)
        if mine:
            self._hold(connection, owner, lease, None, until_ms=until_ms)
        elif not self._ended(connection, lease):
            # Raised first, then tried: a holder that releases in between sees it.
            self._try(connection, self._store.raise_wake(connection, ts))

    def look(self, connection: str) -> None:
        """Run the session if something waits and nobody runs it."""
        self._try(connection, self._store.raise_wake(connection, 0))

    def visit(self, connection: str, lease: Lease, wake_ts: int) -> None:
        """What the tick does for one session: bury it, look into the inbox, wake it.

        A ``wake_ts`` above 0 runs the session even if nothing waits: it moves on to there,
        and pings its client if that is due.
        """
        if self._is_over(lease):
            lease = self._store.raise_wake(connection, 0)  # the roster may lag behind
        if self._ended(connection, lease) or lease.owner is not None:
            return
        # The inbox itself: a handler may have died between its put and its count.
        if wake_ts or lease.has_work or self._store.inbox(connection):
            owner, held, mine = self._acquire(connection, wake_ts)
            if mine:
                self._hold(connection, owner, held, None, look=True)

    def end(self, connection: str, code: int = CLOSE_AGAIN, reason: str = "") -> None:
        """Condemn a session, close its socket, and remove what it left; repeatable."""
        # In this order: nobody runs it any more; nothing more reaches the client; nobody
        # wakes it. Whoever meets a dead session that is not buried does the same again.
        self._store.condemn(connection)
        with suppress(PostUnanswered):  # the socket's own end, or the tick, comes after it
            self._gateway.close(connection, code, reason)
        self._index.remove_all(connection)
        self._store.bury(connection)
        self._states.drop(connection)
        self._services.turnstile.left(connection)

    def _acquire(
        self,
        connection: str,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> tuple[str, Lease, bool]:
        owner, now_ms = self._ids.transaction_id(), self._clock.now_ms()
        got = self._store.acquire(
            connection,
            owner,
            now_ms=now_ms,
            deadline_ms=now_ms + LEASE_MS,
            wake_ts=wake_ts,
            meanwhile=meanwhile,
        )
        return owner, got.lease, got.mine

    def _try(self, connection: str, lease: Lease) -> None:
        """Run the session unless somebody does, or there is nothing to do."""
        if self._ended(connection, lease) or lease.owner is not None or not lease.has_work:
            return
        owner, lease, mine = self._acquire(connection)
        if mine:
            self._hold(connection, owner, lease, None)
        else:
            self._ended(connection, lease)

    def _ended(self, connection: str, lease: Lease) -> bool:
        """Tell whether a session is dead, and finish it if it is.

        A lease that expired is never taken over: its holder may have posted, or may yet.
        """
        if not self._is_over(lease):
            return False
        self.end(connection, reason="SessionLost")
        return True

    def _is_over(self, lease: Lease) -> bool:
        expired = lease.owner is not None and lease.deadline_ms < self._clock.now_ms()
        return lease.dead or expired

    def _hold(
        self,
        connection: str,
        owner: str,
        lease: Lease,
        frame: Frame | None,
        *,
        look: bool = False,
        until_ms: float = float("inf"),
        early: Early | None = None,
    ) -> Committed:
        """Run the session; return the mutations that it answered, if all went well."""
        # Counted from when it was taken, as the lease itself.
        until_ms = min(until_ms, lease.deadline_ms - LEASE_MS + HOLD_MS)
        try:
            return self._run(
                connection, owner, lease, frame, early, look=look, until_ms=until_ms
            )
        except (ConnectionGone, PostUnanswered):
            self.end(connection)
        except Ended as ended:
            self.end(connection, ended.close_code, ended.reason)
        except Exception as error:  # noqa: BLE001 - others wait behind this session
            # In doubt it is closed: its client comes back and starts clean.
            self._services.report(error, "sync:session", connection)
            self.end(connection, CLOSE_INTERNAL, "InternalServerError")
        return {}

    def _run(
        self,
        connection: str,
        owner: str,
        lease: Lease,
        frame: Frame | None,
        early: Early | None,
        *,
        look: bool,
        until_ms: float,
    ) -> Committed:
        self._services.turnstile.woken(connection)
        known = self._states.get(connection, lease.revision)
        session = known or decode_state(self._store.state(connection), lease.revision)
        talk = Conversation(self._services, connection, session, lease, self._end_older)
        talk.early = early
        if frame is not None:
            talk.frames.take(frame)
        look = look or lease.left != lease.drained
        inbox = partial(self._inbox, connection)
        while True:
            late = self._clock.now_ms() > until_ms
            if look:
                talk.frames.look(inbox)
            if not late:
                late = not talk.work(until_ms, inbox)
            self._put_back(talk)
            saved = self._save(connection, talk)
            # What waits for the client would have the release refused for ever.
            final = late or talk.is_held_up
            if self._store.release(connection, owner, saved, final=final):
                if talk.session is not known:
                    self._states.put(connection, saved.revision, talk.session)
                if self._goes_on(talk, saved, late=late):
                    # After the release: sent before, it would find the lease held.
                    self._services.send_wake(connection, 0)
                if talk.look_again_ms is not None:
                    self._services.send_wake(connection, talk.look_again_ms)
                return talk.committed
            lease = self._store.raise_wake(connection, 0)
            if lease.owner != owner or lease.dead:
                self._ended(connection, lease)
                return {}
            talk.lease = msgspec.structs.replace(
                saved, left=lease.left, wake_ts=lease.wake_ts
            )
            look = True

    def _goes_on(self, talk: Conversation, saved: Lease, *, late: bool) -> bool:
        """Tell whether there is more to do for a session that was just released."""
        if late or not talk.is_held_up:
            return late or saved.due
        # Its client may have caught up while the lease was held, when nobody could be told.
        left = self._store.raise_wake(talk.connection, 0).left
        return left != saved.left or not talk.client_is_behind()

    def _inbox(self, connection: str) -> list[Frame]:
        frames = self._store.inbox(connection)
        # A burial removes frames: whoever took their absence for a gap that has settled would
        # run requests before those that the client is about to repeat.
        if self._store.raise_wake(connection, 0).dead:
            raise ConnectionGone("the session was condemned while it was run")
        return frames

    def _put_back(self, talk: Conversation) -> None:
        """Drop the frames that were taken up; leave one in hand that could not be yet."""
        if not talk.has_frames:
            return
        frames = talk.frames
        for frame in frames.in_hand():
            self._store.leave(talk.connection, frame)
            self._store.raise_left(talk.connection)
            # Only our own: a frame that somebody else left meanwhile refuses the release.
            talk.lease = msgspec.structs.replace(talk.lease, left=talk.lease.left + 1)
        self._store.drop_frames(talk.connection, frames.done)
        frames.done.clear()
        drained = talk.lease.left - frames.waiting_count
        talk.lease = msgspec.structs.replace(talk.lease, drained=drained)

    def _save(self, connection: str, talk: Conversation) -> Lease:
        """Write the state if it changed; return the lease to release."""
        if talk.changed:
            revision = talk.lease.revision + 1
            talk.lease = msgspec.structs.replace(talk.lease, revision=revision)
            self._store.write_state(connection, encode_state(talk.session, revision))
            talk.changed = False
        return talk.lease

    def _end_older(self, connections: list[str]) -> None:
        for connection in connections:
            self.end(connection, reason="Replaced")
