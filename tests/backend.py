"""A whole backend in memory, for tests of apps: real engine, virtual clock, typed calls.

Arguments and results go through the wire and back, and results are judged by the signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final, Generic, ParamSpec, TypeVar

import msgspec

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.auth import AdminIdentity, Caller, Identity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.errors import TokenRefused
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.registration import (
    ActionFunction,
    Function,
    MutationFunction,
    QueryFunction,
)
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.ports import ROSTER_SHARDS, Frame
from chalicelib.engine.sync.messages import Authenticate

P = ParamSpec("P")
R = TypeVar("R")

ISSUER: Final = "https://test.example"
BEGINNING_MS: Final = 1_700_000_000_000.0
SWEEP_MS: Final = 60_000.0
"""How often scheduled functions are swept, as on AWS."""


class VirtualClock:
    """Time that passes when somebody waits: a test does, and each call that may write, 1 ms."""

    def __init__(self) -> None:
        self._now_ms = BEGINNING_MS

    def now_ms(self) -> float:
        return self._now_ms

    def wait_ms(self, duration_ms: float) -> None:
        self._now_ms += duration_ms


class CountedIds:
    """Ids and seeds that are the same in every run of a test."""

    def __init__(self) -> None:
        self._made = 0

    def transaction_id(self) -> str:
        self._made += 1
        return f"transaction-{self._made}"

    def seed(self) -> bytes:
        self._made += 1
        return sha256(str(self._made).encode()).digest()[:16]


class DelayedJobs:
    """A job queue that delivers in order of time, when it is asked."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._waiting: list[tuple[float, bytes]] = []

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        self._waiting.append((self._clock.now_ms() + delay_ms, body))

    def next_in_ms(self) -> float:
        """How long it is until a message is due."""
        first_ms = min((at_ms for at_ms, _ in self._waiting), default=float("inf"))
        return max(0.0, first_ms - self._clock.now_ms())

    def due(self) -> Iterator[bytes]:
        """Take messages out that are due, also those sent meanwhile."""
        while True:
            now = self._clock.now_ms()
            ready = [message for message in self._waiting if message[0] <= now]
            if not ready:
                return
            first = min(ready, key=lambda message: message[0])
            self._waiting.remove(first)
            yield first[1]


class Sockets:
    """A gateway that keeps what was posted to each connection."""

    def __init__(self) -> None:
        self.posted: dict[str, list[dict[str, Any]]] = {}

    def post(self, connection: str, data: bytes) -> None:
        self.posted.setdefault(connection, []).append(json.loads(data))

    def close(self, connection: str, code: int, reason: str) -> None:
        self.posted.setdefault(connection, []).append(
            {"type": "closed", "code": code, "reason": reason}
        )


class TestBackend:
    """One deployment of some app packages; ``advance`` is what makes time pass."""

    __test__ = False

    def __init__(self, *packages: str, redacted: bool = False) -> None:
        self.clock, self.sockets = VirtualClock(), Sockets()
        self._jobs = DelayedJobs(self.clock)
        self._persistence, self.blobs = MemoryPersistence(), MemoryBlobs()
        self.errors: list[Exception] = []
        """What was reported to the operators."""
        self.engine = Backend(
            Registry(packages),
            Ports(
                persistence=self._persistence,
                sessions=MemorySessions(),
                subscriptions=MemorySubscriptions(),
                gateway=self.sockets,
                jobs=self._jobs,
                clock=self.clock,
                ids=CountedIds(),
                cursors=SivCursors(b"a test"),
                blobs=self.blobs,
            ),
            behaviour=Behaviour(
                settle_ms=0,
                redacted=redacted,
                files=FileAccess("https://files.example", b"a test"),
            ),
            verify=self._verify,
            report=lambda error, _path, _request_id: self.errors.append(error),
        )
        self._told = self.engine.head()
        self.engine.deploy("test")
        self._sweep_ms = self.clock.now_ms() + SWEEP_MS
        self._users: dict[str, Identity] = {}

    def as_user(self, name: str, /, **claims: Any) -> Client:
        """Return somebody signed in, whose token has these claims too."""
        names = {
            "issuer": ISSUER,
            "subject": name,
            "tokenIdentifier": f"{ISSUER}|{name}",
            "name": name.title(),
            "email": f"{name}@example.com",
        }
        identity = Identity(ISSUER, name, names["tokenIdentifier"], {**names, **claims})
        self._users[name] = identity
        return Client(self, identity)

    @property
    def nobody(self) -> Client:
        """Somebody who has not signed in."""
        return Client(self, None)

    @property
    def system(self) -> Client:
        """The holder of the admin key, who reaches internal functions."""
        return Client(self, AdminIdentity())

    def advance(self, ms: float = 0, *, seconds: float = 0, minutes: float = 0) -> None:
        """Let time pass, and do what becomes due meanwhile, each at its time."""
        until_ms = self.clock.now_ms() + ms + 1000 * (seconds + 60 * minutes)
        self.run_jobs()
        while (left_ms := until_ms - (now_ms := self.clock.now_ms())) > 0:
            to_sweep_ms = max(0.0, self._sweep_ms - now_ms)
            self.clock.wait_ms(min(left_ms, to_sweep_ms, self._jobs.next_in_ms()))
            if self.clock.now_ms() >= self._sweep_ms:
                self.engine.send_sweep()
                self._sweep_ms = self.clock.now_ms() + SWEEP_MS
            self.run_jobs()
        for shard in range(ROSTER_SHARDS):
            self.engine.tick(shard)
        self.run_jobs()

    def run_jobs(self) -> None:
        """Do the jobs that are due, and tell watchers what was committed."""
        self.tell()
        while self._jobs.next_in_ms() <= 0:
            for body in self._jobs.due():
                self.engine.job(body)
            self.tell()

    def tell(self) -> None:
        """Hand what was committed to the fan-out, as the log's stream would."""
        while (head := self.engine.head()) > self._told:
            first, self._told = self._told + 1, head
            self.engine.commits(first, head)

    def _verify(self, message: Authenticate) -> Caller:
        if message.token_type == "None":
            return None
        if message.token_type == "Admin":
            return AdminIdentity()
        if message.value not in self._users:
            raise TokenRefused("nobody has this token")
        return self._users[message.value]


