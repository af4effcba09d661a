"""The composition root: pairs ports with adapters, once a process."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import msgspec

from chalicelib.adapters.cursors import SivCursors
from chalicelib.adapters.system import SystemClock, SystemIds
from chalicelib.adapters.telemetry import Telemetry
from chalicelib.behaviour import addresses, behaviour_of
from chalicelib.code_version import fingerprint
from chalicelib.config import Settings, check_on_aws, from_environment
from chalicelib.engine.auth import (
    Caller,
    Credential,
    IdentityVerifier,
    identify,
    parse_admin_key,
)
from chalicelib.engine.auth.credentials import BearerToken
from chalicelib.engine.backend import Backend, Ports
from chalicelib.engine.blobs import BlobStore
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.gates import Gate, LockGate
from chalicelib.engine.line import Line
from chalicelib.engine.outside import Outside
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import (
    Clock,
    CursorSeal,
    Gateway,
    Ids,
    JobQueue,
    SessionStore,
    SubscriptionIndex,
)
from chalicelib.engine.rates import RateLimiter
from chalicelib.engine.secrets import SecretBox
from chalicelib.engine.sync.messages import Authenticate

SYSTEM: Final = "chalicelib.system"
"""The app that the CLI talks to; every deployment serves it beside its own."""


class Stores(msgspec.Struct, frozen=True):
    """Where data and sessions are kept."""

    persistence: Persistence
    sessions: SessionStore
    subscriptions: SubscriptionIndex
    blobs: BlobStore | None = None
    """None: the deployment has no place for files."""
    secrets: SecretBox | None = None
    """None: the deployment has no key for secrets."""
    line: Line | None = None
    """Where several processes take turns; None: there is one."""
    rates: RateLimiter | None = None
    """Where HTTP requests are counted; None: nowhere."""


class Machine(msgspec.Struct, frozen=True):
    """Time, chance and waiting, as the process has them."""

    clock: Clock
    ids: Ids
    gate: Callable[[], Gate] = LockGate


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """All that the entry points of one process use."""

    settings: Settings
    backend: Backend
    verifier: IdentityVerifier
    telemetry: Telemetry
    code_version: str

    def identify(self, credential: Credential | None) -> Caller:
        """Find out who presents ``credential``; None is nobody."""
        return identify(
            credential, verifier=self.verifier, admin_key=self.settings.admin_key or None
        )

    def report(self, error: Exception, path: str, request_id: str) -> None:
        """Log an error for the operators."""
        self.telemetry.error(error, path, request_id)


def assemble(
    settings: Settings,
    *,
    stores: Stores,
    gateway: Gateway,
    jobs: JobQueue,
    wakes: JobQueue | None = None,
    machine: Machine | None = None,
    lazy: bool = False,
) -> Deployment:
    """Put a deployment together from its settings and the parts that depend on the place.

    ``lazy`` leaves the types of a function until its first call: a cold start is short, and
    mistakes were found before the deployment.
    """
    from chalicelib.adapters.oidc import OidcVerifier  # noqa: PLC0415 - only with a backend

    registry = Registry(
        (*settings.apps, SYSTEM),
        lazy=lazy,
        addresses=addresses(settings),
    )
    machine = machine or Machine(SystemClock(), SystemIds())
    secret = _secret(settings)
    telemetry = Telemetry(settings.stage, settings.log_level)
    providers = (*registry.auth_providers, *settings.auth_providers)
    verifier = OidcVerifier(providers, now_ms=machine.clock.now_ms)
    code_version = settings.code_version or fingerprint(settings.apps)
    backend = Backend(
        registry,
        _ports(
            stores,
            machine,
            gateway=gateway,
            jobs=jobs,
            wakes=wakes,
            cursors=SivCursors(secret),
            outside=_outside(settings),
        ),
        behaviour=behaviour_of(settings, secret, code_version),
        verify=_authenticator(verifier, settings.admin_key or None),
        report=telemetry.error,
        observe=telemetry.observed,
        say=telemetry.said,
        reran=telemetry.reran,
    )
    return Deployment(
        settings=settings,
        backend=backend,
        verifier=verifier,
        telemetry=telemetry,
        code_version=code_version,
    )


def _ports(
    stores: Stores,
    machine: Machine,
    *,
    gateway: Gateway,
    jobs: JobQueue,
    wakes: JobQueue | None,
    cursors: CursorSeal,
    outside: Outside,
) -> Ports:
    return Ports(
        persistence=stores.persistence,
        sessions=stores.sessions,
        subscriptions=stores.subscriptions,
        clock=machine.clock,
        ids=machine.ids,
        gate=machine.gate,
        line=stores.line,
        blobs=stores.blobs,
        secrets=stores.secrets,
        rates=stores.rates,
        gateway=gateway,
        jobs=jobs,
        wakes=wakes,
        cursors=cursors,
        outside=outside,
    )


def _secret(settings: Settings) -> bytes:
    """What this deployment seals with; without a setting, something of this process alone."""
    return settings.secret.encode() or os.urandom(32)


def dynamodb_stores(settings: Settings) -> Stores:
    """The stores of a deployment on DynamoDB."""
    from chalicelib.adapters.dynamodb.client import DynamoClient  # noqa: PLC0415 - heavy
    from chalicelib.adapters.dynamodb.line import DynamoLine  # noqa: PLC0415
    from chalicelib.adapters.dynamodb.persistence import DynamoPersistence  # noqa: PLC0415
    from chalicelib.adapters.dynamodb.rates import DynamoRates  # noqa: PLC0415
    from chalicelib.adapters.dynamodb.sessions import DynamoSessions  # noqa: PLC0415
    from chalicelib.adapters.dynamodb.subscriptions import (  # noqa: PLC0415
        DynamoSubscriptions,
    )

    client = DynamoClient(
        settings.table_prefix, endpoint=settings.dynamodb_endpoint or None
    )
    return Stores(
        DynamoPersistence(client, log=settings.log_id),
        DynamoSessions(client),
        DynamoSubscriptions(client, settings.log_id),
        bucket(settings),
        _kms(settings),
        DynamoLine(client, settings.log_id),
        DynamoRates(client, settings.log_id),
    )


def bucket(settings: Settings) -> BlobStore | None:
    """The bucket of files, if one is configured."""
    from chalicelib.adapters.s3 import S3Blobs  # noqa: PLC0415 - heavy

    if not settings.files_bucket:
        return None
    return S3Blobs(settings.files_bucket, endpoint=settings.files_endpoint or None)


def _kms(settings: Settings) -> SecretBox | None:
    """The box whose keys are in KMS, if one is configured."""
    if not settings.kms_key:
        return None
    from chalicelib.adapters.kms import kms_secrets  # noqa: PLC0415 - heavy

    return kms_secrets(settings.kms_key, endpoint=settings.kms_endpoint or None)


def _outside(settings: Settings) -> Outside:
    """Other servers, as far as this deployment sends requests to them."""
    from chalicelib.adapters.outside import (  # noqa: PLC0415 - for actions only
        HttpOutside,
        is_public,
        is_public_or_loopback,
    )

    if settings.outside == "loopback":
        return HttpOutside(allowed=is_public_or_loopback, plain=True)
    return HttpOutside(allowed=is_public)


@cache
def settings() -> Settings:
    """The settings of this process."""
    return from_environment(os.environ)


def current() -> Deployment:
    """The deployment of this process: the one in use, or on Lambda the one of AWS."""
    held = _in_use.get("deployment")
    if held is None:
        with _nothing_collected():
            held = _in_use["deployment"] = _on_aws(settings())
    held.telemetry.sample(held.backend.counted)
    return held


def use(deployment: Deployment) -> None:
    """Make ``deployment`` the one of this process: the local server and tests do."""
    _in_use["deployment"] = deployment


_in_use: dict[str, Deployment] = {}


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Make what lasts without looking for garbage, which is a tenth of a cold start.

    Nor is it looked through later on.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def _on_aws(found: Settings) -> Deployment:
    from chalicelib.adapters.apigateway import ApiGateway  # noqa: PLC0415 - heavy
    from chalicelib.adapters.sqs import SqsJobQueue  # noqa: PLC0415 - heavy

    check_on_aws(found, os.environ)
    return assemble(
        found,
        stores=dynamodb_stores(found),
        gateway=ApiGateway(found.websocket_endpoint),
        jobs=SqsJobQueue(found.jobs_queue_url),
        wakes=SqsJobQueue(found.wakes_queue_url),
        lazy=True,
    )


def _authenticator(
    verifier: IdentityVerifier, admin_key: str | None
) -> Callable[[Authenticate], Caller]:
    def verify(message: Authenticate) -> Caller:
        credential: Credential | None = None
        match message.token_type:
            case "User":
                credential = BearerToken(message.value or "")
            case "Admin":
                acting_as = message.acting_as or message.impersonating
                credential = parse_admin_key(message.value or "", acting_as)
            case "None":
                pass
        return identify(credential, verifier=verifier, admin_key=admin_key)

    return verify
