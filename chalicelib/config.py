"""Settings: the only reader of the environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from chalicelib.engine.auth import Provider
from chalicelib.engine.errors import EngineError
from chalicelib.engine.limits import (
    MAX_CONNECTION_BYTES_PER_S,
    MAX_CONNECTION_MESSAGES_PER_S,
    MAX_CONNECTION_QUERIES,
    MAX_USER_QUERIES,
    MAX_USER_SOCKETS,
)

Store = Literal["memory", "sqlite", "dynamodb"]

DEFAULT_PORT: Final = 3210
"""Port of the local server: functions and sync."""

DEFAULT_SITE_PORT: Final = 3211
"""Port of the local server: HTTP endpoints."""


MIN_LOG_RETENTION_DAYS: Final = 14
"""Fewest days that the log is kept: it names what else goes by then (docs/retention.md)."""


MIN_SECRET_CHARS: Final = 32
"""Fewest characters of a secret that two parts of a deployment share: 128 bits in hex."""


class BadSetting(EngineError):
    """An environment variable has a value that makes no sense."""

    code = "BadSetting"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one deployment is set up. Each field is the variable ``GEOFLOW_<FIELD>``.

    Attributes:
        store: Where the log and the rows are: ``memory``, ``sqlite`` or ``dynamodb``.
        data: Directory of the local server's files: database, stored files, keys.
        apps: Packages that are served, separated by commas.
        host: Address that the local server listens on.
        port: Port for functions and sync; 0 takes any free one.
        site_port: Port for HTTP endpoints.
        cloud_url: Where clients reach functions, sync and files; the local server knows its
            own.
        site_url: Where they reach HTTP functions; empty: below ``cloud_url``.
        types: Directory in which the local server keeps the TypeScript declarations of what
            it serves, in ``_generated``; empty: nowhere.
        issuer: Issuer of the local server's own tokens; empty is its own address.
        log_level: DEBUG, INFO, WARNING or ERROR.
        stage: Name of the deployment: ``local``, ``dev``, ``prod``.
        table_prefix: What the names of DynamoDB tables begin with.
        dynamodb_endpoint: A DynamoDB API other than AWS's own.
        log_id: Name of the log, the first part of every key.
        jobs_queue_url: SQS queue of jobs, which may take long.
        wakes_queue_url: SQS queue of what keeps sessions going, which must not wait for them.
        websocket_endpoint: Where sockets are posted to: ``https://…/<stage>``.
        stream_arn: The commit log's stream.
        jobs_queue_arn: The queue of jobs, as its event source names it.
        wakes_queue_arn: The queue of sessions, likewise.
        admin_key: ``<instance>|<secret>``; empty: there is no admin.
        secret: What the deployment seals tokens and cursors with, 32 characters or more; the
            processes of a deployment share it. Empty: each process makes its own, and what
            one has sealed no other can open.
        files_bucket: S3 bucket of stored files; empty: the local server has them in its
            directory, and a deployment on AWS has none.
        files_endpoint: An S3 API other than AWS's own.
        kms_key: Id, ARN or alias of the KMS key that secrets are sealed with; empty: the local
            server has a key file in its directory, and a deployment on AWS keeps no secrets.
        kms_endpoint: A KMS API other than AWS's own.
        outside: Where actions and webhooks may send requests: ``public`` is https to the
            Internet alone; ``loopback`` is that, http, and this machine, for the local server.
        edge_secret: What the distribution in front shows with each request, 32 characters or
            more. Then ``proxies`` are believed only by requests that show it.
        auth_providers: JSON list of providers besides those of the apps.
        code_version: Names the code; a new one has all live queries run again.
        redacted: Whether error texts and log lines are kept from clients.
        log_retention_days: How long the log is kept: 14 days or more; 0 is for ever.
        settle_ms: How long frames of one connection may overtake each other.
        wake_ahead: Whether the invocation that commits for a socket wakes others itself, and the
            log's stream passes over those: others see the commit some tenths of a second
            sooner, for about a tenth more. On DynamoDB only: elsewhere the stream is a call.
        message_bytes: Largest message that the gateway posts to a socket: what a mutation or
            an action may answer there. API Gateway's is 128 KiB; the local server knows its
            own.
        max_connection_queries: Live queries of one connection (docs/live-queries.md).
        max_user_queries: Live queries of all connections of one user.
        max_user_sockets: Connections of one user.
        max_messages_per_s: Messages a second of one connection; of a user, four times that.
        max_bytes_per_s: Bytes a second of one connection; of a user, four times that.
        known_requests_per_hour: HTTP requests of one user within an hour; empty: as the apps
            say.
        unknown_requests_per_hour: Those of one address of callers that are not known.
        proxies: How many proxies of the deployment's own stand before API Gateway or the local
            server, each of which adds to ``X-Forwarded-For`` whom it serves: 1 with
            CloudFront. Without ``edge_secret`` nothing else may reach the server then.
    """

    store: Store = "sqlite"
    data: str = "data"
    apps: tuple[str, ...] = ("chalicelib.geoflow",)
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    site_port: int = DEFAULT_SITE_PORT
    cloud_url: str = ""
    site_url: str = ""
    types: str = ""
    issuer: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    stage: str = "local"
    table_prefix: str = "geoflow-local-"
    dynamodb_endpoint: str = ""
    log_id: str = "main"
    jobs_queue_url: str = ""
    wakes_queue_url: str = ""
    websocket_endpoint: str = ""
    stream_arn: str = "arn:aws:dynamodb:us-east-1:000000000000:table/log/stream/0"
    jobs_queue_arn: str = "arn:aws:sqs:us-east-1:000000000000:jobs"
    wakes_queue_arn: str = "arn:aws:sqs:us-east-1:000000000000:wakes"
    admin_key: str = ""
    secret: str = ""
    files_bucket: str = ""
    files_endpoint: str = ""
    kms_key: str = ""
    kms_endpoint: str = ""
    outside: Literal["public", "loopback"] = "public"
    edge_secret: str = ""
    auth_providers: tuple[Provider, ...] = ()
    code_version: str = ""
    redacted: bool = False
    log_retention_days: Annotated[int, msgspec.Meta(ge=0)] = 14
    settle_ms: float = 100
    wake_ahead: bool = True
    message_bytes: int = 128 * 1024
    max_connection_queries: Annotated[int, msgspec.Meta(gt=0)] = MAX_CONNECTION_QUERIES
    max_user_queries: Annotated[int, msgspec.Meta(gt=0)] = MAX_USER_QUERIES
    max_user_sockets: Annotated[int, msgspec.Meta(gt=0)] = MAX_USER_SOCKETS
    max_messages_per_s: Annotated[float, msgspec.Meta(gt=0)] = MAX_CONNECTION_MESSAGES_PER_S
    max_bytes_per_s: Annotated[float, msgspec.Meta(gt=0)] = MAX_CONNECTION_BYTES_PER_S
    known_requests_per_hour: Annotated[int, msgspec.Meta(gt=0)] | None = None
    unknown_requests_per_hour: Annotated[int, msgspec.Meta(gt=0)] | None = None
    proxies: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if 0 < len(self.edge_secret) < MIN_SECRET_CHARS:
            raise BadSetting(
                f"GEOFLOW_EDGE_SECRET has {len(self.edge_secret)} characters: it takes"
                f" {MIN_SECRET_CHARS}, as of openssl rand -hex 32"
            )
        if 0 < self.log_retention_days < MIN_LOG_RETENTION_DAYS:
            raise BadSetting(
                f"GEOFLOW_LOG_RETENTION_DAYS is {self.log_retention_days}: it is 0, for"
                f" ever, or at least {MIN_LOG_RETENTION_DAYS}"
            )

    @property
    def directory(self) -> Path:
        """The data directory."""
        return Path(self.data)

    @property
    def instance_name(self) -> str:
        """What stands before the bar of the admin key."""
        return self.admin_key.partition("|")[0] or f"geoflow-{self.stage}"


