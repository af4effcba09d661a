"""The trial app behind a backend in memory, and sockets that speak to it frame by frame."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from typing_extensions import override

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.auth import AdminIdentity, Caller, Identity
from chalicelib.engine.auth.credentials import acting_identity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import BadDeployKey, MessageTooLarge, TokenRefused
from chalicelib.engine.functions.addresses import Addresses
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.outcome import Outcome
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.log import Entry
from chalicelib.engine.persistence import Interval, Page, Persistence
from chalicelib.engine.ports import ROSTER_SHARDS, Frame
from chalicelib.engine.sync.messages import Authenticate, ts_value
from chalicelib.engine.sync.overload import Allowance
from tests.backend import (
    BEGINNING_MS,
    ISSUER,
    CountedIds,
    DelayedJobs,
    Sockets,
    VirtualClock,
)

NOWHERE: Final = Addresses()
ADMIN_KEY: Final = "trial|c0ffee-secret"
TRACES: Final = ("Traceback", 'File "', ".py", "hunter2", "c0ffee")
"""What no text for a client may hold: stack traces, paths, secrets."""


def user(name: str, *, expires_s: float | None = None, **claims: Any) -> Identity:
    """Somebody whose token has these claims, and is good until ``expires_s`` after the beginning."""
    attributes = {
        **claims,
        "issuer": ISSUER,
        "subject": name,
        "tokenIdentifier": f"{ISSUER}|{name}",
    }
    expires_at = None if expires_s is None else BEGINNING_MS / 1000 + expires_s
    return Identity(ISSUER, name, attributes["tokenIdentifier"], attributes, expires_at)


class LimitedSockets(Sockets):
    """A gateway with a limit on the length of a message; ``on_post`` sees each, or refuses it."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self.on_post: Callable[[dict[str, Any]], None] = lambda _: None

    @override
    def post(self, connection: str, data: bytes) -> None:
        if len(data) > self._max_bytes:
            raise MessageTooLarge(f"{len(data)} bytes")
        self.on_post(json.loads(data))
        super().post(connection, data)


