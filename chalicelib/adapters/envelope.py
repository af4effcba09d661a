"""Envelope encryption: each secret has a key of its own, which another key wraps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from typing_extensions import override

from chalicelib.engine.errors import SecretRefused
from chalicelib.engine.secrets import Sealed, SecretBox

KEY_BYTES: Final = 32
"""Length of a key of AES-256, in bytes."""

_NONCE_BYTES: Final = 12
"""Length of a nonce of GCM, in bytes. Source: NIST SP 800-38D, 5.2.1.1."""


class DataKey(msgspec.Struct, frozen=True):
    """The key of one secret: as it is, as it is kept, and who can unwrap it."""

    plain: bytes
    wrapped: bytes
    wrapped_by: str


class Keys(Protocol):
    """Who makes the keys of secrets, and knows them again."""

    def make(self, context: Mapping[str, str]) -> DataKey:
        """Make a key that is good with this context alone.

        Raises:
            SecretsUnavailable: it cannot be made at the moment.
        """
        ...

    def unwrap(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        """Return a key that :meth:`make` has made.

        Raises:
            SecretRefused: the context is another, it was changed, or nobody knows ``by``.
            SecretsUnavailable: it cannot be unwrapped at the moment.
        """
        ...


class _Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What is stored. ``format`` is 1: AES-256-GCM, the context as associated data."""

    format: int
    wrapped_by: str
    wrapped: bytes
    nonce: bytes
    text: bytes


_FORMAT: Final = 1
_envelopes: Final = msgspec.msgpack.Decoder(_Envelope)


class EnvelopeBox(SecretBox):
    """Seals with keys that ``keys`` makes, one for each secret."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @override
    def seal(self, plain: bytes, context: Mapping[str, str]) -> Sealed:
        key = self._keys.make(context)
        nonce, text = encrypted(key.plain, plain, _bound(key.wrapped_by, context))
        envelope = _Envelope(_FORMAT, key.wrapped_by, key.wrapped, nonce, text)
        return Sealed(msgspec.msgpack.encode(envelope), key.wrapped_by)

    @override
    def open(self, sealed: bytes, context: Mapping[str, str]) -> bytes:
        try:
            envelope = _envelopes.decode(sealed)
        except msgspec.DecodeError:
            raise SecretRefused from None
        if envelope.format != _FORMAT:
            raise SecretRefused
        key = self._keys.unwrap(envelope.wrapped, envelope.wrapped_by, context)
        bound = _bound(envelope.wrapped_by, context)
        return decrypted(key, envelope.nonce, envelope.text, bound)


def encrypted(key: bytes, plain: bytes, associated: bytes) -> tuple[bytes, bytes]:
    """Encrypt with AES-256-GCM; return the nonce, which is chance, and the text."""
    from cryptography.hazmat.primitives.ciphers.aead import (  # noqa: PLC0415 - rarely used
        AESGCM,
    )

    nonce = os.urandom(_NONCE_BYTES)
    return nonce, AESGCM(key).encrypt(nonce, plain, associated)


def decrypted(key: bytes, nonce: bytes, text: bytes, associated: bytes) -> bytes:
    """Undo :func:`encrypted`.

    Raises:
        SecretRefused: key, nonce, text or ``associated`` is another.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - rarely used
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    try:
        return AESGCM(key).decrypt(nonce, text, associated)
    except (InvalidTag, ValueError):
        raise SecretRefused from None


def _bound(wrapped_by: str, context: Mapping[str, str]) -> bytes:
    """What must be the same when a secret is opened: its context, and the name of its key."""
    return msgspec.json.encode([_FORMAT, wrapped_by, context], order="deterministic")


def _associated(context: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(context, order="deterministic")


class HeldKeys(Keys):
    """Wraps keys with master keys that this process holds; the last is the newest."""

    def __init__(self, masters: Mapping[str, bytes]) -> None:
        self._masters = dict(masters)

    @override
    def make(self, context: Mapping[str, str]) -> DataKey:
        masters = self.masters()
        name = list(masters)[-1]
        plain = os.urandom(KEY_BYTES)
        nonce, text = encrypted(masters[name], plain, _associated(context))
        return DataKey(plain, nonce + text, name)

    @override
    def unwrap(self, wrapped: bytes, by: str, context: Mapping[str, str]) -> bytes:
        master = self.masters().get(by)
        if master is None:
            raise SecretRefused
        nonce, text = wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:]
        return decrypted(master, nonce, text, _associated(context))

    def masters(self) -> Mapping[str, bytes]:
        """The master keys by name, oldest first."""
        return self._masters
