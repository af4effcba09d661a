"""The local server: ``python -m local``, or ``make run``.

Every setting is an environment variable; ``chalicelib/config.py`` lists them.
"""

import gc
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from chalicelib import bootstrap
from chalicelib.adapters.key_file import key_file_secrets
from chalicelib.bootstrap import Deployment, Machine, Stores, assemble
from chalicelib.config import BadSetting, Settings, from_environment
from chalicelib.engine.errors import EngineError
from chalicelib.engine.ports import Gateway
from local.banner import ANEW, greeting
from local.declarations import write_declarations
from local.deploying import deploy
from local.fibers import FiberClock, FiberGate
from local.files import app_routes, file_routes, file_store, own_address
from local.identity import (
    admin_key,
    deployment_secret,
    jwks,
    local_provider,
    openid_configuration,
)
from local.lambda_host import CallRecord
from local.limits import AWS, LOCAL
from local.ports import CommitFeed, OwnQueue, OwnSockets, PooledIds
from local.queues import Queue
from local.schedules import Schedule
from local.server import EventSource, Handlers, LocalServer
from local.server import Settings as ServerSettings

log: Final = logging.getLogger("geoflow.local")

SWITCH_S: Final = 0.001
"""How long a thread may compute while another waits. By Python's own 5 ms the writer of the
log, which lets go for each statement, would wait longer than its disk takes."""

GC_THRESHOLD: Final = 20_000
"""New objects until the garbage collector looks. Python's own 700 has it go through the kept
entries of the log all the time; calls make next to no cycles."""

GC_AGAIN, GC_WHOLE = 1, 200
"""Looks at what is new until it looks again at what those left, and such looks until it goes
through everything. By 20 and 20 the second look went through all that some 3,000 sockets hold, and
stopped the server for 280 ms; it takes as long in all."""

HEARTBEAT_S: Final = 60
STREAM_TIMEOUT_S: Final = 60
JOB_TIMEOUT_S: Final = 900
JOBS_AT_ONCE: Final = 512
"""As many slow actions may wait for something side by side."""

WAKES_AT_ONCE: Final = 1
"""Messages about sessions that are handled at once, unless they take long: they compute.

Two threads that compute need the same locks, and whoever is given one waits for its turn with
it, so that the other stops at once: each of thousands of sessions would take several turns.
"""


def main() -> int:
    """Serve until a signal; return the exit status."""
    try:
        settings = from_environment(os.environ)
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
        )
        for chatty in ("uvicorn", "websockets", "botocore", "pynamodb", "asyncio"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        settings.directory.mkdir(parents=True, exist_ok=True)
        _serve(settings)
    except (BadSetting, EngineError) as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"Cannot start: {error.strerror or error}. If a port is taken, stop the other"
            f" server or choose another port: make run PORT=4210 SITE_PORT=4211",
            file=sys.stderr,
        )
        return 1
    return 0


def _serve(settings: Settings) -> None:
    on_dynamodb = settings.store == "dynamodb"
    server = LocalServer(
        ServerSettings(
            host=settings.host,
            port=settings.port,
            site_port=settings.site_port,
            limits=AWS if on_dynamodb else LOCAL,
            ordered=not on_dynamodb,
        ),
        log=_log_call,
    )
    settings = _completed(settings, server)
    server.mounts = {
        "/.well-known/openid-configuration": lambda _: openid_configuration(
            settings.issuer
        ),
        "/.well-known/jwks.json": lambda _: jwks(settings.directory),
    }
    server.streamed = (file_routes(), app_routes())
    place = _on_dynamodb if on_dynamodb else _in_this_process
    try:
        with place(settings, server) as (deployment, sources):
            _run(server, deployment, sources)
    finally:
        server.close()


