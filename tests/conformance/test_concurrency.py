"""Many threads over each store: nothing is lost, and every reading is one moment of the whole."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import msgspec

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.persistence import Persistence
from tests.backend import Sockets
from tests.conformance.stores import MemoryStore, SqliteStore, Store

CLIENTS, ACCOUNTS, BALANCE = 32, 100, 100


class Nowhere:
    """A queue whose jobs nobody does."""

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        pass


def backend_over(persistence: Persistence) -> Backend:
    backend = Backend(
        Registry(["tests.apps.chat"]),
        Ports(
            persistence=persistence,
            sessions=MemorySessions(),
            subscriptions=MemorySubscriptions(),
            gateway=Sockets(),
            jobs=Nowhere(),
            clock=SystemClock(),
            ids=SystemIds(),
            cursors=SivCursors(b"a test"),
        ),
        behaviour=Behaviour(settle_ms=0),
        verify=lambda _: None,
        report=lambda error, path, request_id: None,
    )
    backend.deploy("test")
    return backend


def call(backend: Backend, kind: Kind, path: str, **arguments: Any) -> Any:
    outcome = backend.call(Call(path, msgspec.json.encode(arguments)), kind)
    assert outcome.failure is None, outcome.failure.reason
    return msgspec.json.decode(outcome.value or b"null")


class TestManyThreads:
    def test_lose_no_increment_and_see_the_same_sum_in_every_snapshot(
        self, store: Store
    ) -> None:
        # The emulated DynamoDB does one thing at a time, and slowly.
        rounds = 5 if isinstance(store, MemoryStore | SqliteStore) else 1
        backend = backend_over(store.fresh())
        call(backend, "mutation", "accounts:open", howMany=ACCOUNTS, balance=BALANCE)
        finished, sums = threading.Event(), list[float]()

        def work(number: int) -> None:
            for step in range(rounds):
                call(backend, "mutation", "counters:increment", name="all")
                source = (number * 7 + step * 13) % ACCOUNTS
                target = (source + 1 + step) % ACCOUNTS
                call(
                    backend,
                    "mutation",
                    "accounts:transfer",
                    source=source,
                    target=target,
                    amount=1,
                )

        def watch() -> None:
            while not finished.is_set():
                shown = call(backend, "query", "accounts:list")
                sums.append(sum(account["balance"] for account in shown))

        with ThreadPoolExecutor(CLIENTS + 2) as threads:
            watchers = [threads.submit(watch) for _ in range(2)]
            workers = [threads.submit(work, number) for number in range(CLIENTS)]
            wait(workers)
            finished.set()  # also if one has failed: else the watchers would go on for ever
            for worker in workers:
                worker.result()
            for watcher in watchers:
                watcher.result()

        assert call(backend, "query", "counters:get", name="all") == CLIENTS * rounds
        assert set(sums) == {ACCOUNTS * BALANCE}
