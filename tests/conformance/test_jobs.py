"""Scheduled functions over every store: what is waiting survives the process that knew of it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.blobs import MemoryBlobs
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.persistence import Persistence
from tests.apps.errands import errands
from tests.backend import CountedIds, DelayedJobs, Sockets, VirtualClock
from tests.conformance.stores import Store

REGISTRY = Registry(["tests.apps.errands"])
LARGE = "x" * 500_000
"""Longer than an item of DynamoDB may be."""


class Process:
    """One process over a store; its queue is forgotten with it."""

    def __init__(self, persistence: Persistence, clock: VirtualClock) -> None:
        self.clock, self._queue = clock, DelayedJobs(clock)
        ids: Any = CountedIds()
        ids._made = int(clock.now_ms()) % 1_000_000  # other names than those before
        self.backend = Backend(
            REGISTRY,
            Ports(
                persistence=persistence,
                sessions=MemorySessions(),
                subscriptions=MemorySubscriptions(),
                gateway=Sockets(),
                jobs=self._queue,
                clock=clock,
                ids=ids,
                cursors=SivCursors(b"a test"),
                blobs=MemoryBlobs(),
            ),
            behaviour=Behaviour(settle_ms=0),
            verify=lambda _: None,
            report=lambda error, path, _: pytest.fail(f"{path}: {error!r}"),
        )
        self._told = self.backend.head()

    def call(self, path: str, kind: Kind, **arguments: Any) -> Any:
        """Call a function by path."""
        self.clock.wait_ms(1)
        raw = msgspec.json.encode(arguments)
        outcome = self.backend.call(Call(path, raw, AdminIdentity()), kind)
        assert outcome.failure is None, outcome.failure.reason
        return json.loads(outcome.value or b"null")

    def work(self) -> None:
        """Tell what was committed, sweep, and do what is due, until nothing is."""
        self.backend.send_sweep()
        while True:
            head = self.backend.head()
            if head > self._told:
                self.backend.commits(self._told + 1, head)
                self._told = head
            bodies = list(self._queue.due())
            if not bodies and self.backend.head() == self._told:
                return
            for body in bodies:
                self.backend.job(body)


@pytest.fixture
def clock() -> VirtualClock:
    errands.RUNS.clear()
    return VirtualClock()


def test_what_waits_is_run_by_the_next_process(store: Store, clock: VirtualClock) -> None:
    log = store.fresh()
    first = Process(log, clock)
    first.backend.deploy("test")
    note = first.call("errands:later", "mutation", text="note", delayMs=5000)
    act = first.call("errands:actLater", "mutation", text="act", delayMs=5000)
    off = first.call("errands:later", "mutation", text="off", delayMs=5000)
    first.call("errands:cancel", "mutation", job=off)
    first.work()
    clock.wait_ms(10_000)

    second = Process(store.again(log), clock)
    second.work()

    states = [
        second.call("errands:job", "query", job=job)["state"]["kind"]
        for job in (note, act, off)
    ]
    assert states == ["success", "success", "canceled"]
    assert sorted(second.call("errands:notes", "query")) == ["act", "note"]
    assert errands.RUNS == ["act"]


def test_large_arguments_come_whole(store: Store, clock: VirtualClock) -> None:
    process = Process(store.fresh(), clock)
    process.backend.deploy("test")
    job = process.call("errands:actLater", "mutation", text=LARGE, delayMs=0)

    process.work()

    assert process.call("errands:job", "query", job=job)["state"]["kind"] == "success"
    assert errands.RUNS == [LARGE]