def _completed(settings: Settings, server: LocalServer) -> Settings:
    """Fill in what a local server gives itself: its addresses, its keys, its provider."""
    on_dynamodb = settings.store == "dynamodb"
    issuer = settings.issuer or f"http://{settings.host}:{server.ports.main}"
    provider = local_provider(settings.directory, issuer)
    return msgspec.structs.replace(
        settings,
        issuer=issuer,
        port=server.ports.main,
        site_port=server.ports.site,
        cloud_url=settings.cloud_url or own_address(settings.host, server.ports.main),
        site_url=settings.site_url or own_address(settings.host, server.ports.site),
        admin_key=settings.admin_key or admin_key(settings.directory),
        secret=settings.secret or deployment_secret(settings.directory),
        auth_providers=(*settings.auth_providers, provider),
        # In this process the gateway hands over one frame of a connection at a time, and
        # posts what no API Gateway would: messages as long as it takes itself.
        settle_ms=settings.settle_ms if on_dynamodb else 0,
        message_bytes=settings.message_bytes if on_dynamodb else LOCAL.message_bytes,
    )


@contextmanager
def _in_this_process(
    settings: Settings, server: LocalServer
) -> Iterator[tuple[Deployment, list[EventSource]]]:
    from chalicelib.adapters.memory.persistence import MemoryPersistence  # noqa: PLC0415
    from chalicelib.adapters.memory.rates import MemoryRates  # noqa: PLC0415
    from chalicelib.adapters.memory.sessions import MemorySessions  # noqa: PLC0415
    from chalicelib.adapters.memory.subscriptions import (  # noqa: PLC0415
        MemorySubscriptions,
    )
    from chalicelib.adapters.sqlite.persistence import SqlitePersistence  # noqa: PLC0415
    from chalicelib.adapters.sqlite.rates import SqliteRates  # noqa: PLC0415

    feed, jobs, wakes = CommitFeed(), OwnQueue(), OwnQueue()
    persistence: Any = (
        MemoryPersistence(on_commit=feed.committed)
        if settings.store == "memory"
        else SqlitePersistence(settings.directory, on_commit=feed.committed, gate=FiberGate)
    )
    rates: Any = (
        MemoryRates() if settings.store == "memory" else SqliteRates(settings.directory)
    )
    stores = Stores(
        persistence,
        MemorySessions(),
        MemorySubscriptions(),
        file_store(settings, survives=settings.store == "sqlite"),
        key_file_secrets(settings.directory),
        rates=rates,
    )
    try:
        deployment = _deployed(
            settings, stores, OwnSockets(server.connections), jobs, wakes
        )
        server.connections.on_drained = deployment.backend.drained
        import app  # noqa: PLC0415 - reads the settings when it is imported

        feed.connect(
            server.function("commit_log", app.commit_log, timeout_s=STREAM_TIMEOUT_S),
            deployment.backend.head(),
        )
        yield deployment, [feed, *_sources(server, jobs, wakes, at_once=WAKES_AT_ONCE)]
    finally:
        if settings.store == "sqlite":
            rates.close()
            persistence.close()