NEEDED_ON_AWS: Final = (
    "files_bucket",
    "jobs_queue_url",
    "kms_key",
    "secret",
    "table_prefix",
    "wakes_queue_url",
    "websocket_endpoint",
)
"""Settings without which a deployment on AWS would lose what it is asked to do."""


def check_on_aws(found: Settings, environment: Mapping[str, str]) -> None:
    """Refuse to serve on AWS without all that it takes.

    Raises:
        BadSetting: a variable is not set; the message names all that are missing.
    """
    missing = [
        f"GEOFLOW_{name.upper()}"
        for name in NEEDED_ON_AWS
        if not environment.get(f"GEOFLOW_{name.upper()}")
    ]
    if missing:
        raise BadSetting(
            f"{', '.join(missing)}: not set, and a deployment on AWS needs it; the stack's"
            " template sets it (infra/app.merge.yaml)"
        )
    if found.store != "dynamodb":
        raise BadSetting(f"GEOFLOW_STORE is {found.store}: on AWS it is dynamodb")


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the settings out of ``GEOFLOW_…`` variables; unset and empty ones are defaults.

    Raises:
        BadSetting: one has a value that makes no sense; the message names it.
    """
    given: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        variable = f"GEOFLOW_{name.upper()}"
        text = environment.get(variable, "")
        if text:
            given[name] = _value(name, text, variable)
    for name, value in given.items():
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            raise BadSetting(f"GEOFLOW_{name.upper()} is {value!r}: {error}") from None
    return msgspec.convert(given, Settings, strict=False)


def _value(name: str, text: str, variable: str) -> Any:
    if name == "apps":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "auth_providers":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise BadSetting(f"{variable} is not a JSON list: {error}") from None
    if name == "log_level":
        return text.upper()
    return text
