"""Tokens that only this deployment can make: what it said, until when, and a signature."""

import base64
import binascii
import hmac
from typing import Final

import msgspec

from chalicelib.engine.errors import InvalidUploadToken, UploadTokenExpired

_DIGEST: Final = "sha256"
_MAC_BYTES: Final = 32


class _Signed(msgspec.Struct, frozen=True, array_like=True):
    expires_ms: float
    content: bytes


def sign(secret: bytes, purpose: str, content: bytes, expires_ms: float) -> str:
    """Return a token for ``content``: opaque to clients, and not secret.

    A token of one purpose is none of another.
    """
    text = msgspec.msgpack.encode(_Signed(expires_ms, content))
    sealed = _mac(secret, purpose, text) + text
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def signed_content(secret: bytes, purpose: str, token: str, now_ms: float) -> bytes:
    """Return what a token was made for.

    Raises:
        InvalidUploadToken: it was not made with this secret, for this purpose.
        UploadTokenExpired: it was, and is too old.
    """
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidUploadToken from None
    mac, text = sealed[:_MAC_BYTES], sealed[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, purpose, text)):
        raise InvalidUploadToken
    found = msgspec.msgpack.decode(text, type=_Signed)
    if found.expires_ms < now_ms:
        raise UploadTokenExpired
    return found.content


def _mac(secret: bytes, purpose: str, text: bytes) -> bytes:
    # A key of its own for each purpose: the secret seals other things, too.
    key = hmac.digest(secret, f"geoflow {purpose}".encode(), _DIGEST)
    return hmac.digest(key, text, _DIGEST)
