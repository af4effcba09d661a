"""The caller of a function, once it is known."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

LEEWAY_S: Final = 5
"""How far two clocks may differ, in seconds, before a token is expired or not yet valid.

Source: what Convex grants a custom JWT.
"""


class Identity(msgspec.Struct, frozen=True, tag="user"):
    """A user, vouched for by a provider or by the holder of the admin key.

    ``attributes`` is the object that ``getUserIdentity`` returns, key for key; nobody may
    change it. ``expires_at`` is in seconds since the Unix epoch, None if it never does.
    """

    issuer: str
    subject: str
    token_identifier: str
    attributes: Mapping[str, Any]
    expires_at: float | None = None


class AdminIdentity(msgspec.Struct, frozen=True, tag="admin"):
    """The holder of the admin key: may call internal functions, and act as any user."""

    acting_as: Identity | None = None


class Unverified(msgspec.Struct, frozen=True, tag="unverified"):
    """Somebody whose token does not hold: told ``reason`` only when it is asked who calls."""

    reason: str


Caller = Identity | AdminIdentity | Unverified | None
"""Whoever calls a function; None is nobody in particular."""


def has_expired(identity: Identity, now_ms: float) -> bool:
    """Tell whether a token that was accepted earlier no longer would be."""
    expires_at = identity.expires_at
    return expires_at is not None and now_ms / 1000 > expires_at + LEEWAY_S


def user_of(caller: Caller) -> Identity | None:
    """Return the user that a function sees: an admin is one only while acting as one."""
    if isinstance(caller, AdminIdentity):
        return caller.acting_as
    return caller if isinstance(caller, Identity) else None


def attributes_of(caller: Caller) -> Mapping[str, Any] | None:
    """Return what ``getUserIdentity`` gives for ``caller``."""
    user = user_of(caller)
    return None if user is None else user.attributes
