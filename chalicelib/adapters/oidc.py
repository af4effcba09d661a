"""Verifies tokens of OpenID Connect providers and of custom JWT issuers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

import msgspec
from typing_extensions import override

from chalicelib.adapters.jwks import (
    Fetch,
    Key,
    KeyRing,
    Malformed,
    Unavailable,
    fetch,
    parse_keys,
)
from chalicelib.engine.auth import (
    CustomJwtProvider,
    Identity,
    IdentityVerifier,
    OidcProvider,
    Provider,
    choose_provider,
)
from chalicelib.engine.auth.providers import audiences, canonical_issuer
from chalicelib.engine.auth.tokens import (
    Unverified,
    custom_jwt_identity,
    fault_of,
    oidc_identity,
    read_unverified,
)
from chalicelib.engine.errors import (
    AuthProviderDiscoveryFailed,
    InvalidAuthHeader,
    TokenRefused,
)

_SHOWN_CHARACTERS: Final = 100
_HTTP: Final = ("https://", "http://")


class OidcVerifier(IdentityVerifier):
    """Verifies tokens of the ``providers`` of an app. Safe under threads; one per process.

    ``now_ms`` is the clock, in milliseconds since the Unix epoch.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        now_ms: Callable[[], float],
        fetch: Fetch = fetch,
    ) -> None:
        self._providers = tuple(providers)
        self._now_ms, self._fetch = now_ms, fetch
        self._rings = {
            each: KeyRing(self._loader(each), now_ms) for each in self._providers
        }

    @override
    def verify(self, token: str) -> Identity:
        unverified = read_unverified(token)
        provider = choose_provider(self._providers, unverified.claims)
        ring = self._rings[provider]
        match provider:
            case OidcProvider():
                return self._verify_oidc(token, unverified, provider, ring)
            case CustomJwtProvider():
                return self._verify_custom(token, unverified, provider, ring)

    def _verify_oidc(
        self, token: str, unverified: Unverified, provider: OidcProvider, ring: KeyRing
    ) -> Identity:
        algorithm, kid = unverified.algorithm, unverified.key_id
        if algorithm not in provider.algorithms:
            raise TokenRefused(_unaccepted(algorithm, provider))
        # Neither tokens nor keys need an id here: stock sign-in libraries leave it out.
        if not _signed(token, ring, lambda key: kid is None or key.id in {None, kid}):
            raise TokenRefused(f"no key of {provider.issuer} fits its signature")
        if len(audiences(unverified.claims)) != 1:
            raise TokenRefused("it has several audiences, and must be for this app alone")
        if (fault := fault_of(unverified.claims, self._now_ms())) is not None:
            raise TokenRefused(fault)
        return oidc_identity(unverified.claims)

    def _verify_custom(
        self, token: str, unverified: Unverified, provider: CustomJwtProvider, ring: KeyRing
    ) -> Identity:
        algorithm, kid = unverified.algorithm, unverified.key_id
        if algorithm not in provider.algorithms:
            _refuse(f"Could not decode token: {_unaccepted(algorithm, provider)}.")
        if kid is None:
            _refuse(
                "Could not decode token. The JWT is missing a 'kid' (key ID) header: sign"
                f" it with the id of a key in the JWKS of {provider.issuer}."
            )
        if not _signed(token, ring, lambda key: key.id == kid):
            _refuse(
                "Could not decode token. Its 'kid' (key ID) header is"
                f" '{kid[:_SHOWN_CHARACTERS]}': either the JWKS of {provider.issuer} has no"
                " such key, or the signature is not of that key."
            )
        if (fault := fault_of(unverified.claims, self._now_ms())) is not None:
            _refuse(f"Could not validate token: {fault}. Sign in again for a fresh one.")
        return custom_jwt_identity(unverified.claims)

    def _loader(self, provider: Provider) -> Callable[[], tuple[Key, ...]]:
        match provider:
            case OidcProvider():
                return lambda: self._load_oidc(provider)
            case CustomJwtProvider():
                return lambda: self._load_custom(provider)

    def _load_oidc(self, provider: OidcProvider) -> tuple[Key, ...]:
        issuer = provider.issuer
        try:
            document = self._fetch(f"{issuer}/.well-known/openid-configuration")
            jwks = self._fetch(_jwks_uri(issuer, document))
            return parse_keys(jwks, provider.algorithms)
        except (Unavailable, Malformed) as error:
            raise AuthProviderDiscoveryFailed(issuer, str(error)) from error

    def _load_custom(self, provider: CustomJwtProvider) -> tuple[Key, ...]:
        at = provider.jwks[:_SHOWN_CHARACTERS]
        try:
            return parse_keys(self._fetch(provider.jwks), provider.algorithms)
        except Unavailable as error:
            raise AuthProviderDiscoveryFailed(
                provider.issuer, f"its JWKS at '{at}' gave {error}"
            ) from error
        except Malformed as error:
            raise InvalidAuthHeader(
                f"Invalid JWKS response body from '{at}': {error}. Check the jwks of this"
                " provider in auth_config.py."
            ) from error


def _signed(token: str, ring: KeyRing, fits: Callable[[Key], bool]) -> bool:
    """Tell whether a fitting key of ``ring`` signed ``token``."""
    return any(key.signed(token) for keys in ring.rounds() for key in filter(fits, keys))


def _jwks_uri(issuer: str, document: bytes) -> str:
    """Return where a discovery document says that the keys of ``issuer`` are."""
    try:
        found: Mapping[str, Any] = msgspec.json.decode(document, type=dict[str, Any])
    except (ValueError, RecursionError):
        raise Malformed("its discovery document is not valid JSON") from None
    named, uri = found.get("issuer"), found.get("jwks_uri")
    if not isinstance(named, str) or canonical_issuer(named) != issuer:
        raise Malformed("its discovery document is of another issuer")
    # Keys may not come by a way that is less safe than the one that named them.
    schemes = _HTTP[:1] if issuer.startswith("https:") else _HTTP
    if not isinstance(uri, str) or not uri.startswith(schemes):
        raise Malformed("its discovery document has no usable 'jwks_uri'")
    return uri


def _unaccepted(algorithm: str | None, provider: Provider) -> str:
    shown = str(algorithm)[:_SHOWN_CHARACTERS]
    accepted = " or ".join(sorted(provider.algorithms))
    return f"it is signed with '{shown}', and {provider.issuer} is trusted with {accepted}"


def _refuse(message: str) -> NoReturn:
    raise InvalidAuthHeader(message)