class Client:
    """Somebody who calls functions."""

    def __init__(self, backend: TestBackend, caller: Caller) -> None:
        self._backend, self.caller = backend, caller

    def query(
        self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a query, or raise what it raised."""
        result: R = self._run(function, args, kwargs)
        return result

    def mutation(
        self, function: MutationFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run a mutation, or raise what it raised."""
        result: R = self._run(function, args, kwargs)
        return result

    def action(
        self, function: ActionFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run an action, or raise what it raised."""
        result: R = self._run(function, args, kwargs)
        return result

    def call(self, path: str, kind: Kind, /, **arguments: Any) -> Any:
        """Call a function as clients do, by path, with arguments as JSON has them."""
        return json.loads(self._value(path, kind, msgspec.json.encode(arguments)))

    def http(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Response:
        """Send an HTTP request to the app."""
        self._backend.clock.wait_ms(1)
        request = Request(method=method, path=path, query=query, headers=headers, body=body)
        response = self._backend.engine.http(request, self.caller)
        self._backend.tell()
        return response

    def watch(
        self, function: QueryFunction[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Watch[R]:
        """Subscribe to a query over a socket of its own."""
        return Watch(self._backend, self.caller, function, _encoded(function, args, kwargs))

    def _run(
        self, function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        path = self._backend.engine.registry.path_of(function)
        raw = self._value(path, function.kind, _encoded(function, args, kwargs))
        function.signature.check_result(raw, self._backend.engine.runner.table_of())
        return function.signature.decode_result(raw)

    def _value(self, path: str, kind: Kind, arguments: bytes) -> bytes:
        if kind != "query":
            # What is made in one microsecond has no order; calls of a client have one.
            self._backend.clock.wait_ms(1)
        outcome = self._backend.engine.call(Call(path, arguments, self.caller), kind)
        self._backend.tell()
        if outcome.failure is not None:
            raise outcome.failure.error or AssertionError(outcome.failure.reason)
        return outcome.value or b"null"


class Watch(Generic[R]):
    """A live query: every result that its client was told, in order."""

    def __init__(
        self,
        backend: TestBackend,
        caller: Caller,
        function: QueryFunction[Any, R],
        arguments: bytes,
    ) -> None:
        self._backend, self._signature = backend, function.signature
        self.connection = f"connection-{len(backend.sockets.posted)}"
        backend.sockets.posted[self.connection] = []
        self._sent = 0
        self._send({"type": "Connect", "sessionId": self.connection, "connectionCount": 0})
        self._authenticate(caller)
        add = {
            "type": "Add",
            "queryId": 0,
            "udfPath": backend.engine.registry.path_of(function),
            "args": [msgspec.Raw(arguments)],
        }
        self._send(
            {
                "type": "ModifyQuerySet",
                "baseVersion": 0,
                "newVersion": 1,
                "modifications": [add],
            }
        )

    @property
    def results(self) -> list[R]:
        """Every result so far; a failure stands as the text that came with it."""
        found: list[Any] = []
        for message in self._backend.sockets.posted[self.connection]:
            for change in message.get("modifications", ()):
                if change["type"] == "QueryUpdated":
                    raw = msgspec.json.encode(change["value"])
                    found.append(self._signature.decode_result(raw))
                elif change["type"] == "QueryFailed":
                    found.append(change["errorMessage"])
        return found

    def _authenticate(self, caller: Caller) -> None:
        if caller is None:
            return
        kind = "Admin" if isinstance(caller, AdminIdentity) else "User"
        value = caller.subject if isinstance(caller, Identity) else "key"
        self._send(
            {"type": "Authenticate", "baseVersion": 0, "tokenType": kind, "value": value}
        )

    def _send(self, message: dict[str, Any]) -> None:
        self._sent += 1
        stamp_ms = self._backend.clock.now_ms()
        frame = Frame(f"{self._sent:06}", stamp_ms, msgspec.json.encode(message))
        self._backend.engine.receive(self.connection, frame)


def _encoded(
    function: Function[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> bytes:
    return function.signature.encode_args(function.signature.bind(args, kwargs))
