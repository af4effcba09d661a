"""What the settings of a deployment mean for the engine."""

from chalicelib.config import Settings
from chalicelib.engine.backend import Behaviour
from chalicelib.engine.database.housekeeping import Retention
from chalicelib.engine.functions.addresses import Addresses
from chalicelib.engine.functions.http_quota import RateNumbers
from chalicelib.engine.functions.storage import FileAccess
from chalicelib.engine.limits import DAY_MS
from chalicelib.engine.sync.overload import Allowance


def behaviour_of(settings: Settings, secret: bytes, code_version: str) -> Behaviour:
    """How a deployment behaves; ``secret`` seals the URLs of its files."""
    return Behaviour(
        redacted=settings.redacted,
        settle_ms=settings.settle_ms,
        max_message_bytes=settings.message_bytes,
        code_version=code_version,
        files=FileAccess(settings.cloud_url, secret),
        allowance=_allowance(settings),
        rates=RateNumbers(
            settings.known_requests_per_hour, settings.unknown_requests_per_hour
        ),
        ahead=settings.wake_ahead and settings.store == "dynamodb",
        retention=Retention(log_ms=settings.log_retention_days * DAY_MS),
    )


def addresses(settings: Settings) -> Addresses:
    """Where clients reach a deployment; one address may serve all, HTTP functions below it."""
    cloud = settings.cloud_url.rstrip("/")
    return Addresses(cloud, settings.site_url.rstrip("/") or (cloud and f"{cloud}/http"))


def _allowance(settings: Settings) -> Allowance:
    """The limits of connections and users; a user may do four times what a connection may."""
    messages, data = settings.max_messages_per_s, settings.max_bytes_per_s
    return Allowance(
        connection_queries=settings.max_connection_queries,
        connection_messages_per_s=messages,
        connection_bytes_per_s=data,
        user_queries=settings.max_user_queries,
        user_sockets=settings.max_user_sockets,
        user_messages_per_s=4 * messages,
        user_bytes_per_s=4 * data,
    )
