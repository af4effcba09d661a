"""What a client hears, and what it may rely on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from typing_extensions import override

from chalicelib.engine.sync.messages import ts_value
from chalicelib.engine.sync.order import NEW_CONNECTION_MS
from tests.simulation.oracle import Oracle, Refused, State, evaluate
from tests.simulation.properties import Broken, Property
from tests.simulation.world import World

Version = tuple[int, int, int]
ZERO: Version = (0, 0, 0)


@dataclass(slots=True)
class LiveQuery:
    """A subscription. A page has a ``journal``, and ends with the mark ``last`` for good.

    ``last`` is None while nothing was shown; empty: the page has no end.
    """

    path: str
    args: dict[str, Any]
    journal: str | None = None
    last: bytes | None = None

    @override
    def __str__(self) -> str:
        return f"{self.path}({', '.join(f'{k}={v}' for k, v in self.args.items())})"

    def holds(self, shown: Any, state: State, who: str | None) -> bool:
        """Tell whether what is shown is what there is at ``state``."""
        if self.path != "marks:page":
            return bool(shown == self.expected(state, who))
        ids = sorted(state)
        if self.last is None:
            count = self.args["paginationOpts"]["numItems"]
            self.last = b"" if len(ids) < count else ids[count - 1]
        inside = [state[i].tag for i in ids if not self.last or i <= self.last]
        return (shown["page"], shown["isDone"]) == (inside, not self.last)

    def expected(self, state: State, who: str | None) -> Any:
        """What there is at ``state``, for whoever reads a failure."""
        if self.path == "marks:page":
            return f"a page that ends with {self.last!r} of {sorted(state)}"
        return evaluate(self.path, self.args, state, who)


@dataclass(slots=True)
class Pending:
    """A mutation whose promise is open; ``ts`` is that of its response."""

    path: str
    args: dict[str, Any]
    tag: str
    first: str
    since: int
    query_set: int
    ts: int | None = None


@dataclass(slots=True)
class Connection:
    """What the client knows of one socket: sets and identities by their versions.

    ``opened_ms`` is when it was opened, ``signed_ms`` when each identity was asked for; ``heads``
    are the log's ends when each set was.
    """

    name: str
    opened_ms: float = 0.0
    version: Version = ZERO
    view: dict[int, Any] = field(default_factory=dict)
    sets: list[dict[int, LiveQuery]] = field(default_factory=lambda: [{}])
    heads: list[int] = field(default_factory=lambda: [0])
    users: list[str | None] = field(default_factory=lambda: [None])
    signed_ms: list[float] = field(default_factory=lambda: [0.0])
    chunks: list[str] = field(default_factory=list)
    chunks_of: str = ""

    def may_act_as(self, now_ms: float, settle_ms: float) -> set[str | None]:
        """In whose names a request that is sent now may run.

        On a connection that is not new, a request waits for nothing unless the server knows
        of an ``Authenticate`` near it: one that is under way may be overtaken by a request
        sent less than the settle time after it (docs/decisions/0004-settle-time.md).
        """
        old = now_ms - self.opened_ms > NEW_CONNECTION_MS - settle_ms
        under_way = [at for at in self.signed_ms if old and now_ms - at < settle_ms]
        return set(self.users[-1 - len(under_way) :])


class Listener:
    """The receiving half of a client: what it was told so far, held to the replay."""

    def __init__(self, world: World, oracle: Oracle) -> None:
        self._world, self._oracle = world, oracle
        self.connection: Connection | None = None
        self.pending: dict[int, Pending] = {}
        self.actions: dict[int, str] = {}
        self.failed: list[str] = []
        self._top = 0
        self._heard_ms = 0.0

    def hear(self, connection: str, data: bytes) -> None:
        """Take a message, and hold it to what was promised."""
        held = self.connection
        if held is None or held.name != connection:
            return
        self._heard_ms = self._world.now_ms
        message = json.loads(data)
        if held.chunks and message["type"] not in ("Ping", "TransitionChunk"):
            self._fail(held, Property.CONTINUITY, "a transition was interrupted", message)
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
                self._hear_action(held, message)
            case _:
                self._fail(held, Property.PROTOCOL, "an unexpected message", message)

    def _hear_chunk(self, held: Connection, message: dict[str, Any]) -> None:
        if not held.chunks:
            held.chunks_of = message["transitionId"]
        place = len(held.chunks), held.chunks_of
        if (message["partNumber"], message["transitionId"]) != place:
            self._fail(
                held, Property.PROTOCOL, "a piece of a transition is missing", message
            )
        held.chunks.append(message["chunk"])
        if len(held.chunks) == message["totalParts"]:
            whole = json.loads("".join(held.chunks))
            held.chunks.clear()
            self._world.stats["transitions in pieces"] += 1
            self._hear_transition(held, whole)

    def _hear_response(self, held: Connection, message: dict[str, Any]) -> None:
        one = self.pending.get(message["requestId"])
        if one is None:
            return
        if one.ts is not None and not message["success"]:
            self._fail(held, Property.RESPONSE, f"{one.tag} had succeeded", message)
        if message["success"]:
            one.ts = ts_value(message["ts"])
            asked = self._oracle.asked[one.tag]
            if asked.ts != one.ts:
                self._fail(
                    held, Property.RESPONSE, f"{one.tag} took effect at {asked.ts}", message
                )
            entry = self._oracle.entry(one.ts)
            if json.loads(entry.result or b"null") != message["result"]:
                self._fail(
                    held,
                    Property.RESPONSE,
                    f"{one.tag} was answered otherwise before",
                    message,
                )
            return
        answer = Refused(message.get("errorData"))
        if not self._oracle.ever(one.path, one.args, one.since, answer):
            self._fail(held, Property.FAILURE, f"{one.tag} cannot have failed so", message)
        self.failed.append(one.tag)
        del self.pending[message["requestId"]]

    def _hear_action(self, held: Connection, message: dict[str, Any]) -> None:
        tag = self.actions.pop(message["requestId"], None)
        if tag is None or not message["success"]:
            return
        if not self._oracle.was_seen(tag, message["result"]):
            self._fail(held, Property.ANSWER, f"{tag} was not to be seen so", message)

    def _hear_transition(self, held: Connection, message: dict[str, Any]) -> None:
        start, end = _version(message["startVersion"]), _version(message["endVersion"])
        if start != held.version or any(a < b for a, b in zip(end, start, strict=True)):
            self._fail(
                held,
                Property.CONTINUITY,
                f"version continuity, the client is at {held.version}",
                message,
            )
        if end[2] < self._top:
            self._fail(held, Property.TIME, f"time ran backwards from {self._top}", message)
        held.version, self._top = end, end[2]
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
                for asked in held.sets[held.version[0] :][:1]:
                    if query in asked:
                        asked[query].journal = change["journal"]
            case _:
                value = Refused(change.get("errorData"))
        if query in held.view and held.view[query] == value:
            self._fail(held, Property.FRUGALITY, f"query {query} did not change", message)
        held.view[query] = value

    def _check_view(self, held: Connection, message: dict[str, Any]) -> None:
        query_set, identity, ts = held.version
        if query_set >= len(held.sets) or identity >= len(held.users):
            self._fail(
                held, Property.PROTOCOL, "a version that was never asked for", message
            )
        wanted = held.sets[query_set]
        if held.view.keys() - wanted.keys():
            self._fail(
                held, Property.TRANSITION, "a query is shown that was dropped", message
            )
        if ts < held.heads[query_set]:
            why = f"query set {query_set} was asked for at {held.heads[query_set]}"
            self._fail(held, Property.RECENT, why, message)
        state, who = self._oracle.at(ts), held.users[identity]
        for i, query in wanted.items():
            if i not in held.view or not query.holds(held.view[i], state, who):
                expected = query.expected(state, who)
                self._fail(
                    held,
                    Property.TRANSITION,
                    f"query {i} {query}, replayed: {expected}",
                    message,
                )

    def _settle(self, held: Connection, message: dict[str, Any]) -> None:
        """Resolve the promises whose effects are seen now."""
        for number, one in sorted(self.pending.items()):
            took = self._oracle.asked[one.tag].ts
            if one.ts is not None and one.ts <= held.version[2]:
                if not held.version[0]:
                    self._fail(
                        held,
                        Property.OWN_WRITES,
                        f"{one.tag} resolved over an empty view",
                        message,
                    )
                self._check_own_write(held, one, message)
                del self.pending[number]
            elif one.ts is None and took is not None and took <= held.version[2]:
                if one.first == held.name and held.version[0]:
                    self._fail(
                        held,
                        Property.OWN_WRITES,
                        f"effects of {one.tag} before its response",
                        message,
                    )
                self._world.stats["replayed, seen before the response"] += 1

    def _check_own_write(
        self, held: Connection, one: Pending, message: dict[str, Any]
    ) -> None:
        """See that the queries that were asked for before the mutation are in view.

        Where the gateway loses the order of frames, a mutation may overtake them.
        """
        ordered = self._world.profile.ordered
        if ordered and one.first == held.name and held.version[0] < one.query_set:
            why = f"{one.tag} resolved, and query set {one.query_set} is not shown"
            self._fail(held, Property.OWN_WRITES, why, message)

    def _fail(
        self, held: Connection, broken: Property, why: str, message: dict[str, Any]
    ) -> None:
        raise Broken(broken, f"{held.name}: {why}: {json.dumps(message)[:600]}")


def _version(found: Mapping[str, Any]) -> Version:
    return found["querySet"], found["identity"], ts_value(found["ts"])
