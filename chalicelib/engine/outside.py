"""The port for requests to other servers, which actions send."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

MAX_ANSWER_BYTES: Final = 64 * 1024
"""How much of an answer is read unless more is asked for, in bytes."""

ANSWER_S: Final = 10.0
"""How long the whole of a request may take unless it is told otherwise, in seconds."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A request to another server.

    ``timeout_s`` is how long it may take from the first look-up of the name to the last byte of
    the answer, of which no more than ``max_bytes`` are read.
    """

    method: str
    url: str
    headers: Mapping[str, str] = _NONE
    body: bytes = b""
    timeout_s: float = ANSWER_S
    max_bytes: int = MAX_ANSWER_BYTES


class Reply(msgspec.Struct, frozen=True):
    """What another server has answered. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outside(Protocol):
    """Sends requests to other servers, and refuses to send them into networks of one's own.

    Implementation: ``adapters.outside``; its contract is ``tests/conformance/test_outside.py``.
    """

    def check(self, url: str) -> None:
        """See that requests may be sent there, as far as names can be looked up now.

        Raises:
            AddressRefused: the text is no URL, its scheme is not served, or its host has an
                address that is not public.
            RequestFailed: the name of the host is not known.
        """
        ...

    def send(self, letter: Letter) -> Reply:
        """Send a request to the address that was checked. Redirects are answers.

        Raises:
            AddressRefused: as :meth:`check`; nothing was sent.
            RequestFailed: no whole answer has come in time. The request may have arrived.
        """
        ...