@contextmanager
def _on_dynamodb(
    settings: Settings, server: LocalServer
) -> Iterator[tuple[Deployment, list[EventSource]]]:
    from local.emulator import start_emulator  # noqa: PLC0415 - moto takes a second

    with start_emulator(settings.dynamodb_endpoint) as emulator:
        from botocore.config import Config  # noqa: PLC0415
        from botocore.session import get_session  # noqa: PLC0415

        from chalicelib.adapters.apigateway import ApiGateway  # noqa: PLC0415
        from chalicelib.adapters.dynamodb.models import MODELS  # noqa: PLC0415
        from chalicelib.adapters.dynamodb.session_models import (  # noqa: PLC0415
            SESSION_MODELS,
        )
        from chalicelib.adapters.dynamodb.tables import (  # noqa: PLC0415
            create_tables,
            stream_arn,
        )
        from local.streams import StreamPoller  # noqa: PLC0415

        plain = Config(account_id_endpoint_mode="disabled")
        plainly: dict[str, Any] = {
            "region_name": emulator.region,
            "endpoint_url": emulator.endpoint,
            "config": plain,
        }
        client = get_session().create_client("dynamodb", **plainly)
        create_tables(client, settings.table_prefix, (*MODELS, *SESSION_MODELS))
        streams: Any = get_session().create_client("dynamodbstreams", **plainly)
        jobs, wakes = OwnQueue(), OwnQueue()
        gateway = ApiGateway(server.management_url)
        stores = msgspec.structs.replace(
            bootstrap.dynamodb_stores(settings),
            blobs=file_store(settings, survives=emulator.endpoint is not None),
            secrets=key_file_secrets(settings.directory),
        )
        deployment = _deployed(settings, stores, gateway, jobs, wakes)
        import app  # noqa: PLC0415 - reads the settings when it is imported

        stream = StreamPoller(
            server.function("commit_log", app.commit_log, timeout_s=STREAM_TIMEOUT_S),
            client=streams,
            stream_arn=stream_arn(client, settings.table_prefix + "log"),
            give_up=lambda record: log.error("gave up on a commit: %s", record),
            poll_s=0.02,
        )
        at_once = server.settings.concurrency
        yield deployment, [stream, *_sources(server, jobs, wakes, at_once=at_once)]


def _deployed(
    settings: Settings,
    stores: Stores,
    gateway: Gateway,
    jobs: OwnQueue,
    wakes: OwnQueue,
) -> Deployment:
    machine = Machine(FiberClock(), PooledIds(), FiberGate)
    deployment = assemble(
        settings, stores=stores, gateway=gateway, jobs=jobs, wakes=wakes, machine=machine
    )
    deploy(deployment)
    bootstrap.use(deployment)
    if settings.types:
        write_declarations(deployment.backend.registry, Path(settings.types))
    return deployment


def _sources(
    server: LocalServer, jobs: OwnQueue, wakes: OwnQueue, *, at_once: int
) -> list[EventSource]:
    import app  # noqa: PLC0415 - reads the settings when it is imported

    jobs.queue = Queue(
        server.function(
            "jobs", app.run_jobs, timeout_s=JOB_TIMEOUT_S, concurrency=JOBS_AT_ONCE
        ),
        give_up=lambda message: log.error("gave up on job %s", message.message_id),
    )
    wakes.queue = Queue(
        server.function(
            "wakes", app.run_wakes, timeout_s=STREAM_TIMEOUT_S, at_once=at_once
        ),
        give_up=lambda message: log.error("gave up on a wake-up: %s", message.body),
    )
    bootstrap.current().backend.go_on()
    heart = server.function("heartbeat", app.heartbeat, timeout_s=STREAM_TIMEOUT_S)
    return [jobs.queue, wakes.queue, Schedule(heart, every_s=HEARTBEAT_S, at_once=True)]


def _run(server: LocalServer, deployment: Deployment, sources: list[EventSource]) -> None:
    import app  # noqa: PLC0415 - reads the settings when it is imported

    told_before = ANEW in sys.argv
    print("Serving anew." if told_before else greeting(deployment.settings), flush=True)
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, GC_AGAIN, GC_WHOLE)
    server.run(
        Handlers(
            http=app.app,
            websocket_message=app.websocket_message,
            websocket_disconnect=app.websocket_disconnect,
        ),
        sources,
    )
    print("Stopped.", flush=True)


def _log_call(record: CallRecord) -> None:
    """One line a call: the busy ones are for whoever looks closely."""
    quiet = record.function in {"commit_log", "heartbeat", "mounted", "jobs", "wakes"}
    level = logging.DEBUG if quiet and record.error is None else logging.INFO
    log.log(
        level, "%s %s → %s, %.1f ms", record.function, record.what, record.status, record.ms
    )
    if record.error is not None:
        log.error("%s failed", record.function, exc_info=record.error)


if __name__ == "__main__":
    sys.exit(main())
