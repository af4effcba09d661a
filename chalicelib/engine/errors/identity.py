"""Errors of tokens and keys: nobody knows who calls."""

from collections.abc import Sequence

from chalicelib.engine.errors.families import EngineError


class InvalidAuthHeader(EngineError):
    """What was presented to identify the caller cannot be used; the message says why."""

    code = "InvalidAuthHeader"


class NoAuthProvider(EngineError):
    """A token comes from nobody whom the app trusts."""

    code = "NoAuthProvider"

    def __init__(self, configured: Sequence[str]) -> None:
        found = "No auth provider found matching the given token"
        super().__init__(
            f"{found}. Check that the token's issuer ('iss') and audience ('aud') match one"
            f" of your configured providers: [{', '.join(configured)}]"
            if configured
            else f"{found} (no providers configured). List one in auth_config.py."
        )
        self.configured = tuple(configured)


class TokenRefused(EngineError):
    """A token of an OIDC provider does not hold."""

    code = "Unauthenticated"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Could not verify OIDC token claim: {reason}. Sign in again for a fresh token,"
            " and check that it was issued to this application."
        )
        self.reason = reason


class AuthProviderDiscoveryFailed(EngineError):
    """The keys of an auth provider could not be had: no token of it can be verified now."""

    code = "AuthProviderDiscoveryFailed"
    retryable = True

    def __init__(self, issuer: str, reason: str) -> None:
        super().__init__(
            f"Auth provider discovery of {issuer} failed: {reason}. Check that the URL in"
            " auth_config.py is correct and accessible from the server."
        )
        self.issuer, self.reason = issuer, reason


class BadDeployKey(EngineError):
    """The key presented is not the admin key of this deployment."""

    code = "BadDeployKey"

    def __init__(self) -> None:
        super().__init__(
            "The admin key is not the one of this deployment. Check that the key and the"
            " address that you use belong together."
        )
