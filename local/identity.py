"""The local server's own identity provider, and its admin key.

Both secrets are made when first asked for and kept in the data directory, readable by its
owner only. Processes may race for them: all of them get what the first one made. No server
need be running; it mounts :func:`openid_configuration` and :func:`jwks`.
"""

import base64
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chalicelib.engine.auth import CustomJwtProvider

AUDIENCE: Final = "geoflow"
"""Audience of the tokens, the ``application_id`` of the local provider."""

DEFAULT_ISSUER: Final = "http://127.0.0.1:3210"
"""Issuer unless another is configured: where ``make run`` listens."""

DEFAULT_LIFETIME_S: Final = 24 * 3600
"""How long a developer's token is good for, in seconds."""

INSTANCE_NAME: Final = "geoflow-local"
"""What stands before the bar in the admin key of a local server."""

# RSA: an OpenID Connect provider must offer RS256, and many clients accept nothing else.
_ALGORITHM: Final = "RS256"
_KEY_BITS: Final = 2048
_SECRET_BYTES: Final = 32

Reply = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an HTTP response."""


def openid_configuration(issuer: str) -> Reply:
    """Answer ``GET /.well-known/openid-configuration``."""
    document = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        # Clients refuse a document without it (OpenID Connect Discovery 1.0, section 3).
        # Nothing is there: tokens come from `python -m local.token`.
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [_ALGORITHM],
    }
    return _json(document)


def jwks(directory: Path) -> Reply:
    """Answer ``GET /.well-known/jwks.json``."""
    return _json({"keys": [_public_jwk(_signing_key(directory))]})


def local_provider(directory: Path, issuer: str) -> CustomJwtProvider:
    """Return the provider to list so that the local server's tokens are accepted.

    It carries the public key, so that the server need not ask itself over HTTP.
    """
    _, _, body = jwks(directory)
    encoded = base64.b64encode(body).decode()
    return CustomJwtProvider(
        issuer=issuer,
        jwks=f"data:application/json;base64,{encoded}",
        algorithm=_ALGORITHM,
        application_id=AUDIENCE,
    )


def issue_token(
    directory: Path,
    user: str,
    *,
    issuer: str = DEFAULT_ISSUER,
    name: str | None = None,
    email: str | None = None,
    role: str | None = None,
    lifetime_s: float = DEFAULT_LIFETIME_S,
    now_s: Callable[[], float] = time.time,
) -> str:
    """Return a JWT that names ``user``, valid from now for ``lifetime_s``.

    ``role`` is a claim of its own, which the app reads: GeoFlow knows its workers by it. Who
    runs the server vouches for the email.
    """
    key, issued = _signing_key(directory), int(now_s())
    times = {"iat": issued, "exp": issued + int(lifetime_s)}
    about = {"name": name, "email": email, "role": role}
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": user, **times} | {
        claim: text for claim, text in about.items() if text is not None
    }
    if email is not None:
        claims["email_verified"] = True
    return jwt.encode(
        claims, key, algorithm=_ALGORITHM, headers={"kid": _public_jwk(key)["kid"]}
    )


def admin_key(directory: Path) -> str:
    """Return the admin key, ``geoflow-local|<secret>``."""
    made = _kept(directory, "admin_key", lambda: secrets.token_hex(_SECRET_BYTES).encode())
    return f"{INSTANCE_NAME}|{made.decode().strip()}"


def deployment_secret(directory: Path) -> str:
    """Return what the local server seals tokens and cursors with."""
    made = _kept(directory, "secret", lambda: secrets.token_hex(_SECRET_BYTES).encode())
    return made.decode().strip()


def _signing_key(directory: Path) -> rsa.RSAPrivateKey:
    pem = _kept(directory, "signing_key.pem", _new_pem)
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{directory / 'signing_key.pem'} is no RSA key: remove it.")
    return key


def _new_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    full: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(
        key.public_key(), as_dict=True
    )
    named = {field: full[field] for field in ("e", "kty", "n")}
    # RFC 7638: the digest of these members, in this order, names the key.
    digest = hashlib.sha256(msgspec.json.encode(named, order="sorted")).digest()
    kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return {**named, "kid": kid, "use": "sig", "alg": _ALGORITHM}


def _kept(directory: Path, name: str, make: Callable[[], bytes]) -> bytes:
    """Return the content of a secret file; ``make`` it if it is not there."""
    path = directory / name
    if not path.exists():
        _make_once(path, make)
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)  # a copy, or another program, may have opened it to others
    return path.read_bytes()


def _make_once(path: Path, make: Callable[[], bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        # Written beside and moved: nobody ever reads half a key, not even after a crash.
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _json(document: dict[str, Any]) -> Reply:
    headers = {"Content-Type": "application/json", "Cache-Control": "public, max-age=60"}
    return 200, headers, msgspec.json.encode(document)
