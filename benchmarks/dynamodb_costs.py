"""What operations cost on DynamoDB: round trips until the answer, and request units.

Counted at the port, over an emulator, with the engine and the adapters that are deployed.
A document's rows fill one write unit each: it is as large as that allows. Processes are
played by backends that share nothing but the tables.

Subscribing to a query takes three round trips where the process has run the session before: the
rows are read while the lease is taken. Elsewhere the session's state and the rows come after the
lease. Then the subscription to the intervals in which they were found, and the log's end after it
stands (docs/hazards.md B7: looked at earlier, a commit in between would wake nobody).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from string import ascii_letters, digits
from typing import Any, Final

import msgspec

from benchmarks.local_load import mutation
from benchmarks.report import Line, Number, at_most, print_table
from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.models import MODELS
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.session_models import SESSION_MODELS
from chalicelib.adapters.dynamodb.sessions import DynamoSessions
from chalicelib.adapters.dynamodb.subscriptions import DynamoSubscriptions
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.dynamodb.usage import Spent, Usage
from chalicelib.bootstrap import Stores, assemble
from chalicelib.config import Settings
from chalicelib.engine.backend import Backend
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.ports import Frame
from local.emulator import start_emulator

PREFIX: Final = "bench-"
BODY_BYTES: Final = 930
"""Text in a note: with its other fields, keys and names a row is just under 1 KB."""

SETTLED_S: Final = 5.2
"""After this a connection's frames need no time to settle: it is not new any more."""

WATCHERS: Final = 3

COLUMNS: Final = (
    "trips",
    "RRU",
    "WRU",
    "after it RRU",
    "WRU",
    "stream RRU",
    "WRU",
    "WRU in all",
)


class Sockets:
    """A gateway that notes what had been spent when each message was posted."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage
        self.posted: list[tuple[bytes, Spent]] = []

    def post(self, _connection: str, data: bytes) -> None:
        """Take one message."""
        self.posted.append((data, self._usage.spent()))

    def close(self, connection: str, code: int, reason: str) -> None:
        """Nothing here ends a connection."""
        raise AssertionError(f"{connection} was closed: {code} {reason}")


class NoJobs:
    """A queue whose messages are not delivered."""

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Take one message."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation cost: until its answer, until its end, and in the stream handler."""

    answered: Spent
    ended: Spent
    stream: Spent = field(default_factory=Spent)


class Deployment:
    """Tables in an emulator, and processes that work on them."""

    def __init__(self, usage: Usage, endpoint: str | None, region: str) -> None:
        self.usage, self._endpoint, self._region = usage, endpoint, region
        self.sockets = Sockets(usage)
        self._frames = count()
        create_tables(self._client().raw, PREFIX, (*MODELS, *SESSION_MODELS))
        self.web, self.stream = self.process(), self.process()
        self.web.deploy("benchmark")
        self._told = 0
        self.tell()

    def process(self) -> Backend:
        """Start a process that knows nothing yet."""
        client = self._client()
        stores = Stores(
            DynamoPersistence(client), DynamoSessions(client), DynamoSubscriptions(client)
        )
        settings = Settings(store="dynamodb", apps=("benchmarks.app",), stage="test")
        return assemble(
            settings, stores=stores, gateway=self.sockets, jobs=NoJobs()
        ).backend

    def _client(self) -> DynamoClient:
        return DynamoClient(
            PREFIX, endpoint=self._endpoint, region=self._region, usage=self.usage
        )

    def begin_anew(self) -> None:
        """Replace the web's process by a warm one whose tail holds nothing of the data."""
        self.web = self.process()
        self.call("query", "notes:ofTopic", topic="nothing")

    def call(self, kind: Kind, path: str, **arguments: Any) -> tuple[Cost, Any]:
        """Call a function as the HTTP API does, and let the stream handler follow."""
        before = self.usage.spent()
        outcome = self.web.call(Call(path, msgspec.json.encode(arguments), None), kind)
        answered = self.usage.spent() - before
        assert outcome.failure is None, outcome.failure
        stream = self.tell() if kind == "mutation" else Spent()
        return Cost(answered, answered, stream), msgspec.json.decode(
            outcome.value or b"null"
        )

    def send(self, connection: str, message: Any, answer: bytes) -> Cost:
        """Send a frame; ``answer`` is what the message that answers it has in it."""
        self.sockets.posted.clear()
        stamp_ms = time.time() * 1000
        frame = Frame(f"{next(self._frames):06}", stamp_ms, msgspec.json.encode(message))
        before = self.usage.spent()
        self.web.receive(connection, frame)
        ended = self.usage.spent() - before
        spent = [at - before for data, at in self.sockets.posted if answer in data]
        assert len(spent) == 1 or not answer, self.sockets.posted
        return Cost(spent[0] if spent else ended, ended)

    def tell(self) -> Spent:
        """Hand what was committed to the process of the stream handler."""
        head = self.web.head()
        first, self._told = self._told + 1, head
        before = self.usage.spent()
        self.stream.commits(first, head)
        return self.usage.spent() - before

    def open(self, connection: str) -> None:
        """Open a session that watches nothing."""
        connect = {"type": "Connect", "sessionId": connection, "clientTs": 1}
        self.send(connection, connect, b"")
        self.send(connection, query_set(0), b"Transition")


