"""Seals cursors with AES-SIV: the same place in the same query is always the same text."""

import base64
import binascii
from hashlib import blake2b
from typing import Any, Final

from chalicelib.engine.errors import InvalidCursor

_KEY_BYTES: Final = 64
"""AES-256 in SIV mode takes two keys of 32 bytes. Source: RFC 5297."""


class SivCursors:
    """Seals what a cursor tells of documents that its holder may not see.

    Deterministic, since a page that did not change must not be sent again for its cursor.
    """

    def __init__(self, secret: bytes) -> None:
        """Derive the key from the secret of the deployment."""
        digest = blake2b(secret, digest_size=_KEY_BYTES, person=b"geoflow cursors")
        self._key = digest.digest()
        self._made: Any = None

    def seal(self, plain: bytes) -> str:
        """Return ``plain`` as text that only this deployment can read."""
        sealed = self._cipher.encrypt(plain, None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, sealed: str) -> bytes:
        """Return what was sealed.

        Raises:
            InvalidCursor: it was not sealed here.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - only for pages

        try:
            data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
            opened: bytes = self._cipher.decrypt(data, None)
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise InvalidCursor from error
        return opened

    @property
    def _cipher(self) -> Any:
        if self._made is None:
            from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415
                AESSIV,
            )

            self._made = AESSIV(self._key)
        return self._made
