"""Posts to sockets through API Gateway's ``@connections``, each message at most once."""

import random
from functools import cached_property
from threading import Lock
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

from chalicelib.adapters import aws
from chalicelib.adapters.system import SystemClock
from chalicelib.engine.errors import ConnectionGone, MessageTooLarge, PostUnanswered
from chalicelib.engine.ports import Clock

CONNECT_S: Final = 2.0
"""How long a connection may take, in seconds. One that failed has carried no message."""

READ_S: Final = 5.0
"""How long an answer may take, in seconds; then the message may have been sent."""

PATIENCE_MS: Final = 5_000.0
"""How long a call that was surely refused is repeated, in milliseconds."""

OFFER_MS: Final = 500.0
"""How long a message that may wait is repeated while it is refused, in milliseconds."""

IDLE_MS: Final = 10_000.0
"""How long connections are kept that nobody uses, in milliseconds.

A function that was frozen wakes with connections that the other side has closed. A message
that is written into one is lost without an answer, which ends the session.
"""

POSTS_AT_ONCE: Final = 64
"""Connections that are kept for messages under way at the same time."""

_FIRST_PAUSE_MS: Final = 25.0
_LAST_PAUSE_MS: Final = 1_000.0
_SERVER_FAULT: Final = 500

_UNSENT: Final = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
_UNANSWERED: Final = (HTTPClientError, ResponseParserError)


class ApiGateway:
    """The sockets of one WebSocket API."""

    def __init__(
        self, endpoint: str, *, region: str | None = None, clock: Clock | None = None
    ) -> None:
        """Use the API at ``endpoint``: ``https://<id>.execute-api.<region>…/<stage>``."""
        self._clock = clock or SystemClock()
        self._endpoint, self._region = endpoint, region
        self._lock = Lock()
        self._used_ms = self._clock.now_ms()

    @cached_property
    def _client(self) -> Any:
        # Only now: most calls over HTTP post nothing, and to make one takes a while.
        return aws.client(
            "apigatewaymanagementapi",
            endpoint_url=self._endpoint or None,
            region_name=self._region,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                # The SDK would repeat a message that has been delivered (docs/hazards.md A7).
                retries={"mode": "standard", "total_max_attempts": 1},
                max_pool_connections=POSTS_AT_ONCE,
                tcp_keepalive=True,
                parameter_validation=False,
            ),
        )

    def post(self, connection: str, data: bytes) -> None:
        """Send one text message; repeat it while it is surely refused."""
        refusal = self._post(connection, data, PATIENCE_MS)
        if refusal is not None:
            raise PostUnanswered(f"refused for {PATIENCE_MS:.0f} ms") from refusal

    def offer(self, connection: str, data: bytes) -> bool:
        """Send one text message; False if it is refused for half a second.

        API Gateway refuses (429) what is too much for an account, and what a client has no room
        for that does not read.
        """
        return self._post(connection, data, OFFER_MS) is None

    def _post(self, connection: str, data: bytes, patience_ms: float) -> Exception | None:
        operation = "post_to_connection"
        try:
            return self._call(operation, patience_ms, ConnectionId=connection, Data=data)
        except ClientError as error:
            if _code(error) == "PayloadTooLargeException":
                raise MessageTooLarge(f"a message of {len(data)} bytes") from error
            raise

    def close(self, connection: str, code: int, reason: str) -> None:
        """Close the socket; API Gateway has no way to tell the client why."""
        del code, reason
        try:
            refusal = self._call("delete_connection", PATIENCE_MS, ConnectionId=connection)
        except ConnectionGone:
            return
        if refusal is not None:
            raise PostUnanswered(f"refused for {PATIENCE_MS:.0f} ms") from refusal

    def _call(self, operation: str, patience_ms: float, **given: Any) -> Exception | None:
        """Call until it is executed; return the last refusal if it was not in time."""
        give_up_ms = self._clock.now_ms() + patience_ms
        pause_ms = _FIRST_PAUSE_MS
        while (refusal := self._try(operation, given)) is not None:
            if self._clock.now_ms() > give_up_ms:
                return refusal
            # Jitter, or all who were refused together come back together.
            self._clock.wait_ms(pause_ms * random.uniform(0.5, 1.5))  # noqa: S311
            pause_ms = min(pause_ms * 2, _LAST_PAUSE_MS)
        return None

    def _try(self, operation: str, given: dict[str, Any]) -> Exception | None:
        """Call once.

        Returns:
            The error if the call was surely not executed, and may be if it is repeated.
        """
        self._let_idle_connections_go()
        try:
            getattr(self._client, operation)(**given)
        except _UNSENT as error:
            return error
        except _UNANSWERED as error:
            raise PostUnanswered(str(error)) from error
        except ClientError as error:
            if _code(error) == "LimitExceededException" or _status(error) == 429:  # noqa: PLR2004
                return error
            if _code(error) == "GoneException" or _status(error) == 410:  # noqa: PLR2004
                raise ConnectionGone(given["ConnectionId"]) from error
            if _status(error) >= _SERVER_FAULT:
                raise PostUnanswered(str(error)) from error
            raise
        return None

    def _let_idle_connections_go(self) -> None:
        with self._lock:
            now_ms = self._clock.now_ms()
            if now_ms - self._used_ms > IDLE_MS:
                # Those in use are not touched: they end when they are given back.
                self._client.close()
            self._used_ms = now_ms


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
