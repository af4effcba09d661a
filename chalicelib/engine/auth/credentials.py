"""What a caller presents: a token of a user, or the admin key and perhaps a user to act as.

Forms of the header ``Authorization``: ``Bearer <JWT>``, ``Convex <admin key>`` and
``Convex <admin key>:<base64 of JSON attributes>``. No error here repeats what was sent.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Protocol

import msgspec

from chalicelib.engine.auth.identity import AdminIdentity, Caller, Identity
from chalicelib.engine.errors import BadDeployKey, InvalidAuthHeader

_PREFIXES_WITHOUT_INSTANCE: Final = frozenset({"preview", "project"})


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A JWT, not looked at yet."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdminCredential:
    """What claims to be the admin key, without its type prefix, not checked yet."""

    key: str = field(repr=False)
    acting_as: Identity | None = None


Credential = BearerToken | AdminCredential


def parse_authorization(header: str) -> Credential:
    """Read the value of a header ``Authorization``.

    Raises:
        InvalidAuthHeader: it has none of the three forms.
    """
    scheme, _, rest = header.strip().partition(" ")
    rest = rest.strip()
    if rest and scheme.lower() == "bearer":
        return BearerToken(rest)
    if rest and scheme.lower() == "convex":
        return parse_admin_key(rest)
    raise InvalidAuthHeader(
        "The Authorization header must be 'Bearer <token>' for a user or"
        " 'Convex <admin key>' for the admin."
    )


def parse_admin_key(
    text: str, acting_as: Mapping[str, Any] | None = None
) -> AdminCredential:
    """Read an admin key as a header, a query parameter or the socket brings it.

    ``acting_as`` are the attributes of a user, where they come beside the key; else they
    are looked for behind the key, after a colon.

    Raises:
        InvalidAuthHeader: the attributes cannot be read, or name nobody.
    """
    key, colon, encoded = _without_type_prefix(text).partition(":")
    if acting_as is None and colon:
        acting_as = _decode_attributes(encoded)
    return AdminCredential(key, None if acting_as is None else acting_identity(acting_as))


def acting_identity(attributes: Mapping[str, Any]) -> Identity:
    """Return the user to act as; nothing but the admin key vouches for it.

    Raises:
        InvalidAuthHeader: neither ``tokenIdentifier`` nor ``issuer`` and ``subject`` are
            given.
    """
    issuer, subject = attributes.get("issuer"), attributes.get("subject")
    identifier = attributes.get("tokenIdentifier")
    if not isinstance(identifier, str) or not identifier:
        if not (
            issuer and subject and isinstance(issuer, str) and isinstance(subject, str)
        ):
            _refuse_attributes(
                "Give 'tokenIdentifier', or both 'issuer' and 'subject', as text."
            )
        identifier = f"{issuer}|{subject}"
    # An issuer is a URL and has no bar in it; a subject may have, as in `auth0|42`.
    named_issuer, _, named_subject = identifier.partition("|")
    issuer = issuer if isinstance(issuer, str) else named_issuer
    subject = subject if isinstance(subject, str) else named_subject
    names = {"tokenIdentifier": identifier, "issuer": issuer, "subject": subject}
    return Identity(issuer, subject, identifier, {**attributes, **names})


def _without_type_prefix(key: str) -> str:
    """Return ``n|secret`` for ``prod:n|secret``, ``secret`` for ``preview:…|secret``."""
    instance, bar, secret = key.partition("|")
    kind, colon, name = instance.partition(":")
    if not (bar and colon):
        return key
    return secret if kind.lower() in _PREFIXES_WITHOUT_INSTANCE else f"{name}|{secret}"


def _decode_attributes(encoded: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(
            base64.b64decode(encoded, validate=True), type=dict[str, Any]
        )
    except (binascii.Error, ValueError, RecursionError):
        _refuse_attributes(
            "After the colon comes the base64 form of a JSON object in UTF-8."
        )


def _refuse_attributes(what_to_do: str) -> NoReturn:
    raise InvalidAuthHeader(
        f"The user to act as, given with the admin key, cannot be read. {what_to_do}"
    ) from None


class IdentityVerifier(Protocol):
    """Tells who a token speaks for. Implementation: ``adapters.oidc``."""

    def verify(self, token: str) -> Identity:
        """Return whom ``token`` names, once signature, audience and times were found right.

        Raises:
            InvalidAuthHeader: it is no JWT, or a custom JWT that does not hold.
            NoAuthProvider: nobody is configured who could have issued it.
            TokenRefused: an OIDC token that does not hold.
            AuthProviderDiscoveryFailed: the provider's keys could not be fetched.
        """
        ...


def identify(
    credential: Credential | None, *, verifier: IdentityVerifier, admin_key: str | None
) -> Caller:
    """Return who presents ``credential``. Without an ``admin_key`` nobody is the admin.

    Raises:
        BadDeployKey: the key is not the admin key.
        EngineError: as :meth:`IdentityVerifier.verify` does.
    """
    if credential is None:
        return None
    if isinstance(credential, BearerToken):
        return verifier.verify(credential.token)
    if admin_key is None or not admin_key_matches(credential.key, admin_key):
        raise BadDeployKey
    return AdminIdentity(credential.acting_as)


def admin_key_matches(given: str, expected: str) -> bool:
    """Tell whether ``given`` is the key ``<instance>|<secret>``, or its secret alone.

    The secret comes alone from a ``preview:`` or ``project:`` key, which names no instance.
    The time taken does not depend on where the two differ.
    """
    secret = expected.rpartition("|")[2]
    tried = given.encode(errors="surrogatepass")
    whole = hmac.compare_digest(tried, expected.encode())
    alone = hmac.compare_digest(tried, secret.encode())
    return bool(secret) and (whole or alone)
