"""Who may vouch for users, as an app lists them: ``auth_config.py: providers = [...]``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from chalicelib.engine.errors import InvalidAuthHeader, NoAuthProvider

OIDC_ALGORITHMS: Final = frozenset({"RS256", "EdDSA"})
"""What an OIDC provider may sign with, whatever its discovery document or a token says."""

_JWKS_SCHEMES: Final = ("https://", "http://", "data:")


class OidcProvider(
    msgspec.Struct, frozen=True, kw_only=True, tag="oidc", tag_field="type", rename="camel"
):
    """An OpenID Connect provider: it publishes where its keys are.

    ``domain`` is its issuer, ``application_id`` the only audience that a token may have.
    """

    domain: str
    application_id: str = msgspec.field(name="applicationID")

    def __post_init__(self) -> None:
        if not self.domain or not self.application_id:
            raise ValueError("An OIDC provider needs a domain and an application_id.")

    @property
    def issuer(self) -> str:
        """The issuer, written as every issuer is compared."""
        return canonical_issuer(self.domain)

    @property
    def algorithms(self) -> frozenset[str]:
        """What its tokens may be signed with."""
        return OIDC_ALGORITHMS

    def describe(self) -> str:
        """Return how errors name it."""
        return f"OIDC(domain={self.domain}, app_id={self.application_id})"


class CustomJwtProvider(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="customJwt",
    tag_field="type",
    rename="camel",
):
    """Anybody who signs JWTs: ``jwks`` is the URL of its keys, or a ``data:`` URL of them.

    Without an ``application_id`` a token may have any audience, or none.
    """

    issuer: str
    jwks: str
    algorithm: Literal["RS256", "ES256"]
    application_id: str | None = msgspec.field(name="applicationID", default=None)

    def __post_init__(self) -> None:
        if not self.issuer or not self.jwks.startswith(_JWKS_SCHEMES):
            raise ValueError(
                "A custom JWT provider needs an issuer, and a http(s) or data: URL as jwks."
            )

    @property
    def algorithms(self) -> frozenset[str]:
        """What its tokens may be signed with."""
        return frozenset({self.algorithm})

    def describe(self) -> str:
        """Return how errors name it."""
        return f"CustomJWT(issuer={self.issuer}, app_id={self.application_id or 'none'})"


Provider = OidcProvider | CustomJwtProvider


def canonical_issuer(issuer: str) -> str:
    """Return ``issuer`` with a scheme and without slashes at its end.

    Providers differ in both between their documents, their tokens and what they tell people
    to configure.
    """
    with_scheme = (
        issuer if issuer.startswith(("https://", "http://")) else f"https://{issuer}"
    )
    return with_scheme.rstrip("/")


def audiences(claims: Mapping[str, Any]) -> list[str]:
    """Return the audiences that a token names; RFC 7519 allows one text or a list."""
    audience = claims.get("aud")
    listed = audience if isinstance(audience, list) else [audience]
    return [each for each in listed if isinstance(each, str)]


def choose_provider(providers: Sequence[Provider], claims: Mapping[str, Any]) -> Provider:
    """Return the first provider that may have issued a token with ``claims``.

    The claims need not be verified: a forged issuer chooses keys that do not fit.

    Raises:
        InvalidAuthHeader: the token names no issuer.
        NoAuthProvider: no provider has this issuer and audience.
    """
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise InvalidAuthHeader(
            "The token has no issuer: its payload needs an 'iss' claim that names one of"
            " the auth providers of this deployment."
        )
    wanted, named = canonical_issuer(issuer), audiences(claims)
    for provider in providers:
        fits = provider.application_id is None or provider.application_id in named
        if fits and canonical_issuer(provider.issuer) == wanted:
            return provider
    # Issuers and application ids are public: every browser app of theirs carries both.
    raise NoAuthProvider([provider.describe() for provider in providers])
