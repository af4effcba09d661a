"""The port for secrets: sealed before they are stored, opened by actions alone."""

from collections.abc import Mapping
from typing import Protocol

import msgspec


class Sealed(msgspec.Struct, frozen=True):
    """A secret as it may be stored, and the name of the key that it takes to open it."""

    data: bytes
    key_id: str


class SecretBox(Protocol):
    """Seals secrets, each bound to a context: whose it is, and where it is kept.

    Implementations: ``adapters.kms``, ``adapters.key_file``, ``adapters.memory.keys``. All pass
    ``tests/conformance/test_secret_box.py``. The context is no secret: it may be logged.
    """

    def seal(self, plain: bytes, context: Mapping[str, str]) -> Sealed:
        """Seal ``plain`` with the newest key; the same secret never looks the same twice.

        Raises:
            SecretsUnavailable: whoever holds the keys cannot be reached.
        """
        ...

    def open(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """Return what :meth:`seal` was given, with the same context.

        Raises:
            SecretRefused: it was changed, was sealed with another context, or the key is gone.
            SecretsUnavailable: whoever holds the keys cannot be reached.
        """
        ...