def query_set(base: int, *queries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Write the message that adds queries to a session's set."""
    return {
        "type": "ModifyQuerySet",
        "baseVersion": base,
        "newVersion": base + 1,
        "modifications": [
            {"type": "Add", "queryId": base, "udfPath": path, "args": [arguments]}
            for path, arguments in queries
        ],
    }


@contextmanager
def deployed() -> Iterator[Deployment]:
    """Deploy the benchmarks' app into an emulator."""
    with start_emulator() as emulator:
        yield Deployment(Usage(), emulator.endpoint, emulator.region)


def text(seed: int) -> str:
    """Return text that does not compress well."""
    letters = ascii_letters + digits
    return "".join(Random(seed).choices(letters, k=BODY_BYTES))


def measure(on: Deployment) -> list[Line]:
    """Do everything once, and return its costs."""
    notes = [
        on.call("mutation", "notes:add", topic="geo", rank=rank, body=text(rank))[1]
        for rank in range(4)
    ]
    return [*_of_queries(on), *_over_http(on, notes[0]), *_of_sockets(on, notes[0])]


def _of_queries(on: Deployment) -> list[Line]:
    on.web = on.process()
    cold, _ = on.call("query", "notes:ofTopic", topic="geo")
    on.begin_anew()
    warm, _ = on.call("query", "notes:ofTopic", topic="geo")
    cached, _ = on.call("query", "notes:ofTopic", topic="geo")
    return [
        _line("query, cold process", cold, trips=4, rru=4),
        _line("query, warm, one range ≤ 4 KB", warm, trips=2, rru=2),
        _line("query, cached", cached, trips=1, rru=1),
    ]


def _over_http(on: Deployment, note: str) -> list[Line]:
    def cost(path: str, **arguments: Any) -> Cost:
        on.begin_anew()
        return on.call("mutation", path, **arguments)[0]

    same = cost("notes:rewrite", note=note, body=text(10))
    moved = cost("notes:move", note=note, topic="sea", rank=50)
    made = cost("notes:add", topic="sea", rank=51, body=text(11))
    return [
        _line("mutation over HTTP, keys stay", same, trips=3, wru=7),
        _line("mutation over HTTP, both keys move", moved, trips=3, wru=9),
        _line("mutation over HTTP, insert", made, trips=3, wru=9),
    ]


def _of_sockets(on: Deployment, note: str) -> list[Line]:
    writer, *watchers = (f"connection-{n}" for n in range(1 + WATCHERS))
    for name in (writer, *watchers):
        on.open(name)
    time.sleep(SETTLED_S)
    requests = count()

    def cost(path: str, **arguments: Any) -> Cost:
        on.begin_anew()
        # The process has seen the session: it has run another request of it.
        send("boards:write", name="writer", text="warm")
        on.tell()
        spent = send(path, **arguments)
        return Cost(spent.answered, spent.ended, on.tell())

    def send(path: str, **arguments: Any) -> Cost:
        message = mutation(next(requests), path, arguments)
        return on.send(writer, message, b"MutationResponse")

    same = cost("notes:rewrite", note=note, body=text(21))
    moved = cost("notes:move", note=note, topic="geo", rank=60)
    made = cost("notes:add", topic="sky", rank=1, body=text(22))
    return [
        _line("mutation over a socket, keys stay", same, trips=3, wru=11),
        _line("mutation over a socket, both keys move", moved, trips=3, wru=11),
        _line("mutation over a socket, insert", made, trips=3, wru=11),
        *_of_watchers(
            on, watchers, lambda words: send("boards:write", name="board", text=words)
        ),
    ]


def _of_watchers(
    on: Deployment, watchers: Sequence[str], write: Callable[[str], Cost]
) -> list[Line]:
    """Let one session watch, then all: the difference is the cost of the others."""
    one, *others = watchers

    def subscribe(name: str, *, elsewhere: bool = False) -> Cost:
        on.begin_anew()
        if not elsewhere:
            on.send(name, {"type": "Event", "eventType": "", "event": None}, b"")
        return on.send(
            name, query_set(1, ("boards:read", {"name": "board"})), b"Transition"
        )

    def told(board: str, words: str, posts: int) -> Spent:
        on.sockets.posted.clear()
        spent = on.call("mutation", "boards:write", name=board, text=words)[0].stream
        assert len(on.sockets.posted) == posts, on.sockets.posted
        return spent

    def told_ahead(words: str) -> Cost:
        """A commit over a socket: what follows its answer, and what is left to the stream."""
        spent = write(words)
        return Cost(Spent(), spent.ended - spent.answered, on.tell())

    for board in ("board", "other"):
        told(board, "0", 0)
    nobody, beside = told("board", "1", 0), told("other", "1", 0)
    subscribed = subscribe(one)
    told("board", "2", 1)
    pushed, looked = told("board", "3", 1), told("board", "3", 0)
    aside = told("other", "2", 0) - beside
    ahead = told_ahead("a")
    strange, *_ = [subscribe(name, elsewhere=True) for name in others]
    told("board", "4", len(watchers))
    push = _each(told("board", "5", len(watchers)) - pushed, len(others))
    wake = _each(told("board", "5", 0) - looked, len(others))
    more = told_ahead("b")
    push_ahead = Cost(
        Spent(),
        _each(more.ended - ahead.ended, len(others)),
        _each(more.stream - ahead.stream, len(others)),
    )
    return [
        _line("subscribe to one query", subscribed, trips=3, rru=3),
        _line("the same, the session was run elsewhere", strange),
        _line("first push of a commit to a client", _of_stream(pushed - nobody)),
        _line("push to one client, result shared", _of_stream(push), trips=3, wru=3),
        _line("the same, by who committed over a socket", push_ahead, wru=3),
        _line("wake, result unchanged", _of_stream(wake), trips=2, wru=2),
        _line("commit beside what a session reads", _of_stream(aside), trips=0, wru=0),
    ]


def _of_stream(spent: Spent) -> Cost:
    return Cost(spent, spent)


def _each(spent: Spent, how_many: int) -> Spent:
    return Spent(
        spent.round_trips // how_many,
        spent.calls // how_many,
        spent.rru / how_many,
        spent.wru // how_many,
    )


def _line(
    what: str,
    cost: Cost,
    *,
    trips: float | None = None,
    rru: float | None = None,
    wru: float | None = None,
) -> Line:
    after = cost.ended - cost.answered
    total = cost.ended + cost.stream

    def number(value: float, bound: float | None) -> Number:
        return Number(value) if bound is None else at_most(value, "", bound)

    return Line(
        what,
        (
            number(cost.answered.round_trips, trips),
            number(cost.answered.rru, rru),
            Number(cost.answered.wru),
            Number(after.rru),
            Number(after.wru),
            Number(cost.stream.rru),
            Number(cost.stream.wru),
            number(total.wru, wru),
        ),
    )


def run() -> None:
    """Measure, and print."""
    with deployed() as deployment:
        lines = measure(deployment)
    print_table(
        "DynamoDB: what an operation costs (document of 1 KB, two indexes)", COLUMNS, lines
    )


if __name__ == "__main__":
    run()
