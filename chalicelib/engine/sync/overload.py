"""Keeps one connection, and one user, from taking more than their share.

What is over a limit has its connection closed with a reason that makes the stock clients wait
before they come back (docs/protocol.md 4.1); when the burst is over, nothing needs to be done.

The counts of a connection's live queries are its session's own, and hold everywhere. The rates,
and what belongs to a user, are counted by each process of what passes through it: exact on the
local server, which is one process; on AWS a bound for each process.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

import msgspec

from chalicelib.engine.auth import Caller, user_of
from chalicelib.engine.errors import Overloaded
from chalicelib.engine.limits import (
    BURST_S,
    MAX_CONNECTION_BYTES_PER_S,
    MAX_CONNECTION_MESSAGES_PER_S,
    MAX_CONNECTION_QUERIES,
    MAX_USER_BYTES_PER_S,
    MAX_USER_MESSAGES_PER_S,
    MAX_USER_QUERIES,
    MAX_USER_SOCKETS,
)
from chalicelib.engine.ports import Clock

KEPT_CONNECTIONS: Final = 100_000
"""Connections that a process counts for; beyond, the one not heard of for longest is forgotten."""

FORGOTTEN_MS: Final = 600_000.0
"""After how long without a frame or a wake-up a connection counts no more, in milliseconds.

Source: API Gateway's idle cut-off. On AWS another process may have seen it end.
"""


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What is allowed; see ``limits`` for the reasons."""

    connection_queries: int = MAX_CONNECTION_QUERIES
    connection_messages_per_s: float = MAX_CONNECTION_MESSAGES_PER_S
    connection_bytes_per_s: float = MAX_CONNECTION_BYTES_PER_S
    user_queries: int = MAX_USER_QUERIES
    user_sockets: int = MAX_USER_SOCKETS
    user_messages_per_s: float = MAX_USER_MESSAGES_PER_S
    user_bytes_per_s: float = MAX_USER_BYTES_PER_S


class _Bucket:
    """Tokens that come at a steady rate, up to those of ``BURST_S`` seconds.

    Whoever finds one left may take any number, and leave a debt: else nothing that is larger
    than the bucket could ever pass.
    """

    __slots__ = ("_at_ms", "_per_ms", "_tokens")

    def __init__(self, per_s: float, now_ms: float) -> None:
        self._per_ms, self._tokens, self._at_ms = per_s / 1000, per_s * BURST_S, now_ms

    def take(self, number: float, now_ms: float) -> bool:
        """Take so many tokens; False if there are none left."""
        grown = self._tokens + max(0.0, now_ms - self._at_ms) * self._per_ms
        self._tokens = min(grown, self._per_ms * 1000 * BURST_S)
        self._at_ms = now_ms
        if self._tokens <= 0:
            return False
        self._tokens -= number
        return True


class _Meter:
    """Messages and bytes of one connection, or one user."""

    __slots__ = ("bytes", "messages")

    def __init__(self, messages_per_s: float, bytes_per_s: float, now_ms: float) -> None:
        self.messages = _Bucket(messages_per_s, now_ms)
        self.bytes = _Bucket(bytes_per_s, now_ms)

    def admits(self, size: int, now_ms: float) -> bool:
        """Count one message of ``size`` bytes; False if it is too much."""
        return self.messages.take(1, now_ms) and self.bytes.take(size, now_ms)


class _User:
    """Somebody with a token, and the connections that show it."""

    __slots__ = ("connections", "meter", "queries")

    def __init__(self, meter: _Meter) -> None:
        self.meter, self.queries = meter, 0
        self.connections: set[str] = set()


class _Visitor:
    """One connection."""

    __slots__ = ("heard_ms", "meter", "queries", "user")

    def __init__(self, meter: _Meter, now_ms: float) -> None:
        self.meter, self.heard_ms = meter, now_ms
        self.user: str | None = None
        self.queries = 0


