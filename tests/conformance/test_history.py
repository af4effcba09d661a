"""Following the log over every store: each entry once, in order, and none is trimmed before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.database.history import followed_up_to
from chalicelib.engine.database.housekeeping import Retention
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.limits import DAY_MS
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.values.encoding import decode, encode
from tests.backend import CountedIds, DelayedJobs, Sockets, VirtualClock
from tests.conformance.stores import Store

REGISTRY = Registry(["tests.apps.following"])
KEPT = Retention(log_ms=DAY_MS, answers_ms=DAY_MS, tombstones_ms=DAY_MS)


class Process:
    def __init__(self, persistence: Persistence, clock: VirtualClock) -> None:
        self.persistence = persistence
        self.backend = Backend(
            REGISTRY,
            Ports(
                persistence=persistence,
                sessions=MemorySessions(),
                subscriptions=MemorySubscriptions(),
                gateway=Sockets(),
                jobs=DelayedJobs(clock),
                clock=clock,
                ids=CountedIds(),
                cursors=SivCursors(b"a test"),
            ),
            behaviour=Behaviour(settle_ms=0, retention=KEPT),
            verify=lambda _: None,
            report=lambda _error, _path, _id: None,
        )

    def call(self, kind: Kind, path: str, **arguments: object) -> object:
        call = Call(path, encode(arguments), AdminIdentity())
        outcome = self.backend.call(call, kind)
        assert outcome.failure is None, outcome.failure.reason
        return decode(outcome.value or b"null")


def test_each_entry_is_taken_once_by_whoever_follows_at_the_same_time(
    store: Store,
) -> None:
    process = Process(store.fresh(), VirtualClock())
    process.backend.deploy("test")

    def add(n: int) -> None:
        process.call("mutation", "ledger:add", text=str(n))

    def follow(_: int) -> None:
        process.call("mutation", "ledger:follow", limit=3)

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(add, n) for n in range(12)]
        work += [threads.submit(follow, n) for n in range(12)]
        for each in work:
            each.result()
    for _ in range(20):
        follow(0)

    lines, notes = (process.call("query", f"ledger:{name}") for name in ("lines", "notes"))
    assert isinstance(lines, list)
    assert isinstance(notes, list)
    assert sorted(lines) == sorted(notes) == sorted(map(str, range(12)))


def test_what_is_followed_is_kept_until_it_was_taken(store: Store) -> None:
    clock = VirtualClock()
    process = Process(store.fresh(), clock)
    process.backend.deploy("test")
    process.call("mutation", "ledger:follow", limit=100)
    held = followed_up_to(process.persistence, process.backend.runner._tail)

    for n in range(3):
        process.call("mutation", "ledger:add", text=str(n))
        clock.wait_ms(DAY_MS)
        process.backend.upkeep.keep_house()
    behind = process.persistence.marks().horizon
    process.call("mutation", "ledger:follow", limit=100)
    process.backend.upkeep.keep_house()

    assert behind == held
    assert process.persistence.marks().horizon > behind
    assert process.call("query", "ledger:lines") == ["0", "1", "2"]


def test_a_follower_that_is_new_begins_with_what_is_kept(store: Store) -> None:
    clock = VirtualClock()
    process = Process(store.fresh(), clock)
    process.backend.deploy("test")
    for n in range(3):
        process.call("mutation", "ledger:add", text=str(n))
        clock.wait_ms(DAY_MS)
        process.backend.upkeep.keep_house()
    clock.wait_ms(DAY_MS)
    process.backend.upkeep.keep_house()

    process.call("mutation", "ledger:follow", limit=100)

    taken = process.call("query", "ledger:lines")
    assert isinstance(taken, list)
    assert taken == ["0", "1", "2"][-len(taken) :]
    assert len(taken) < 3
