"""What a backend is made of: the world it is given, how it behaves, and how its parts join."""

from collections.abc import Callable

import msgspec

from chalicelib.engine.auth import Caller
from chalicelib.engine.blobs import BlobStore
from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.housekeeping import Retention
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.functions.http_quota import RateNumbers
from chalicelib.engine.functions.isolation import let_out
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.runner import Observer, Runner
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.functions.turns import Turns
from chalicelib.engine.gates import Gate, LockGate
from chalicelib.engine.line import Line
from chalicelib.engine.outside import Outside
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import (
    Backlogged,
    Clock,
    CursorSeal,
    Gateway,
    Ids,
    JobQueue,
    Refusing,
    SessionStore,
    SubscriptionIndex,
)
from chalicelib.engine.queued import Job
from chalicelib.engine.rates import RateLimiter
from chalicelib.engine.secrets import SecretBox
from chalicelib.engine.sync.actor import Actors
from chalicelib.engine.sync.fanout import Fanout, HandOver
from chalicelib.engine.sync.messages import Authenticate
from chalicelib.engine.sync.overload import Allowance, Turnstile
from chalicelib.engine.sync.reruns import Rerun, Reruns
from chalicelib.engine.sync.services import Services
from chalicelib.engine.sync.transition import Mover
from chalicelib.engine.upkeep import Upkeep


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """The world, as one backend sees it.

    ``wakes`` is the queue of what keeps sessions going, where that must not wait for jobs that
    take long; without, it is that of the jobs. ``line`` is where the processes of a contended log
    take turns; one process alone needs none. Without ``rates`` nobody counts how often HTTP
    functions are asked.
    """

    persistence: Persistence
    sessions: SessionStore
    subscriptions: SubscriptionIndex
    gateway: Gateway
    jobs: JobQueue
    clock: Clock
    ids: Ids
    cursors: CursorSeal
    wakes: JobQueue | None = None
    line: Line | None = None
    gate: Callable[[], Gate] = LockGate
    blobs: BlobStore | None = None
    secrets: SecretBox | None = None
    outside: Outside | None = None
    rates: RateLimiter | None = None


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How a backend behaves towards its clients.

    ``redacted`` keeps error texts and log lines from them. ``settle_ms`` is 0 where the
    gateway keeps the order of frames. ``code_version`` names the code of this process.
    ``ahead``: whoever commits for a socket wakes others, before the log's stream reports it.
    """

    redacted: bool = False
    settle_ms: float = 100
    tick_ms: float = 15_000
    max_message_bytes: int = 128 * 1024
    code_version: str = ""
    files: FileAccess = FileAccess()
    retention: Retention = Retention()
    allowance: Allowance = Allowance()
    rates: RateNumbers = RateNumbers()
    ahead: bool = False


def _none_unsent(_connection: str) -> int:
    """What is unsent, where the gateway does not tell."""
    return 0


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """The log of one backend, what runs functions over it, and what watches its clients."""

    tail: LogTail
    committer: Committer
    runner: Runner
    upkeep: Upkeep
    reruns: Reruns
    turnstile: Turnstile


def make_core(
    registry: Registry,
    ports: Ports,
    behaviour: Behaviour,
    observer: Observer,
    reran: Callable[[Rerun], None],
) -> Core:
    """Join the log with what runs functions over it."""
    persistence = let_out(ports.persistence)
    tail = LogTail(persistence, ports.clock)
    committer = Committer(ports.persistence, tail, ports.clock)
    runner = Runner(
        registry,
        persistence,
        tail=tail,
        committer=committer,
        clock=ports.clock,
        ids=ports.ids,
        cursors=ports.cursors,
        observer=observer,
        files=behaviour.files,
    )
    if ports.line is not None:
        runner.mutations.share(ports.line, behaviour.code_version)
    runner.mutations.turns = Turns(ports.gate)
    upkeep = Upkeep(
        registry,
        ports.persistence,
        tail=tail,
        committer=committer,
        clock=ports.clock,
        ids=ports.ids,
        retention=behaviour.retention,
    )
    runner.mutations.widen = upkeep.widen
    return Core(
        tail=tail,
        committer=committer,
        runner=runner,
        upkeep=upkeep,
        reruns=Reruns(reran),
        turnstile=Turnstile(behaviour.allowance, ports.clock),
    )


class Live(msgspec.Struct, frozen=True):
    """The sessions of one backend: who runs them, and what wakes them."""

    actors: Actors
    fanout: Fanout


def make_live(
    ports: Ports, behaviour: Behaviour, core: Core, services: Services, hand_over: HandOver
) -> Live:
    """Join what runs sessions with what wakes them."""
    store, index, clock = ports.sessions, ports.subscriptions, ports.clock
    actors = Actors(
        store, index, ports.gateway, clock=clock, ids=ports.ids, services=services
    )
    fanout = Fanout(
        actors,
        store,
        index,
        tail=core.tail,
        committer=core.committer,
        clock=clock,
        hand_over=hand_over,
        tick_ms=behaviour.tick_ms,
    )
    fanout.ahead = behaviour.ahead
    return Live(actors, fanout)


def make_services(
    ports: Ports,
    behaviour: Behaviour,
    core: Core,
    *,
    verify: Callable[[Authenticate], Caller],
    report: Callable[[Exception, str, str], None],
    start: Callable[[Job], None],
    send_wake: Callable[[str, float], None],
) -> Services:
    """Join what every conversation of a backend uses."""
    gateway = ports.gateway
    return Services(
        runner=core.runner,
        mover=Mover(core.runner, core.tail, ports.subscriptions),
        index=ports.subscriptions,
        gateway=gateway,
        clock=ports.clock,
        verify=verify,
        enlist=ports.sessions.enlist,
        start=start,
        send_wake=send_wake,
        unsent=gateway.unsent if isinstance(gateway, Backlogged) else _none_unsent,
        offer=gateway.offer if isinstance(gateway, Refusing) else None,
        report=report,
        reruns=core.reruns,
        turnstile=core.turnstile,
        max_message_bytes=behaviour.max_message_bytes,
        settle_ms=behaviour.settle_ms,
        tick_ms=behaviour.tick_ms,
        redacted=behaviour.redacted,
    )