class Interrupted(MemoryPersistence):
    """Storage in which something else happens right before a put, or right after a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.before_append: Callable[[Entry], None] = lambda _: None
        self.after_scan: Callable[[Interval], None] = lambda _: None

    @override
    def append(self, entry: Entry) -> Entry | None:
        self.before_append(entry)
        return super().append(entry)

    @override
    def scan(self, interval: Interval, *, reverse: bool, limit: int) -> Page:
        page = super().scan(interval, reverse=reverse, limit=limit)
        self.after_scan(interval)
        return page


class Trial:
    """A deployment of the trial app; several may share one storage, as processes do."""

    def __init__(
        self,
        *,
        persistence: Persistence | None = None,
        beside: Trial | None = None,
        redacted: bool = False,
        settle_ms: float = 0,
        max_message_bytes: int = 128 * 1024,
        packages: tuple[str, ...] = ("tests.apps.trial",),
        addresses: Addresses = NOWHERE,
        observe: Callable[[str, Statistics], None] = lambda _path, _statistics: None,
        allowance: Allowance | None = None,
        ahead: bool = False,
        sockets: LimitedSockets | None = None,
    ) -> None:
        self.clock: VirtualClock = beside.clock if beside else VirtualClock()
        self.sockets: LimitedSockets = (
            beside.sockets if beside else sockets or LimitedSockets(max_message_bytes)
        )
        self.jobs: DelayedJobs = beside.jobs if beside else DelayedJobs(self.clock)
        self.ids: CountedIds = beside.ids if beside else CountedIds()
        self.persistence: Persistence = persistence or (
            beside.persistence if beside else MemoryPersistence()
        )
        self.sessions: MemorySessions = beside.sessions if beside else MemorySessions()
        self.subscriptions: MemorySubscriptions = (
            beside.subscriptions if beside else MemorySubscriptions()
        )
        self.reported: list[Exception] = []
        self.users = {name: user(name) for name in ("ann", "bob")}
        self.engine = Backend(
            Registry(packages, addresses=addresses),
            Ports(
                persistence=self.persistence,
                sessions=self.sessions,
                subscriptions=self.subscriptions,
                gateway=self.sockets,
                jobs=self.jobs,
                clock=self.clock,
                ids=self.ids,
                cursors=SivCursors(b"a test"),
            ),
            behaviour=Behaviour(
                settle_ms=settle_ms,
                redacted=redacted,
                max_message_bytes=max_message_bytes,
                allowance=allowance or Allowance(),
                ahead=ahead,
            ),
            verify=self._verify,
            report=lambda error, _path, _request_id: self.reported.append(error),
            observe=observe,
        )
        if beside is None:
            self.engine.deploy("trial")
        self._told = self.engine.head()

    def call(
        self, path: str, kind: Kind | None, /, caller: Caller = None, **arguments: Any
    ) -> Outcome:
        """Call a function by path."""
        self.clock.wait_ms(1)
        raw = msgspec.json.encode(arguments)
        return self.engine.call(Call(path, raw, caller), kind)

    def query(self, path: str, /, caller: Caller = None, **arguments: Any) -> Any:
        """Return the value of a query."""
        return value(self.call(path, "query", caller, **arguments))

    def mutate(self, path: str, /, caller: Caller = None, **arguments: Any) -> Any:
        """Return the value of a mutation."""
        return value(self.call(path, "mutation", caller, **arguments))

    def socket(self, name: str = "c1") -> Socket:
        """Open a socket that has said nothing yet."""
        return Socket(self, name)

    def tell(self) -> int:
        """Report new commits to the fan-out, as the log's stream does; count the woken."""
        head, first = self.engine.head(), self._told + 1
        self._told = head
        return self.engine.commits(first, head) if head >= first else 0

    def run_jobs(self) -> list[str]:
        """Do the jobs that are due; return what they were."""
        return [type(self.engine.job(body)).__name__ for body in self.jobs.due()]

    def tick(self) -> None:
        """Visit every session."""
        for shard in range(ROSTER_SHARDS):
            self.engine.tick(shard)

    def _verify(self, message: Authenticate) -> Caller:
        if message.token_type == "None":
            return None
        if message.token_type == "Admin":
            if message.value != ADMIN_KEY:
                raise BadDeployKey
            attributes = message.acting_as or message.impersonating
            return AdminIdentity(acting_identity(attributes) if attributes else None)
        if message.value not in self.users:
            raise TokenRefused("Signature verification failed")
        return self.users[message.value]


