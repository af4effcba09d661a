"""Plays interleavings on our engine: each transaction in a process of its own, where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.persistence import DynamoPersistence
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.functions.calls import Call, Kind
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.persistence import Persistence
from local.emulator import start_emulator
from tests.apps.hermitage.parts import PLAYS
from tests.backend import Sockets
from tests.proof.hermitage.anomalies import Anomaly
from tests.proof.hermitage.conductor import Conductor, Refused, TakenBack
from tests.proof.hermitage.parts import BEGINNING, Rows, Story

Play = Callable[[Rows], list[Any]]
Processes = Callable[[], Persistence]
"""Opens one log, as each of several processes does."""


class Nowhere:
    """A queue whose jobs nobody does."""

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        pass


class EngineSystem:
    """Our engine over one kind of store. ``fresh`` makes an empty log."""

    def __init__(self, name: str, fresh: Callable[[], Processes]) -> None:
        self.name, self._fresh = name, fresh

    def tell(self, anomaly: Anomaly) -> Story:
        """Play an interleaving on an empty log."""
        process = self._fresh()
        shared = backend_over(process())
        shared.deploy("test")
        _fill(shared)
        backends = {name: backend_over(process()) for name in anomaly.parts}
        conductor = Conductor(anomaly.parts)

        def perform(name: str, play: Play) -> list[Any]:
            kind: Kind = "mutation" if anomaly.parts[name].writes else "query"
            return _call(backends[name], kind, play)

        ended = conductor.conduct(anomaly.order, perform)
        rows = _answer(backend_over(process()), Call("parts:everything", b"{}"), "query")
        return Story(ended, {int(key): int(value) for key, value in rows})


def backend_over(persistence: Persistence, app: str = "tests.apps.hermitage") -> Backend:
    """Make what a process of the deployment has."""
    return Backend(
        Registry([app]),
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


def _fill(backend: Backend) -> None:
    def steps(rows: Rows) -> list[Any]:
        for key, value in BEGINNING.items():
            rows.insert(key, value)
        return []

    _call(backend, "mutation", steps)


def _call(backend: Backend, kind: Kind, play: Play) -> list[Any]:
    """Run a function that plays a part; what its last run saw is what it returned.

    The keys of what is seen are numbers, which an object of the wire cannot have: what the
    function returns says only how often it ran, and that names what that run saw.
    """
    part, runs = uuid4().hex, list[list[Any]]()

    def played(rows: Rows) -> list[Any]:
        runs.append(play(rows))
        return [len(runs) - 1]

    PLAYS[part] = played
    path = "parts:write" if kind == "mutation" else "parts:look"
    try:
        (run,) = _answer(backend, Call(path, msgspec.json.encode({"part": part})), kind)
        return runs[int(run)]
    finally:
        del PLAYS[part]


def _answer(backend: Backend, call: Call, kind: Kind) -> Any:
    outcome = backend.call(call, kind)
    if outcome.failure is None:
        return json.loads(outcome.value or b"null")
    if "taken back" in str(outcome.failure.error):
        raise TakenBack
    raise Refused(outcome.failure.reason)


@contextmanager
def memory() -> Iterator[EngineSystem]:
    """Two processes over the reference store."""

    def fresh() -> Processes:
        persistence = MemoryPersistence()
        return lambda: persistence

    yield EngineSystem("memory", fresh)


@contextmanager
def sqlite() -> Iterator[EngineSystem]:
    """Backends over one file, which one process may open: they share the connection."""
    opened = list[SqlitePersistence]()
    with TemporaryDirectory() as directory:

        def fresh() -> Processes:
            persistence = SqlitePersistence(Path(directory) / str(len(opened)))
            opened.append(persistence)
            return lambda: persistence

        try:
            yield EngineSystem("SQLite", fresh)
        finally:
            for persistence in opened:
                persistence.close()


@contextmanager
def dynamodb() -> Iterator[EngineSystem]:
    """Processes over DynamoDB: moto with a lock round each of its calls, as in other tests."""
    with start_emulator() as emulator:
        client = DynamoClient(
            "hermitage-", endpoint=emulator.endpoint, region=emulator.region
        )
        create_tables(client.raw, "hermitage-")

        def fresh() -> Processes:
            log = uuid4().hex
            return lambda: DynamoPersistence(client, log)

        try:
            yield EngineSystem("DynamoDB", fresh)
        finally:
            client.close()
