"""The stock JavaScript client's side of the protocol, and what it may rely on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.engine.ports import roster_shard
from chalicelib.engine.sync.messages import ts_value
from tests.simulation.app.schema import KEYS
from tests.simulation.oracle import Asked, Oracle, Refused, evaluate
from tests.simulation.platform import Platform
from tests.simulation.world import Broken

SILENCE_MS = 60_000.0
LOOK_AT_SILENCE_MS = 5_000.0
SHARDS = 2
MOST_QUERIES = 4
USERS = ("alice", "bob", "carol")

Version = tuple[int, int, int]
ZERO: Version = (0, 0, 0)


@dataclass(slots=True)
class LiveQuery:
    """A subscription."""

    path: str
    args: dict[str, Any]


@dataclass(slots=True)
class Pending:
    """A mutation whose promise is open; ``ts`` is that of its response."""

    path: str
    args: dict[str, Any]
    tag: str
    first: str
    since: int
    ts: int | None = None


@dataclass(slots=True)
class Connection:
    """What the client knows of one socket: sets and identities by their versions."""

    name: str
    version: Version = ZERO
    view: dict[int, Any] = field(default_factory=dict)
    sets: list[dict[int, LiveQuery]] = field(default_factory=lambda: [{}])
    users: list[str | None] = field(default_factory=lambda: [None])
    chunks: list[str] = field(default_factory=list)


class Client:
    """One client; ``left`` is how much it will still do of its own accord."""

    def __init__(self, name: str, platform: Platform, oracle: Oracle, left: int) -> None:
        self.name, self.left = name, left
        self.session = f"session-{name}"
        self.queries: dict[int, LiveQuery] = {}
        self.pending: dict[int, Pending] = {}
        self.actions: set[int] = set()
        self.user: str | None = None
        self.top = 0
        self.connection: Connection | None = None
        self._platform, self._world, self._oracle = platform, platform.world, oracle
        self._count = self._next_query = self._next_request = 0
        self._heard_ms = 0.0

    # -- what it does ---------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and say again what still holds."""
        name = self._name_of_connection()
        held = self.connection = Connection(name)
        self._platform.gateway.open(name, self)
        self._heard_ms = self._world.now_ms
        self._send(
            type="Connect",
            sessionId=self.session,
            connectionCount=self._count,
            lastCloseReason=None,
            clientTs=int(self._world.now_ms),
        )
        self._count += 1
        self.actions.clear()
        if self.user is not None:
            self._authenticate(held, self.user)
        self._modify(held, self.queries, ())
        for number in sorted(self.pending):
            self._request(number)
        if self._world.profile.ticks:
            self._world.at(LOOK_AT_SILENCE_MS, lambda: self._mind(name), awaited=False)

    def _name_of_connection(self) -> str:
        salt = 0
        while roster_shard(f"{self.name}{self._count}.{salt}") >= SHARDS:
            salt += 1
        return f"{self.name}{self._count}.{salt}"

    def live(self) -> None:
        """Do something every now and then."""
        held, world = self.connection, self._world
        if held is not None and self.left:
            self.left -= 1
            if world.chance(world.faults.cut):
                self._lose(held)
            else:
                self._act(held)
        if self.left:
            world.at(world.between(world.profile.think_ms), self.live)

    def _act(self, held: Connection) -> None:
        random = self._world.random
        choice = random.random()
        if choice < 0.3 and len(self.queries) < MOST_QUERIES:
            added = {self._next_query: self._any_query()}
            self._next_query += 1
            self.queries |= added
            self._modify(held, added, ())
        elif choice < 0.38 and self.queries:
            dropped = random.choice(sorted(self.queries))
            del self.queries[dropped]
            self._modify(held, {}, (dropped,))
        elif choice < 0.48 and self._world.profile.signs_in:
            self._authenticate(held, random.choice((*USERS, None)))
        elif choice < 0.9:
            for _ in range(random.choice((1, 1, 2, 3))):
                self._mutate()
        else:
            self._start_action()

    def _any_query(self) -> LiveQuery:
        random = self._world.random
        known = self._oracle.any_id(random)
        if known is not None and random.random() < 0.2:
            return LiveQuery("marks:at", {"mark": known})
        key = random.randrange(KEYS)
        return random.choice(
            (
                LiveQuery("marks:look", {"key": key, "personal": random.random() < 0.2}),
                LiveQuery("marks:newest", {"key": key, "count": random.randint(1, 2)}),
                LiveQuery("marks:crowd", {"key": key}),
                LiveQuery("marks:everything", {}),
            )
        )

    def _mutate(self) -> None:
        number = self._next_request
        self._next_request += 1
        tag = f"{self.name}:{number}"
        path, args = any_mutation(self._platform, tag)
        self._oracle.asked[tag] = Asked(path, args, session=self.session, number=number)
        name = self.connection.name if self.connection else ""
        self.pending[number] = Pending(path, args, tag, name, self._oracle.head)
        self._request(number)

    def _request(self, number: int) -> None:
        one = self.pending[number]
        self._oracle.asked[one.tag].allowed.add(self.user)
        self._send(type="Mutation", requestId=number, udfPath=one.path, args=[one.args])

    def _start_action(self) -> None:
        number = self._next_request
        self._next_request += 1
        tag, key = f"{self.name}:{number}", self._world.random.randrange(KEYS)
        args = {"key": key, "tag": tag}
        self._oracle.asked[tag] = Asked("marks:add", args, {self.user})
        self.actions.add(number)
        self._send(type="Action", requestId=number, udfPath="marks:work", args=[args])

    def _authenticate(self, held: Connection, name: str | None) -> None:
        self.user = name
        kind = (
            {"tokenType": "None"} if name is None else {"tokenType": "User", "value": name}
        )
        self._send(type="Authenticate", baseVersion=len(held.users) - 1, **kind)
        held.users.append(name)

    def _modify(
        self, held: Connection, added: Mapping[int, LiveQuery], dropped: tuple[int, ...]
    ) -> None:
        base = len(held.sets) - 1
        changes: list[dict[str, Any]] = [
            {
                "type": "Add",
                "queryId": i,
                "udfPath": q.path,
                "args": [q.args],
                "journal": None,
            }
            for i, q in sorted(added.items())
        ]
        changes += ({"type": "Remove", "queryId": i} for i in dropped)
        self._send(
            type="ModifyQuerySet",
            baseVersion=base,
            newVersion=base + 1,
            modifications=changes,
        )
        held.sets.append(dict(self.queries))

    def _send(self, **message: Any) -> None:
        assert self.connection is not None
        self._platform.gateway.send_up(self.connection.name, json.dumps(message).encode())

    # -- what becomes of its sockets ------------------------------------------------------

    def closed(self, connection: str) -> None:
        """Come back a while after the socket was closed."""
        if self.connection is not None and self.connection.name == connection:
            self.connection = None
            self._world.stats["reconnections"] += 1
            self._world.at(self._world.between((20, 1500)), self.open)

    def _lose(self, held: Connection) -> None:
        self._platform.gateway.cut(held.name)
        self.closed(held.name)

    def _mind(self, connection: str) -> None:
        """Give a socket up that has been silent for a minute."""
        held, world = self.connection, self._world
        if held is None or held.name != connection:
            return
        if world.now_ms - self._heard_ms > SILENCE_MS:
            world.stats["given up"] += 1
            enlisted = self._platform.sessions.is_enlisted(connection)
            if enlisted and self._heard_ms > world.calm_ms:
                raise Broken(f"{connection} was left in silence")
            self._lose(held)
        else:
            world.at(LOOK_AT_SILENCE_MS, lambda: self._mind(connection), awaited=False)

    # -- what it hears --------------------------------------------------------------------

    def hear(self, connection: str, data: bytes) -> None:
        """Take a message, and hold it to what was promised."""
        held = self.connection
        if held is None or held.name != connection:
            return
        self._heard_ms = self._world.now_ms
        message = json.loads(data)
        if held.chunks and message["type"] not in ("Ping", "TransitionChunk"):
            self._fail(held, "a transition was interrupted", message)
        match message["type"]:
            case "Ping":
                pass
            case "TransitionChunk":
                self._hear_chunk(held, message)
            case "Transition":
                self._hear_transition(held, message)
            case "MutationResponse":
                self._hear_response(held, message)
            case "ActionResponse":
                self.actions.discard(message["requestId"])
            case _:
                self._fail(held, "an unexpected message", message)

    def _hear_chunk(self, held: Connection, message: dict[str, Any]) -> None:
        if message["partNumber"] != len(held.chunks):
            self._fail(held, "a piece of a transition is missing", message)
        held.chunks.append(message["chunk"])
        if len(held.chunks) == message["totalParts"]:
            whole = json.loads("".join(held.chunks))
            held.chunks.clear()
            self._world.stats["transitions in pieces"] += 1
            self._hear_transition(held, whole)

    def _hear_response(self, held: Connection, message: dict[str, Any]) -> None:
        one = self.pending.get(message["requestId"])
        if one is None or one.ts is not None:
            return
        if message["success"]:
            one.ts = ts_value(message["ts"])
            asked = self._oracle.asked[one.tag]
            if asked.ts != one.ts:
                self._fail(held, f"{one.tag} took effect at {asked.ts}", message)
            entry = self._oracle.entry(one.ts)
            if json.loads(entry.result or b"null") != message["result"]:
                self._fail(held, f"{one.tag} was answered otherwise before", message)
            return
        answer = Refused(message.get("errorData"))
        if not self._oracle.ever(one.path, one.args, one.since, answer):
            self._fail(held, f"{one.tag} cannot have failed so", message)
        del self.pending[message["requestId"]]

    def _hear_transition(self, held: Connection, message: dict[str, Any]) -> None:
        start, end = _version(message["startVersion"]), _version(message["endVersion"])
        if start != held.version or any(a < b for a, b in zip(end, start, strict=True)):
            self._fail(
                held, f"version continuity, the client is at {held.version}", message
            )
        if end[2] < self.top:
            self._fail(held, f"time ran backwards from {self.top}", message)
        held.version, self.top = end, end[2]
        self._world.stats["transitions"] += 1
        for change in message["modifications"]:
            self._change(held, change, message)
        self._check_view(held, message)
        self._settle(held, message)

    def _change(
        self, held: Connection, change: dict[str, Any], message: dict[str, Any]
    ) -> None:
        query = change["queryId"]
        match change["type"]:
            case "QueryRemoved":
                held.view.pop(query, None)
                return
            case "QueryUpdated":
                value = change["value"]
            case _:
                value = Refused(change.get("errorData"))
        if query in held.view and held.view[query] == value:
            self._fail(held, f"query {query} did not change", message)
        held.view[query] = value

    def _check_view(self, held: Connection, message: dict[str, Any]) -> None:
        query_set, identity, ts = held.version
        if query_set >= len(held.sets) or identity >= len(held.users):
            self._fail(held, "a version that was never asked for", message)
        wanted = held.sets[query_set]
        held.view = {i: value for i, value in held.view.items() if i in wanted}
        state, who = self._oracle.at(ts), held.users[identity]
        for i, query in wanted.items():
            expected = evaluate(query.path, query.args, state, who)
            if i not in held.view or held.view[i] != expected:
                self._fail(held, f"query {i} {query}, replayed: {expected}", message)

    def _settle(self, held: Connection, message: dict[str, Any]) -> None:
        """Resolve the promises whose effects are seen now."""
        for number, one in sorted(self.pending.items()):
            took = self._oracle.asked[one.tag].ts
            if one.ts is not None and one.ts <= held.version[2]:
                if not held.version[0]:
                    self._fail(held, f"{one.tag} resolved over an empty view", message)
                del self.pending[number]
            elif one.ts is None and took is not None and took <= held.version[2]:
                if one.first == held.name and held.version[0]:
                    self._fail(held, f"effects of {one.tag} before its response", message)
                self._world.stats["replayed, seen before the response"] += 1

    def _fail(self, held: Connection, why: str, message: dict[str, Any]) -> None:
        raise Broken(f"{held.name}: {why}: {json.dumps(message)[:600]}")

    # -- at the end -----------------------------------------------------------------------

    @property
    def at_rest(self) -> bool:
        """Whether everything that it asked for was answered."""
        held = self.connection
        return (
            held is not None
            and not self.pending
            and not self.actions
            and held.version[:2] == (len(held.sets) - 1, len(held.users) - 1)
        )

    def check_at_rest(self) -> None:
        """Refuse what is still open, or stale, when nothing more is under way."""
        held = self.connection
        if held is None or not self.at_rest:
            version = held.version if held else None
            raise Broken(
                f"{self.name} was never answered: pending {sorted(self.pending)}, "
                f"actions {sorted(self.actions)}, at {version}"
            )
        state = self._oracle.at(self._oracle.head)
        for i, query in self.queries.items():
            expected = evaluate(query.path, query.args, state, self.user)
            if held.view[i] != expected:
                raise Broken(
                    f"lost wake-up: {held.name} query {i} {query} shows {held.view[i]} "
                    f"at {held.version}, there is {expected} at {self._oracle.head}"
                )


def any_mutation(platform: Platform, tag: str) -> tuple[str, dict[str, Any]]:
    """Draw a mutation that leaves ``tag``."""
    random = platform.world.random
    key, choice = random.randrange(KEYS), random.random()
    if choice < 0.4:
        return "marks:add", {"key": key, "tag": tag}
    if choice < 0.7:
        return "marks:grow", {"key": key, "tag": tag}
    if choice < 0.9:
        return "marks:move", {"key": key, "target": random.randrange(KEYS), "tag": tag}
    return "marks:refuse", {"key": key, "tag": tag}


def _version(found: Mapping[str, Any]) -> Version:
    return found["querySet"], found["identity"], ts_value(found["ts"])
