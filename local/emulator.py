"""DynamoDB without AWS: moto in this process, or an endpoint that was configured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final
from unittest.mock import patch

ENDPOINT_VARIABLE: Final = "GEOFLOW_DYNAMODB_ENDPOINT"
"""Address of a DynamoDB API to use in place of moto's, such as ``http://127.0.0.1:4566``."""

_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    # Newer SDKs send what concerns streams to an address that moto does not know.
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}

_dispatch = RLock()


@dataclass(frozen=True, slots=True)
class Emulator:
    """Where the services are. ``endpoint`` None: the calls of every client are caught."""

    endpoint: str | None
    region: str


@contextmanager
def start_emulator(endpoint: str | None = None) -> Iterator[Emulator]:
    """Let the SDKs of this process talk to an emulator inside the block.

    With ``endpoint``, or the variable ``GEOFLOW_DYNAMODB_ENDPOINT``, that is a DynamoDB API
    which somebody else runs. Otherwise it is moto, in memory, empty at the start and gone
    at the end; calls to other addresses go through, so that local servers can be reached.

    Credentials and a region are put into the environment where there are none.
    """
    endpoint = endpoint or os.environ.get(ENDPOINT_VARIABLE) or None
    missing = {name: text for name, text in _ENVIRONMENT.items() if name not in os.environ}
    with patch.dict(os.environ, missing):
        region = os.environ["AWS_DEFAULT_REGION"]
        if endpoint is not None:
            yield Emulator(endpoint, region)
            return
        with _moto():
            yield Emulator(None, region)


@contextmanager
def _moto() -> Iterator[None]:
    """Start moto with one lock round all its work.

    It has none of its own: of two conditional puts that meet, both may win.
    """
    # Imported late: moto takes a second, and an endpoint does without.
    from moto import mock_aws  # noqa: PLC0415
    from moto.core.botocore_stubber import BotocoreStubber  # noqa: PLC0415

    unlocked = BotocoreStubber.process_request

    def locked(stubber: BotocoreStubber, request: Any) -> Any:
        with _dispatch:
            return unlocked(stubber, request)

    with patch.object(BotocoreStubber, "process_request", locked), mock_aws():
        yield