class Turnstile:
    """Counts what connections and users take, and says when it is too much."""

    def __init__(self, allowance: Allowance, clock: Clock) -> None:
        self._allowance, self._clock, self._lock = allowance, clock, Lock()
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._users: dict[str, _User] = {}
        self.refused = 0

    def message(self, connection: str, size: int) -> None:
        """Count one message of ``size`` bytes.

        Raises:
            Overloaded: the connection, or its user, has sent too much.
        """
        with self._lock:
            visitor = self._visitor(connection)
            now_ms = visitor.heard_ms
            user = self._users.get(visitor.user) if visitor.user is not None else None
            if not visitor.meter.admits(size, now_ms):
                self._refuse("this connection sends too much: send less a second")
            if user is not None and not user.meter.admits(size, now_ms):
                self._refuse("the connections of this user send too much, taken together")

    def holds(self, connection: str, caller: Caller, queries: int) -> None:
        """Take in whose a connection is, and how many live queries it has.

        Raises:
            Overloaded: they are too many, on it or of its user, or its user has too many
                connections.
        """
        user = user_of(caller)
        allowance = self._allowance
        with self._lock:
            visitor = self._visitor(connection)
            self._belongs(connection, visitor, user.token_identifier if user else None)
            owner = self._users.get(visitor.user) if visitor.user is not None else None
            if owner is not None:
                owner.queries += queries - visitor.queries
            visitor.queries = queries
            if queries > allowance.connection_queries:
                self._refuse(f"{queries} live queries are too many for one connection")
            if owner is None:
                return
            if self._has_too_much(owner):
                self._forget_the_silent(owner)
            if self._has_too_much(owner):
                self._refuse("this user has too many connections or live queries")

    def woken(self, connection: str) -> None:
        """Take in that a connection is still there."""
        visitor = self._visitors.get(connection)
        if visitor is not None:
            visitor.heard_ms = self._clock.now_ms()

    def left(self, connection: str) -> None:
        """Forget a connection that has ended."""
        with self._lock:
            self._forget(connection)

    def _visitor(self, connection: str) -> _Visitor:
        now_ms, allowance = self._clock.now_ms(), self._allowance
        visitor = self._visitors.get(connection)
        if visitor is None:
            meter = _Meter(
                allowance.connection_messages_per_s,
                allowance.connection_bytes_per_s,
                now_ms,
            )
            visitor = self._visitors[connection] = _Visitor(meter, now_ms)
            if len(self._visitors) > KEPT_CONNECTIONS:
                self._forget(next(iter(self._visitors)))
        self._visitors.move_to_end(connection)
        visitor.heard_ms = now_ms
        return visitor

    def _belongs(self, connection: str, visitor: _Visitor, name: str | None) -> None:
        if visitor.user == name:
            return
        self._part(connection, visitor)
        visitor.user = name
        if name is None:
            return
        owner = self._user(name, visitor.heard_ms)
        owner.connections.add(connection)
        owner.queries += visitor.queries

    def _user(self, name: str, now_ms: float) -> _User:
        # Kept when its last connection ends: else who comes back would begin anew.
        owner = self._users.get(name)
        if owner is None:
            rates = self._allowance.user_messages_per_s, self._allowance.user_bytes_per_s
            owner = self._users[name] = _User(_Meter(*rates, now_ms))
            if len(self._users) > KEPT_CONNECTIONS:
                gone = (n for n, u in self._users.items() if not u.connections)
                self._users.pop(next(gone, name), None)
        return owner

    def _part(self, connection: str, visitor: _Visitor) -> None:
        owner = self._users.get(visitor.user) if visitor.user is not None else None
        if owner is None or visitor.user is None:
            return
        owner.connections.discard(connection)
        owner.queries -= visitor.queries

    def _has_too_much(self, owner: _User) -> bool:
        allowance = self._allowance
        return (
            len(owner.connections) > allowance.user_sockets
            or owner.queries > allowance.user_queries
        )

    def _forget_the_silent(self, owner: _User) -> None:
        since_ms = self._clock.now_ms() - FORGOTTEN_MS
        for connection in list(owner.connections):
            if self._visitors[connection].heard_ms < since_ms:
                self._forget(connection)

    def _forget(self, connection: str) -> None:
        visitor = self._visitors.pop(connection, None)
        if visitor is not None:
            self._part(connection, visitor)

    def _refuse(self, why: str) -> None:
        self.refused += 1
        raise Overloaded(why)
