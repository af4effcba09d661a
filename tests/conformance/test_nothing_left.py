"""Clients that unsubscribe, leave, or die leave nothing behind, wherever sessions are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.errors import ConnectionGone
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.ports import ROSTER_SHARDS, Frame
from chalicelib.engine.sync.actor import LEASE_MS
from tests.backend import CountedIds, DelayedJobs, Sockets, VirtualClock
from tests.conformance.session_adapters import Adapters, Opened
from tests.trial import add, remove

NAMES = ("memory", "dynamodb")


@pytest.fixture(scope="module")
def adapters() -> Iterator[Adapters]:
    opened = Adapters()
    yield opened
    opened.close()


@pytest.fixture(params=NAMES)
def place(adapters: Adapters, request: pytest.FixtureRequest) -> Place:
    return Place(adapters.open(request.param))


class MortalSockets(Sockets):
    """A gateway whose sockets may be ``gone``, which only a post finds out."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()

    @override
    def post(self, connection: str, data: bytes) -> None:
        if connection in self.gone:
            raise ConnectionGone(connection)
        super().post(connection, data)


class Place:
    """The trial app over one adapter of sessions."""

    def __init__(self, opened: Opened) -> None:
        self.sessions, self.subscriptions = opened.sessions, opened.subscriptions
        self.clock, self.sockets = VirtualClock(), MortalSockets()
        self.jobs = DelayedJobs(self.clock)
        self.backend = Backend(
            Registry(("tests.apps.trial", "chalicelib.system")),
            Ports(
                persistence=MemoryPersistence(),
                sessions=self.sessions,
                subscriptions=self.subscriptions,
                gateway=self.sockets,
                jobs=self.jobs,
                clock=self.clock,
                ids=CountedIds(),
                cursors=SivCursors(b"a test"),
            ),
            behaviour=Behaviour(settle_ms=0),
            verify=lambda _: None,
            report=lambda error, _path, _request_id: pytest.fail(repr(error)),
        )
        self.backend.deploy("trial")
        self._frames = 0

    def send(self, connection: str, message: dict[str, Any]) -> None:
        self.sockets.posted.setdefault(connection, [])
        self._frames += 1
        body = msgspec.json.encode(message)
        frame = Frame(f"{self._frames:06}", self.clock.now_ms(), body)
        self.backend.receive(connection, frame)

    def watch(self, connection: str, *groups: str) -> None:
        self.send(
            connection,
            {
                "type": "Connect",
                "sessionId": f"session of {connection}",
                "connectionCount": 0,
                "lastCloseReason": None,
                "clientTs": 1,
            },
        )
        changes = [add(i, "items:list", group=g) for i, g in enumerate(groups)]
        self.modify(connection, 0, *changes)

    def modify(self, connection: str, base: int, *changes: dict[str, Any]) -> None:
        self.send(
            connection,
            {
                "type": "ModifyQuerySet",
                "baseVersion": base,
                "newVersion": base + 1,
                "modifications": changes,
            },
        )

    def woken_by(self, group: str) -> int:
        arguments = msgspec.json.encode({"group": group, "label": "x"})
        ts = self.backend.call(Call("items:add", arguments), "mutation").ts
        return self.backend.commits(ts, ts)

    def left(self) -> list[str]:
        """Whom the roster names."""
        return [
            connection
            for shard in range(ROSTER_SHARDS)
            for connection, _ in self.sessions.roster(shard)
        ]


def test_what_is_unsubscribed_wakes_nobody_any_more(place: Place) -> None:
    place.watch("c1", "a", "b")
    assert place.woken_by("a") == 1

    place.modify("c1", 1, remove(0), remove(1))

    assert (place.woken_by("a"), place.woken_by("b")) == (0, 0)


def test_who_leaves_leaves_nothing(place: Place) -> None:
    for name in ("c1", "c2"):
        place.watch(name, "a", "b")

    for name in ("c1", "c2"):
        place.backend.disconnected(name)

    assert place.woken_by("a") == 0
    assert place.left() == []
    assert [place.sessions.state(name) for name in ("c1", "c2")] == [b"", b""]
    assert place.sessions.inbox("c1") == []


def test_whose_holder_dies_is_buried_by_the_tick_and_leaves_nothing(place: Place) -> None:
    place.watch("c1", "a")
    now_ms = place.clock.now_ms()
    place.sessions.acquire("c1", "dies", now_ms=now_ms, deadline_ms=now_ms + LEASE_MS)
    place.sessions.leave("c1", Frame("f", now_ms, b"{}"))
    place.clock.wait_ms(LEASE_MS + 1)

    for shard in range(ROSTER_SHARDS):
        place.backend.tick(shard)

    assert place.sockets.posted["c1"][-1]["type"] == "closed"
    assert place.woken_by("a") == 0
    assert place.left() == []
    assert (place.sessions.state("c1"), place.sessions.inbox("c1")) == (b"", [])


def test_whose_socket_is_gone_is_found_out_by_a_post_and_leaves_nothing(
    place: Place,
) -> None:
    place.watch("c1", "a")
    place.sockets.gone.add("c1")

    assert place.woken_by("a") == 1

    assert place.woken_by("a") == 0
    assert place.left() == []
    assert place.sessions.state("c1") == b""
