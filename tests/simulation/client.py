"""The stock JavaScript client: what it asks for, and what it does when its socket dies."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.engine.ports import roster_shard
from tests.simulation.app.schema import KEYS
from tests.simulation.hearing import Connection, Listener, LiveQuery, Pending
from tests.simulation.oracle import Asked, Oracle
from tests.simulation.platform import Platform
from tests.simulation.properties import Broken, Property

SILENCE_MS = 60_000.0
LOOK_AT_SILENCE_MS = 5_000.0
SHARDS = 2
MOST_QUERIES = 4
USERS = ("alice", "bob", "carol")


class Client(Listener):
    """One client; ``left`` is how much it will still do of its own accord."""

    def __init__(self, name: str, platform: Platform, oracle: Oracle, left: int) -> None:
        super().__init__(platform.world, oracle)
        self.name, self.left = name, left
        self.session = f"session-{name}"
        self.chance = platform.world.random.child(name)
        self.is_there = not self.chance.is_dropped
        self.queries: dict[int, LiveQuery] = {}
        self.user: str | None = None
        self._platform = platform
        self._count = self._next_query = self._next_request = 0

    # -- what it does ---------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and say again what still holds."""
        name = self._name_of_connection()
        held = self.connection = Connection(name, self._world.now_ms)
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
            world.cause("act", 0, self._do_something)
        if self.left:
            world.at(world.between(world.profile.think_ms), self.live)

    def _do_something(self) -> None:
        held = self.connection
        if held is None:
            return
        if self._world.strikes("cut"):
            self._lose(held)
        else:
            self._act(held)

    def _act(self, held: Connection) -> None:
        random = self._world.random
        choice = random.random()
        if choice < 0.3 and len(self.queries) < MOST_QUERIES:
            added = {self._next_query: self._any_query()}
            self._next_query += 1
            self.queries |= added
            self._modify(held, added, ())
        elif choice < 0.38 and self.queries:
            self._drop(held, random.choice(sorted(self.queries)))
        elif choice < 0.48 and self._world.profile.signs_in:
            self._authenticate(held, random.choice((*USERS, None)))
        elif choice < 0.9:
            for _ in range(random.choice((1, 1, 2, 3))):
                self._mutate()
        else:
            self._start_action()

    def _drop(self, held: Connection, number: int) -> None:
        """Drop a query; now and then another one, or the same, gets its number at once."""
        dropped = self.queries.pop(number)
        self._modify(held, {}, (number,))
        choice = self._world.random.random()
        if choice > 0.6:
            again = (
                LiveQuery(dropped.path, dropped.args) if choice > 0.8 else self._any_query()
            )
            self.queries[number] = again
            self._modify(held, {number: again}, ())

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
                LiveQuery("marks:many", {"key": key}),
                LiveQuery(
                    "marks:page", {"paginationOpts": {"numItems": 2, "cursor": None}}
                ),
                LiveQuery("marks:everything", {}),
            )
        )

    def _mutate(self) -> None:
        number = self._next_request
        self._next_request += 1
        tag = f"{self.name}:{number}"
        path, args = any_mutation(self._platform, tag)
        self._oracle.asked[tag] = Asked(path, args, session=self.session, number=number)
        held = self.connection
        name, query_set = (held.name, len(held.sets) - 1) if held else ("", 0)
        self.pending[number] = Pending(path, args, tag, name, self._oracle.head, query_set)
        self._request(number)

    def _request(self, number: int) -> None:
        one = self.pending[number]
        self._oracle.asked[one.tag].allowed |= self._allowed()
        self._send(type="Mutation", requestId=number, udfPath=one.path, args=[one.args])

    def _start_action(self) -> None:
        number = self._next_request
        self._next_request += 1
        tag, key = f"{self.name}:{number}", self._world.random.randrange(KEYS)
        args = {"key": key, "tag": tag}
        self._oracle.asked[tag] = Asked("marks:add", args, self._allowed())
        self.actions[number] = tag
        self._send(type="Action", requestId=number, udfPath="marks:work", args=[args])

    def _allowed(self) -> set[str | None]:
        assert self.connection is not None
        world = self._world
        return self.connection.may_act_as(world.now_ms, world.profile.settle_ms)

    def _authenticate(self, held: Connection, name: str | None) -> None:
        self.user = name
        kind = (
            {"tokenType": "None"} if name is None else {"tokenType": "User", "value": name}
        )
        self._send(type="Authenticate", baseVersion=len(held.users) - 1, **kind)
        held.users.append(name)
        held.signed_ms.append(self._world.now_ms)

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
                "journal": q.journal,
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
        held.heads.append(self._oracle.head)

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
                raise Broken(Property.SILENCE, f"{connection} was left in silence")
            self._lose(held)
        else:
            world.at(LOOK_AT_SILENCE_MS, lambda: self._mind(connection), awaited=False)

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
                Property.REST,
                f"{self.name} was never answered: pending {sorted(self.pending)}, "
                f"actions {sorted(self.actions)}, at {version}",
            )
        state = self._oracle.at(self._oracle.head)
        for i, query in self.queries.items():
            if not query.holds(held.view[i], state, self.user):
                expected = query.expected(state, self.user)
                raise Broken(
                    Property.REST,
                    f"lost wake-up: {held.name} query {i} {query} shows {held.view[i]} "
                    f"at {held.version}, there is {expected} at {self._oracle.head}",
                )


def any_mutation(platform: Platform, tag: str) -> tuple[str, dict[str, Any]]:
    """Draw a mutation that leaves ``tag``."""
    random = platform.world.random
    key, choice = random.randrange(KEYS), random.random()
    if choice < 0.4:
        return "marks:add", {"key": key, "tag": tag}
    if choice < 0.7:
        return "marks:grow", {"key": key, "tag": tag}
    if choice < 0.82:
        return "marks:squeeze", {"key": key, "tag": tag}
    if choice < 0.92:
        return "marks:move", {"key": key, "target": random.randrange(KEYS), "tag": tag}
    return "marks:refuse", {"key": key, "tag": tag}
