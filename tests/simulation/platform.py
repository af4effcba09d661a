"""Invocations: processes that serve one at a time and go stale, and what sets them going."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.dynamodb.line import DynamoLine
from chalicelib.engine.auth import Caller, Identity
from chalicelib.engine.backend import Backend, Behaviour, Ports
from chalicelib.engine.database.housekeeping import Retention
from chalicelib.engine.errors import (
    AppError,
    ConnectionGone,
    EngineError,
    PostUnanswered,
)
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.line import Line
from chalicelib.engine.log import ORIGIN, Entry
from chalicelib.engine.ports import Frame, roster_shard
from chalicelib.engine.rates import RateLimiter
from chalicelib.engine.sync.fanout import Fanout
from chalicelib.engine.sync.messages import Authenticate
from chalicelib.engine.sync.services import Committed
from tests.simulation.blobs import Shelf, SlowBlobs
from tests.simulation.doors import SlowSessions, SlowSubscriptions
from tests.simulation.dynamo import Tables, TornDynamo
from tests.simulation.dynamo_ports import (
    MindfulDynamoSessions,
    TornDynamoPersistence,
    TornDynamoSubscriptions,
    watched_rates,
)
from tests.simulation.faults import HABITS
from tests.simulation.gateway import Gateway, Socket
from tests.simulation.grouped import GroupedPersistence
from tests.simulation.properties import Broken, Property
from tests.simulation.queue import Queue
from tests.simulation.rates import RateLedger, SlowRates, WatchedRates
from tests.simulation.slow_line import SlowLine
from tests.simulation.storage import TornPersistence
from tests.simulation.turns import VirtualLock, VirtualTurns
from tests.simulation.world import Killed, World, WorldClock, WorldIds

TICK_MS = 15_000.0
SWEEP_TICKS = 4
"""A sweep of jobs, and the housekeeper, come each minute."""

DAY_MS = 24 * 60 * 60 * 1000.0
REDELIVERY_MS = (300, 3000)


APP = ("tests.simulation.app",)
WEB = (
    *APP,
    "chalicelib.geoflow.idempotency",
    "chalicelib.geoflow.schema.idempotency",
    "tests.simulation.app_web",
)


@cache
def registry(packages: tuple[str, ...]) -> Registry:
    """An app, read once."""
    return Registry(packages)


def user(name: str | None) -> Caller:
    """The caller whose token is ``name``."""
    if name is None:
        return None
    return Identity("sim", name, f"sim|{name}", {"subject": name})


def verify(message: Authenticate) -> Caller:
    """Believe everybody."""
    return user(message.value)


def report(error: Exception, path: str, request_id: str) -> None:
    """Refuse failures that are neither the app's nor the engine's own."""
    if not isinstance(error, AppError | EngineError):
        raise Broken(Property.CRASH, f"{path} failed: {error!r}") from error


@dataclass(slots=True, eq=False)
class Process:
    """One process with its caches; it is busy with one invocation, or idle."""

    backend: Backend
    busy: bool = False


class Platform:
    """What the cloud does: hands events to processes."""

    def __init__(
        self, world: World, committed: Callable[[Entry], None], shelf: Shelf
    ) -> None:
        self.world, self._committed = world, committed
        self.storage: TornPersistence | TornDynamoPersistence
        self.sessions: SlowSessions | MindfulDynamoSessions
        self.subscriptions: SlowSubscriptions | TornDynamoSubscriptions
        self._tables: Tables | None = None
        self.rates = RateLedger()
        if world.profile.dynamodb:
            tables = self._tables = Tables(world)
            self.storage = TornDynamoPersistence(world, tables, self._stream)
            self.sessions = MindfulDynamoSessions(world, tables)
            self.subscriptions = TornDynamoSubscriptions(world, tables)
        else:
            self.storage = (
                GroupedPersistence(world, self._stream)
                if world.profile.ordered
                else TornPersistence(world, self._stream, at_once=False)
            )
            self.sessions = SlowSessions(world)
            self.subscriptions = SlowSubscriptions(world)
        self.gateway = Gateway(world, self._take_frame)
        self.gateway.disconnected = self._disconnected
        self.gateway.drained = self._drained
        self._ports = Ports(
            persistence=self.storage,
            sessions=self.sessions,
            subscriptions=self.subscriptions,
            gateway=self.gateway,
            jobs=Queue(world, self.start_job),
            clock=WorldClock(world),
            ids=WorldIds(world),
            line=self._line(),
            cursors=SivCursors(b"a test"),
            blobs=SlowBlobs(world, shelf),
            rates=self._limiter() if world.profile.web else None,
        )
        self._processes: list[Process] = []
        self._ticks = 0
        self.old_ts = 0
        """Answers up to here may have been forgotten."""
        if world.profile.ticks:
            world.at(TICK_MS, self._tick, awaited=False)

    def _line(self) -> Line | None:
        """Where processes take turns, if there are several."""
        if self._tables is not None:
            client: Any = TornDynamo(self.world, self._tables)
            return DynamoLine(client, "main", WorldClock(self.world))
        return None if self.world.profile.ordered else SlowLine(self.world)

    def _limiter(self) -> RateLimiter:
        ledger = self.rates

        def counted(caller: str, at: int) -> None:
            ledger.count(caller, at, import_module("tests.simulation.app_web.http").RATE)

        if self._tables is None:
            return WatchedRates(SlowRates(self.world, ledger), ledger)
        return WatchedRates(watched_rates(self.world, self._tables, counted), ledger)

    def backend(self, packages: tuple[str, ...] = ()) -> Backend:
        """A new process, with nothing cached."""
        profile = self.world.profile
        behaviour = Behaviour(
            settle_ms=profile.settle_ms,
            tick_ms=TICK_MS,
            max_message_bytes=profile.max_message_bytes,
            ahead=profile.ahead,
            retention=Retention(log_ms=DAY_MS, answers_ms=DAY_MS, tombstones_ms=DAY_MS),
        )
        skew_ms = profile.skew_ms
        clock = WorldClock(self.world, self.world.between((-skew_ms, skew_ms)))
        backend = Backend(
            registry(packages or (WEB if profile.web else APP)),
            msgspec.structs.replace(self._ports, clock=clock),
            behaviour=behaviour,
            verify=verify,
            report=report,
        )
        backend.runner.mutations.turns = VirtualTurns(self.world)  # type: ignore[assignment]  # sleeps in virtual time
        backend._committer._line = VirtualLock(self.world)  # type: ignore[assignment]  # likewise
        if profile.ahead:
            self._mark_ahead(backend._fanout)
        return backend

    def _mark_ahead(self, fanout: Fanout) -> None:
        """Let the world know who wakes others ahead of the stream: they may desert."""
        wake_ahead = fanout.wake_ahead

        def marked(own: str, commits: Committed, began_ms: float) -> None:
            invocation = self.world.current
            if invocation is not None:
                invocation.ahead = True
                self.world.stats["commits with readers told ahead"] += bool(commits)
            wake_ahead(own, commits, began_ms)

        fanout.wake_ahead = marked  # type: ignore[method-assign]  # looks at who calls it

    # -- invocations ----------------------------------------------------------------------

    def invoke(
        self,
        kind: str,
        work: Callable[[Backend], None],
        *,
        delay_ms: float = 0,
        fragile: bool = True,
        again: Callable[[], None] = lambda: None,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """Run ``work`` in some process; ``again`` is called if it did not end well."""

        def body() -> None:
            process = self._enter()
            try:
                work(process.backend)
            except (Killed, Broken):
                if process in self._processes:
                    self._processes.remove(process)
                raise
            except (ConnectionGone, PostUnanswered):
                again()
            except Exception as error:
                if not getattr(error, "retryable", False):
                    raise Broken(Property.CRASH, f"{kind} raised {error!r}") from error
                again()
            process.busy = False
            done()

        self.world.spawn(kind, body, delay_ms=delay_ms, fragile=fragile, killed=again)

    def _enter(self) -> Process:
        profile = self.world.profile
        if profile.ordered:
            if not self._processes:
                self._processes.append(Process(self.backend()))
            return self._processes[0]
        idle = [process for process in self._processes if not process.busy]
        is_full = len(self._processes) >= profile.processes
        if idle and (is_full or not self.world.chance(HABITS.new_process)):
            process = self.world.random.choice(idle)
        else:
            process = Process(self.backend())
            self._processes.append(process)
        process.busy = True
        return process

    # -- events ---------------------------------------------------------------------------

    def _take_frame(self, connection: str, frame: Frame, begin: Callable[[], bool]) -> None:
        if self.world.profile.ordered:
            self._take_in_order(connection, frame, begin)
            return

        def work(backend: Backend) -> None:
            if begin():
                self._receive(backend, connection, frame)

        delay_ms = self.world.between(self.world.profile.frame_ms)
        self.invoke("frame", work, delay_ms=delay_ms, fragile=False)

    def _receive(self, backend: Backend, connection: str, frame: Frame) -> None:
        """Do what the entry point does: end a session in doubt."""
        try:
            backend.receive(connection, frame)
        except Exception:
            backend.disconnected(connection)
            raise

    def _take_in_order(
        self, connection: str, frame: Frame, begin: Callable[[], bool]
    ) -> None:
        socket = self.gateway.sockets[connection]
        socket.waiting.append((frame, begin))
        delay_ms = self.world.between(self.world.profile.frame_ms)
        self.world.at(delay_ms, lambda: self._pump(socket))

    def _pump(self, socket: Socket) -> None:
        """Hand over the next frame of a connection, once the one before has been handled."""
        if socket.busy or not socket.waiting:
            return
        frame, begin = socket.waiting.pop(0)

        def work(backend: Backend) -> None:
            if begin():
                self._receive(backend, socket.connection, frame)

        def done() -> None:
            socket.busy = False
            self._pump(socket)

        socket.busy = True
        self.invoke("frame", work, done=done)

    def _disconnected(self, connection: str) -> None:
        self.invoke("disconnect", lambda backend: backend.disconnected(connection))

    def _drained(self, connection: str) -> None:
        self.invoke("drained", lambda backend: backend.drained(connection), fragile=False)

    def _stream(self, entry: Entry) -> None:
        self._committed(entry)
        world = self.world
        twice = not world.profile.ordered and world.chance(HABITS.stream_twice)
        for _ in range(1 + twice):
            again = world.random.randrange(3) if world.chance(HABITS.stream_again) else 0
            first = max(ORIGIN + 1, entry.ts - again)
            self._report(first, entry.ts, world.between(world.profile.stream_ms))

    def _report(self, first: int, last: int, delay_ms: float) -> None:
        def again() -> None:
            self._report(first, last, self.world.between(REDELIVERY_MS))

        self.invoke(
            "stream",
            lambda backend: _ignore(backend.commits(first, last)),
            delay_ms=delay_ms,
            again=again,
        )

    def start_job(self, body: bytes, delay_ms: float) -> None:
        """Hand a message of the queue to a process."""

        def again() -> None:
            self.start_job(body, self.world.between(REDELIVERY_MS))

        self.invoke(
            "job",
            lambda backend: _ignore(backend.job(body)),
            delay_ms=delay_ms,
            again=again,
        )

    def _tick(self) -> None:
        for shard in sorted({roster_shard(name) for name in self.gateway.sockets}):
            self.invoke("tick", lambda backend, shard=shard: _ignore(backend.tick(shard)))  # type: ignore[misc]  # bound at once
        self._ticks += 1
        if self._ticks % SWEEP_TICKS == 0:
            self.start_job(b'{"type":"house"}', 0)
        if self.world.profile.has_jobs and self._ticks % SWEEP_TICKS == 0:
            self.invoke("heartbeat", lambda backend: backend.send_sweep())
        self.world.at(TICK_MS, self._tick, awaited=False)


def _ignore(_: object) -> None:
    """Let a handler's result go, as the cloud does."""
