"""Who is calling: what callers send, who vouches for it, what a function sees of it.

:mod:`credentials` reads what came in; :mod:`providers` and :mod:`tokens` say which tokens
are believed and what their claims mean; :mod:`identity` is the outcome. All of it is pure:
keys are fetched and signatures verified behind :class:`IdentityVerifier`.
"""

from chalicelib.engine.auth.credentials import (
    AdminCredential,
    BearerToken,
    Credential,
    IdentityVerifier,
    acting_identity,
    admin_key_matches,
    identify,
    parse_admin_key,
    parse_authorization,
)
from chalicelib.engine.auth.identity import (
    LEEWAY_S,
    AdminIdentity,
    Caller,
    Identity,
    Unverified,
    attributes_of,
    has_expired,
    user_of,
)
from chalicelib.engine.auth.providers import (
    CustomJwtProvider,
    OidcProvider,
    Provider,
    choose_provider,
)

__all__ = [
    "LEEWAY_S",
    "AdminCredential",
    "AdminIdentity",
    "BearerToken",
    "Caller",
    "Credential",
    "CustomJwtProvider",
    "Identity",
    "IdentityVerifier",
    "OidcProvider",
    "Provider",
    "Unverified",
    "acting_identity",
    "admin_key_matches",
    "attributes_of",
    "choose_provider",
    "has_expired",
    "identify",
    "parse_admin_key",
    "parse_authorization",
    "user_of",
]
