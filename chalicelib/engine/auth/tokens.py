"""JSON Web Tokens: what can be read before verification, and what their claims mean."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from chalicelib.engine.auth.identity import LEEWAY_S, Identity
from chalicelib.engine.errors import InvalidAuthHeader

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Unverified:
    """Header and claims of a token that nobody has vouched for yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def algorithm(self) -> str | None:
        """How it was signed, as the token says."""
        return _text(self.header.get("alg"))

    @property
    def key_id(self) -> str | None:
        """Name of the key that signed it, as the token says."""
        return _text(self.header.get("kid"))


def read_unverified(token: str) -> Unverified:
    """Take ``token`` apart.

    Raises:
        InvalidAuthHeader: it is not a signed JWT of three parts.
    """
    try:
        header, claims, _signature = token.split(".")
        return Unverified(_decode_part(header), _decode_part(claims))
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidAuthHeader(
            "The token is not a JWT: that is three base64-encoded parts with dots between"
            " them, of which the first two are JSON objects. Send the ID token that your"
            " provider issued, unchanged."
        ) from None


def _decode_part(part: str) -> dict[str, Any]:
    padded = part.encode() + b"=" * (-len(part) % 4)
    return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=dict[str, Any])


def fault_of(claims: Mapping[str, Any], now_ms: float) -> str | None:
    """Return why verified ``claims`` are not to be used now; None if they may be.

    A subject and an expiry are required; ``nbf`` and ``iat`` bind if they are there.
    """
    now_s, expires = now_ms / 1000, _number(claims.get("exp"))
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        return "Missing subject claim ('sub')"
    if expires is None:
        return "Missing expiry claim ('exp')"
    if now_s > expires + LEEWAY_S:
        return f"Token expired {now_s - expires:.0f} seconds ago"
    for claim in ("nbf", "iat"):
        begins = _number(claims.get(claim))
        if begins is not None and begins > now_s + LEEWAY_S:
            wait = f"{begins - now_s:.0f} seconds"
            return f"Token will be valid in {wait}, says its '{claim}' claim"
    return None


def oidc_identity(claims: Mapping[str, Any]) -> Identity:
    """Return the user that the verified ``claims`` of an OIDC provider name."""
    known = {
        name: value
        for claim, (name, convert) in _OIDC_ATTRIBUTES.items()
        if (value := convert(claims.get(claim))) is not None
    }
    # A custom claim may not pose as a standard one: only the provider itself sets
    # `email_verified`, while anybody who edits profiles may be able to set `emailVerified`.
    custom = {
        name: value
        for name, value in claims.items()
        if name not in _OIDC_ATTRIBUTES
        and name not in _ATTRIBUTE_NAMES
        and name not in _PASSING
    }
    return _identity(claims, {**custom, **known})


def custom_jwt_identity(claims: Mapping[str, Any]) -> Identity:
    """Return the user that the verified ``claims`` of a custom JWT name."""
    private = {name: value for name, value in claims.items() if name not in _REGISTERED}
    return _identity(claims, _flatten(private))


def _identity(claims: Mapping[str, Any], attributes: Mapping[str, Any]) -> Identity:
    issuer, subject = claims["iss"], claims["sub"]
    names = {"tokenIdentifier": f"{issuer}|{subject}", "issuer": issuer, "subject": subject}
    return Identity(
        issuer, subject, names["tokenIdentifier"], {**attributes, **names}, claims["exp"]
    )


def _flatten(claims: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in claims.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    # Some providers write booleans as text.
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _address(value: Any) -> str | None:
    return _text(value.get("formatted")) if isinstance(value, dict) else _text(value)


def _moment(value: Any) -> str | None:
    seconds = _number(value)
    if seconds is None:
        return _text(value)
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


_OIDC_ATTRIBUTES: Final[Mapping[str, tuple[str, Convert]]] = {
    "name": ("name", _text),
    "given_name": ("givenName", _text),
    "family_name": ("familyName", _text),
    "nickname": ("nickname", _text),
    "preferred_username": ("preferredUsername", _text),
    "profile": ("profileUrl", _text),
    "picture": ("pictureUrl", _text),
    "website": ("websiteUrl", _text),
    "email": ("email", _text),
    "email_verified": ("emailVerified", _flag),
    "gender": ("gender", _text),
    "birthdate": ("birthday", _text),
    "zoneinfo": ("timezone", _text),
    "locale": ("language", _text),
    "phone_number": ("phoneNumber", _text),
    "phone_number_verified": ("phoneNumberVerified", _flag),
    "address": ("address", _address),
    "updated_at": ("updatedAt", _moment),
}
"""Claims of OpenID Connect Core 5.1, and what an identity calls them."""

_ATTRIBUTE_NAMES: Final = frozenset(name for name, _ in _OIDC_ATTRIBUTES.values())

_REGISTERED: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "fva"})
"""Claims of RFC 7519, and ``fva``: the age of a sign-in, which changes with every token."""

_PASSING: Final = _REGISTERED | {
    "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash",
}  # fmt: skip
"""Claims about one token or sign-in: with them a refreshed token would miss every cache."""
