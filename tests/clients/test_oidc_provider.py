"""Tokens of a certified OpenID Connect provider, the npm package `oidc-provider`, are believed.

People sign in to it by the authorization code flow with PKCE, as a browser app would have them.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest

from chalicelib.adapters.jwks import FRESH_MS
from chalicelib.adapters.oidc import OidcVerifier
from chalicelib.engine.auth import CustomJwtProvider, OidcProvider, Provider
from chalicelib.engine.errors import (
    AuthProviderDiscoveryFailed,
    InvalidAuthHeader,
    NoAuthProvider,
    TokenRefused,
)

pytestmark = pytest.mark.clients

HERE = Path(__file__).resolve().parent
PATIENCE_S = 30


class RunningProvider:
    """The provider, which has new keys after every start and the same address."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        node = shutil.which("node")
        if node is None or not (HERE / "node_modules" / "oidc-provider").exists():
            pytest.fail("The provider is not installed. Run: make test-clients")
        self._process = subprocess.Popen(
            [node, str(HERE / "oidc_provider.mjs"), str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "listening" in line:
                return self
        pytest.fail("The provider did not start.")

    def stop(self) -> None:
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None

    def sign_in(self, application: str, user: str) -> str:
        """Return the ID token that ``user`` gets for ``application``."""
        secret, back = secrets.token_urlsafe(32), f"{self.issuer}/callback"
        digest = hashlib.sha256(secret.encode()).digest()
        asked = {
            "client_id": application,
            "response_type": "code",
            "scope": "openid profile email",
            "redirect_uri": back,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "login_hint": user,
        }
        with httpx.Client(base_url=self.issuer, timeout=PATIENCE_S) as browser:
            answer = browser.get("/auth", params=asked)
            while not (to := answer.headers["location"]).startswith(back):
                answer = browser.get(to)
            granted = {
                "grant_type": "authorization_code",
                "code": httpx.URL(to).params["code"],
                "redirect_uri": back,
                "code_verifier": secret,
            }
            tokens = browser.post(
                "/token", data=granted, auth=(application, "not-a-secret")
            )
        token: str = tokens.raise_for_status().json()["id_token"]
        return token


@pytest.fixture
def provider() -> Iterator[RunningProvider]:
    running = RunningProvider().start()
    yield running
    running.stop()


class Clock:
    """The real time, and what a test adds to it."""

    later_ms = 0.0

    def now_ms(self) -> float:
        return time.time() * 1000 + self.later_ms


def verifier(*providers: Provider, clock: Clock | None = None) -> OidcVerifier:
    return OidcVerifier(providers, now_ms=(clock or Clock()).now_ms)


@pytest.mark.parametrize("application", ["app", "ed"])
def test_a_user_who_signed_in_is_known_by_all_claims(
    provider: RunningProvider, application: str
) -> None:
    trusted = OidcProvider(domain=provider.issuer, application_id=application)

    identity = verifier(trusted).verify(provider.sign_in(application, "alice"))

    assert identity.attributes == {
        "tokenIdentifier": f"{provider.issuer}|alice",
        "issuer": provider.issuer,
        "subject": "alice",
        "name": "alice 🙃",
        "givenName": "alice",
        "updatedAt": "2023-11-14T22:13:20+00:00",
        "email": "alice@example.com",
        "emailVerified": True,
        "org": {"id": 7},
    }


def test_its_keys_serve_a_custom_jwt_provider_too(provider: RunningProvider) -> None:
    trusted = CustomJwtProvider(
        issuer=provider.issuer, jwks=f"{provider.issuer}/jwks", algorithm="ES256"
    )

    identity = verifier(trusted).verify(provider.sign_in("ec", "alice"))

    assert identity.attributes["email_verified"] is True
    assert identity.attributes["org.id"] == 7
    with pytest.raises(InvalidAuthHeader, match="trusted with ES256"):
        verifier(trusted).verify(provider.sign_in("app", "alice"))


def test_tokens_for_other_applications_are_refused(provider: RunningProvider) -> None:
    app = OidcProvider(domain=provider.issuer, application_id="app")
    ec = OidcProvider(domain=provider.issuer, application_id="ec")

    with pytest.raises(NoAuthProvider):
        verifier(app).verify(provider.sign_in("ed", "alice"))
    with pytest.raises(TokenRefused, match="'ES256'"):
        verifier(app, ec).verify(provider.sign_in("ec", "alice"))


def test_an_expired_token_is_refused(provider: RunningProvider) -> None:
    trusted, clock = OidcProvider(domain=provider.issuer, application_id="app"), Clock()
    token = provider.sign_in("app", "alice")
    clock.later_ms = 2 * 3_600_000

    with pytest.raises(TokenRefused, match="Token expired"):
        verifier(trusted, clock=clock).verify(token)


def test_a_rotation_of_keys_is_noticed_at_once(provider: RunningProvider) -> None:
    ours = verifier(OidcProvider(domain=provider.issuer, application_id="app"))
    before = provider.sign_in("app", "alice")
    ours.verify(before)
    provider.stop()
    provider.start()

    assert ours.verify(provider.sign_in("app", "bo")).subject == "bo"
    with pytest.raises(TokenRefused, match="no key"):
        ours.verify(before)


def test_an_outage_of_the_provider_signs_nobody_out(provider: RunningProvider) -> None:
    trusted, clock = OidcProvider(domain=provider.issuer, application_id="app"), Clock()
    token, ours = provider.sign_in("app", "alice"), verifier(trusted, clock=clock)
    ours.verify(token)
    provider.stop()
    clock.later_ms = FRESH_MS

    assert ours.verify(token).subject == "alice"
    with pytest.raises(AuthProviderDiscoveryFailed, match="accessible from the server"):
        verifier(trusted).verify(token)
