"""The AWS SDK: one reading of its descriptions for all clients of a process."""

from functools import cache
from typing import Any

import botocore.loaders
import botocore.session


def client(service: str, **options: Any) -> Any:
    """Make a client, with a session of its own: see :func:`session`."""
    return session().create_client(service, **options)


def session() -> Any:
    """Make a session: credentials, and what clients have in common; one takes about 15 ms.

    What the SDK says of services and endpoints is read once for all of them, which takes
    another 20 ms of a cold start.
    """
    made = botocore.session.get_session()
    made.register_component("data_loader", _descriptions())
    return made


@cache
def _descriptions() -> Any:
    return botocore.loaders.create_loader()
