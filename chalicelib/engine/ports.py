"""The other ports: what the engine asks of the world, apart from storage of data.

Every port has one conformance suite, run over each adapter. Adapters are safe under
threads.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec

from chalicelib.engine.log import IndexKey, Origin
from chalicelib.engine.persistence import Interval
from chalicelib.engine.values.order import split_fields

ROSTER_SHARDS: Final = 16
"""Parts of the roster of sessions; each is visited by a tick of its own (docs/design.md 5)."""


def roster_shard(connection: str) -> int:
    """Tell which part of the roster a connection belongs to."""
    return zlib.crc32(connection.encode()) % ROSTER_SHARDS


class Clock(Protocol):
    """Time: read, and waited for."""

    def now_ms(self) -> float:
        """Milliseconds since the Unix epoch."""
        ...

    def wait_ms(self, duration_ms: float) -> None:
        """Return after about ``duration_ms``."""
        ...


class Ids(Protocol):
    """Chance, where the engine may not have its own."""

    def transaction_id(self) -> str:
        """A name that no other transaction has or will have."""
        ...

    def seed(self) -> bytes:
        """16 bytes that seed one run of a function."""
        ...


class Gateway(Protocol):
    """Sends to sockets. Posts that are awaited one by one arrive in order."""

    def post(self, connection: str, data: bytes) -> None:
        """Send one text message; return when the gateway has taken it.

        What was surely not sent, as for load, is repeated by the adapter for a few seconds;
        nothing else is.

        Raises:
            ConnectionGone: the socket is closed.
            PostUnanswered: the message may have been sent, or was refused for too long. It
                must not be repeated.
            MessageTooLarge: the gateway does not take messages of this size.
        """
        ...

    def close(self, connection: str, code: int, reason: str) -> None:
        """Close the socket if it is open. ``code`` and ``reason`` may not reach the client.

        Raises:
            PostUnanswered: the socket may still be open. Closing may be repeated.
        """
        ...


@runtime_checkable
class Backlogged(Gateway, Protocol):
    """A gateway that knows what its clients have not taken yet.

    It tells when one has (``Backend.drained``), after :meth:`unsent` was asked about it.
    """

    def unsent(self, connection: str) -> int:
        """How many messages were posted that the network has not taken; 0 if it is closed."""
        ...


@runtime_checkable
class Refusing(Gateway, Protocol):
    """A gateway that refuses messages while it has no room for more to a socket."""

    def offer(self, connection: str, data: bytes) -> bool:
        """Send one text message like :meth:`post`, or tell soon that it was surely not sent.

        Returns:
            False if it was refused for load: the client is slow, or there is too much of all.
        """
        ...


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One message of a client, or an answer that an action left for it.

    ``stamp_ms`` is when the gateway received it, ``id`` is unique within the connection and
    breaks ties of the stamp. ``origin`` is from where the client speaks.
    """

    id: str
    stamp_ms: float
    body: bytes
    origin: Origin | None = None


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The small item of a session, read and written by everybody who wants to run it.

    ``left`` counts frames that were ever left in the inbox, ``drained`` how many of them
    were counted when the session was last released. ``wake_ts`` is the newest commit that
    somebody wants the session to look at, ``seen`` the timestamp up to which it has
    examined the log. ``version`` and ``digests`` are those of the last message sent,
    ``revision`` names the state item that goes with them. ``sent_ms`` is when something was
    last sent.
    """

    owner: str | None = None
    deadline_ms: float = 0
    left: int = 0
    drained: int = 0
    wake_ts: int = 0
    seen: int = 0
    version: tuple[int, int, int] = (0, 0, 0)
    digests: bytes = b""
    revision: int = 0
    due: bool = False
    dead: bool = False
    born_ms: float = 0
    sent_ms: float = 0
    drop_ms: float = 0
    """How long the client may go without a message before it gives the connection up."""

    @property
    def has_work(self) -> bool:
        """Tell whether frames or commits wait that nobody has looked at."""
        return self.left != self.drained or self.wake_ts > self.seen or self.due


class Acquired(msgspec.Struct, frozen=True):
    """The answer to a try at a lease. ``mine``: it was free, and is now the caller's."""

    lease: Lease
    mine: bool


