"""The job queue as a standard queue of SQS."""

from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters import aws
from chalicelib.engine.errors import MessageTooLarge, StorageUnavailable

MAX_DELAY_S: Final = 900
"""Longest delay of a message. Source: SQS, ``DelaySeconds``."""

MAX_BODY_BYTES: Final = 1 << 20
"""Largest message, in bytes of UTF-8: 1 MiB. Source: SQS, ``MessageBody``."""

CONNECT_S: Final = 2.0
READ_S: Final = 5.0
"""How long a connection, and an answer, may take, in seconds."""

ATTEMPTS: Final = 5
"""How often a message is sent until it is taken; it may be taken more than once."""

_NOT_XML: Final = {0xFFFE: r"\ufffe", 0xFFFF: r"\uffff"}
"""Characters that SQS does not take and JSON may hold, as JSON writes them otherwise."""


class SqsJobQueue:
    """Hands messages to the function that the queue is an event source of."""

    def __init__(self, url: str, *, region: str | None = None) -> None:
        self._url = url
        self._region = region

    @cached_property
    def _client(self) -> Any:
        # Only now: most calls send no job, and to make one takes a while.
        return aws.client(
            "sqs",
            region_name=self._region,
            config=Config(
                connect_timeout=CONNECT_S,
                read_timeout=READ_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                tcp_keepalive=True,
                parameter_validation=False,
            ),
        )

    def send(self, body: bytes, *, delay_ms: float = 0) -> None:
        """Send one message, with the whole seconds of its delay.

        Raises:
            StorageUnavailable: SQS did not take it, or did not answer.
        """
        text = body.decode().translate(_NOT_XML)
        if len(text.encode()) > MAX_BODY_BYTES:
            raise MessageTooLarge(
                f"a job of {len(body)} bytes; {MAX_BODY_BYTES} is the most"
            )
        delay_s = max(0, min(int(delay_ms // 1000), MAX_DELAY_S))
        try:
            self._client.send_message(
                QueueUrl=self._url, MessageBody=text, DelaySeconds=delay_s
            )
        except (BotoCoreError, ClientError) as error:
            raise StorageUnavailable(f"the job queue: {error}") from error
