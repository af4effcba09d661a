"""The AWS SDK: one reading of its descriptions for all clients of a process."""

from functools import cache
from typing import Any

import botocore.loaders
import botocore.session


def client(service: str, **options: Any) -> Any:
    """Make a client.

    Each has a session of its own, for credentials; what the SDK says of services and endpoints
    is read once, which takes about 20 ms of a cold start.
    """
    session = botocore.session.get_session()
    session.register_component("data_loader", _descriptions())
    return session.create_client(service, **options)


@cache
def _descriptions() -> Any:
    return botocore.loaders.create_loader()