class SessionStore(Protocol):
    """Leases, states and inboxes of sessions; one of each for each connection.

    A session is an actor: whoever acquires its lease runs it until it releases it. A lease
    that has expired is never acquired; the session is condemned and buried instead.
    Every call is one atomic step, save burying and enlisting, which are repeated if they
    were interrupted. A call about a session that does not exist changes nothing, unless it
    says so, and is answered as if the session were dead.
    """

    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Acquired:
        """Take the lease if it is free and the session not dead; create it if need be.

        The owner of a lease that has not expired gets it again, as it is now, its deadline
        unchanged: so a try whose answer was lost is simply repeated, and a holder whose
        release was refused learns why. ``owner`` is a name that only one invocation uses.

        If the caller gets the lease, ``wake_ts`` is raised to at least the one given; else
        nothing is changed. A session is created only when ``wake_ts`` is 0; otherwise a
        missing one is answered as dead.

        A store that is far away calls ``meanwhile`` while it is asked, and returns when both
        are done; others do without it. It must not raise.
        """
        ...

    def raise_wake(self, connection: str, wake_ts: int) -> Lease:
        """Raise ``wake_ts`` of a living session, and return the lease as it is now.

        Never lowers it, never creates a session. With 0 it only reads.
        """
        ...

    def leave(self, connection: str, frame: Frame) -> None:
        """Put a frame into the inbox of a living session.

        Raises:
            Overloaded: 1,000 frames or 4 MB are waiting already.
            OutcomeUnknown: the frame may be there, or come yet. Leaving it again may have it
                taken up twice.
        """
        ...

    def raise_left(self, connection: str) -> Lease:
        """Count one frame more as left, and return the lease as it is now."""
        ...

    def inbox(self, connection: str) -> list[Frame]:
        """Read all frames that wait, by stamp and id."""
        ...

    def drop_frames(self, connection: str, ids: Iterable[str]) -> None:
        """Remove frames from the inbox; absent ones are ignored."""
        ...

    def state(self, connection: str) -> bytes:
        """Read the state item; empty if none was written."""
        ...

    def write_state(self, connection: str, state: bytes) -> None:
        """Write the state item. Only the holder of the lease does."""
        ...

    def release(self, connection: str, owner: str, lease: Lease, *, final: bool) -> bool:
        """Save and give back the lease in one step.

        Refused (False) if ``owner`` does not hold it or the session is dead; and, unless
        ``final``, if more frames were left than ``lease.left`` or ``wake_ts`` is above
        ``lease.seen``. ``left``, ``wake_ts``, ``dead`` and ``born_ms`` of the stored item
        are kept as they are.
        """
        ...

    def condemn(self, connection: str) -> None:
        """Mark the session dead, for ever. Nobody acquires it any more.

        One that does not exist is created dead: its first frame may still be under way.
        """
        ...

    def bury(self, connection: str) -> None:
        """Remove what a condemned session left: state, inbox, roster; keep the dead lease.

        The dead lease goes by itself: not before a day has passed, or, where one process has all
        sessions, not before every frame of it must have come. That it is dead may be all that is
        left of it. A session stays on the roster until its burial is finished.
        """
        ...

    def enlist(self, connection: str, session: str, number: int) -> list[str]:
        """Record the connection under its session and in the roster.

        Returns:
            Other living connections of this session with a lower number.
        """
        ...

    def roster(self, shard: int) -> list[tuple[str, Lease]]:
        """Read the enlisted sessions of one of the ``ROSTER_SHARDS``, buried ones left out.

        The reading may lag by a moment: look again (:meth:`raise_wake`) before acting.
        """
        ...

    def leases(self, connections: Sequence[str]) -> dict[str, Lease]:
        """Read several leases together; a session that does not exist is left out.

        Like that of the roster the reading may lag by a moment, and costs half of one that
        does not.
        """
        ...


class Subscription(msgspec.Struct, frozen=True, array_like=True, order=True):
    """That a session reads ``interval``, whose keys all begin with ``prefix``.

    ``prefix`` is one of those that :func:`prefixes` gives for every such key: some whole
    leading fields, perhaps none, or the whole key.
    """

    prefix: bytes
    interval: Interval
    connection: str


def prefixes(key: bytes) -> Iterator[bytes]:
    """Every prefix under which somebody may have subscribed to ``key``, shortest first."""
    yield b""
    end = 0
    for field in split_fields(key):
        end += len(field)
        yield key[:end]
    if end < len(key):
        yield key


class SubscriptionIndex(Protocol):
    """Who reads what, found by prefix: cost grows with matches, not with subscriptions."""

    def add(self, subscriptions: Sequence[Subscription]) -> None:
        """Record subscriptions; idempotent. On return, every later match finds them."""
        ...

    def remove(self, subscriptions: Sequence[Subscription]) -> None:
        """Forget subscriptions; absent ones are ignored."""
        ...

    def remove_all(self, connection: str) -> None:
        """Forget every subscription of a connection."""
        ...

    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        """Connections with an interval that holds one of ``keys``.

        Not ``newest`` it may lag by a moment, and costs half.
        """
        ...


class JobQueue(Protocol):
    """Hands a message to a later invocation: at least once, in any order."""

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Deliver ``body``, which is JSON, to the job handler after about ``delay_ms``.

        It may come up to a second sooner, since queues count whole seconds; the receiver
        waits for the rest. A delay that is longer than the queue can hold (15 minutes for SQS)
        is cut to that: the receiver looks at the time and sends the message on.

        Raises:
            MessageTooLarge: ``body`` is larger than the queue takes, 1 MiB.
            StorageUnavailable: the message may not have been taken.
        """
        ...


class CursorSeal(Protocol):
    """Makes cursors opaque: they name index keys, of hidden documents too."""

    def seal(self, plain: bytes) -> str:
        """Return ``plain`` as opaque text; the same bytes give the same text."""
        ...

    def open(self, sealed: str) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidCursor: it is no text of :meth:`seal`.
        """
        ...


Wake = Callable[[int], None]
"""Called in process after a commit, with its timestamp."""