class Socket:
    """One connection: sends frames, and follows transitions as a strict client does."""

    def __init__(self, trial: Trial, name: str) -> None:
        self.trial, self.name = trial, name
        self.trial.sockets.posted[name] = []
        self.values: dict[int, Any] = {}
        self.version: dict[str, Any] = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
        self._sent = self._read = self._query_set = self._identity = self._request = 0

    # -- what a client says -----------------------------------------------------------------

    def send(
        self, message: dict[str, Any] | bytes, *, stamp_ms: float | None = None
    ) -> Socket:
        """Send one frame."""
        self._sent += 1
        body = message if isinstance(message, bytes) else msgspec.json.encode(message)
        stamp = self.trial.clock.now_ms() if stamp_ms is None else stamp_ms
        frame = Frame(f"{self._sent:06}", stamp, body)
        self.trial.engine.receive(self.name, frame)
        return self

    def connect(
        self, session: str | None = None, *, number: int = 0, client_ts: int | None = None
    ) -> Socket:
        """Begin, as the npm client does unless ``client_ts`` is 0."""
        now = int(self.trial.clock.now_ms()) if client_ts is None else client_ts
        return self.send(
            {
                "type": "Connect",
                "sessionId": session or f"session of {self.name}",
                "connectionCount": number,
                "lastCloseReason": "InitialConnect",
                "clientTs": now,
            }
        )

    def begin(self, session: str | None = None, *, number: int = 0) -> Socket:
        """Connect, with an empty query set."""
        return self.connect(session, number=number).modify()

    def authenticate(self, kind: str, token: str | None = None, **more: Any) -> Socket:
        """Say who calls."""
        self._identity += 1
        base = self._identity - 1
        message = {"type": "Authenticate", "baseVersion": base, "tokenType": kind, **more}
        return self.send({**message, "value": token} if token is not None else message)

    def modify(self, *changes: dict[str, Any]) -> Socket:
        """Change the query set."""
        self._query_set += 1
        return self.send(
            {
                "type": "ModifyQuerySet",
                "baseVersion": self._query_set - 1,
                "newVersion": self._query_set,
                "modifications": changes,
            }
        )

    def watch(self, query_id: int, path: str, /, **arguments: Any) -> Socket:
        """Subscribe to one query."""
        return self.modify(add(query_id, path, **arguments))

    def request(self, kind: str, path: str, /, **arguments: Any) -> Socket:
        """Send a ``Mutation`` or an ``Action`` under the next request id."""
        self._request += 1
        return self.send(request(kind, self._request - 1, path, **arguments))

    def mutation(self, path: str, /, **arguments: Any) -> Socket:
        """Send a mutation under the next request id."""
        return self.request("Mutation", path, **arguments)

    def action(self, path: str, /, **arguments: Any) -> Socket:
        """Send an action under the next request id."""
        return self.request("Action", path, **arguments)

    # -- what it hears ------------------------------------------------------------------------

    def take(self) -> list[dict[str, Any]]:
        """Return what has come since the last time, transitions joined and applied."""
        posted = self.trial.sockets.posted[self.name]
        fresh, self._read = posted[self._read :], len(posted)
        taken: list[dict[str, Any]] = []
        text = ""
        for posted_one in fresh:
            message = posted_one
            if message["type"] == "TransitionChunk":
                text += message["chunk"]
                if message["partNumber"] < message["totalParts"] - 1:
                    continue
                message, text = json.loads(text), ""
            if message["type"] == "Transition":
                self._apply(message)
            taken.append(message)
        return taken

    def types(self) -> list[str]:
        """Return the types of what has come since the last time."""
        return [message["type"] for message in self.take()]

    def seen(self) -> dict[int, Any]:
        """Take everything in, and return what each query stands at."""
        self.take()
        return dict(self.values)

    @property
    def is_closed(self) -> bool:
        """Whether the server has ended the connection."""
        return any(m["type"] == "closed" for m in self.trial.sockets.posted[self.name])

    def _apply(self, transition: dict[str, Any]) -> None:
        assert transition["startVersion"] == self.version
        end = transition["endVersion"]
        assert ts_value(end["ts"]) >= ts_value(self.version["ts"])
        self.version = end
        for change in transition["modifications"]:
            match change["type"]:
                case "QueryUpdated":
                    self.values[change["queryId"]] = change["value"]
                case "QueryFailed":
                    self.values[change["queryId"]] = change["errorMessage"]
                case _:
                    self.values.pop(change["queryId"], None)


def add(query_id: int, path: str, /, **arguments: Any) -> dict[str, Any]:
    """A subscription, as a change of the query set."""
    return {"type": "Add", "queryId": query_id, "udfPath": path, "args": [arguments]}


def remove(query_id: int) -> dict[str, Any]:
    """The end of a subscription."""
    return {"type": "Remove", "queryId": query_id}


def request(kind: str, request_id: int, path: str, /, **arguments: Any) -> dict[str, Any]:
    """A mutation or an action under some request id."""
    return {"type": kind, "requestId": request_id, "udfPath": path, "args": [arguments]}


def value(outcome: Outcome) -> Any:
    """The value of an outcome, or its error."""
    if outcome.failure is not None:
        raise outcome.failure.error or AssertionError(outcome.failure.reason)
    return json.loads(outcome.value or b"null")
