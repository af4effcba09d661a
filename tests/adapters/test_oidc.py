"""Tokens are believed when, and only when, the provider that the app names has signed them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from typing_extensions import override

from chalicelib.adapters.jwks import (
    FRESH_MS,
    MAX_DOCUMENT_BYTES,
    RETRY_MS,
    STALE_MS,
    UNKNOWN_KEY_MS,
    Unavailable,
    fetch,
)
from chalicelib.adapters.oidc import OidcVerifier
from chalicelib.engine.auth import CustomJwtProvider, OidcProvider, Provider
from chalicelib.engine.errors import (
    AuthProviderDiscoveryFailed,
    EngineError,
    InvalidAuthHeader,
    NoAuthProvider,
    TokenRefused,
)

ISSUER = "https://id.example"
OIDC = OidcProvider(domain=ISSUER, application_id="app")
CUSTOM = CustomJwtProvider(
    issuer="https://jwt.example", jwks="https://jwt.example/keys", algorithm="ES256"
)
OPEN_CUSTOM_CLAIMS: dict[str, Any] = {"iss": "https://jwt.example", "aud": None}

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def jwk(key: PrivateKey, **more: Any) -> dict[str, Any]:
    shown: dict[str, Any]
    match key:
        case rsa.RSAPrivateKey():
            shown = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case ec.EllipticCurvePrivateKey():
            shown = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        case _:
            shown = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    shown.pop("key_ops", None)
    return shown | more


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


@dataclass
class World:
    """A clock that stands still, and a web of two providers."""

    seconds: float = 1_700_000_000
    requests: list[str] = field(default_factory=list)
    down: bool = False
    pages: dict[str, bytes] = field(
        default_factory=lambda: {
            f"{ISSUER}/.well-known/openid-configuration": json.dumps(
                {"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/jwks"}
            ).encode(),
            f"{ISSUER}/jwks": jwks(jwk(RSA, kid="r1", use="sig"), jwk(ED, kid="ed")),
            "https://jwt.example/keys": jwks(jwk(EC, kid="e1", alg="ES256")),
        }
    )

    def now_ms(self) -> float:
        return self.seconds * 1000

    def fetch(self, url: str) -> bytes:
        self.requests.append(url)
        if self.down or url not in self.pages:
            raise Unavailable("no answer")
        return self.pages[url]

    def verifier(self, *providers: Provider) -> OidcVerifier:
        return OidcVerifier(
            providers or (OIDC, CUSTOM), now_ms=self.now_ms, fetch=self.fetch
        )

    def token(
        self,
        key: Any = RSA,
        algorithm: str = "RS256",
        kid: str | None = "r1",
        **claims: Any,
    ) -> str:
        full = {
            "iss": ISSUER,
            "aud": "app",
            "sub": "alice",
            "exp": self.seconds + 60,
        } | claims
        return jwt.encode(
            {name: value for name, value in full.items() if value is not None},
            key,
            algorithm=algorithm,
            headers={"kid": kid} if kid else None,
        )

    def custom_token(self, *, kid: str | None = "e1", **claims: Any) -> str:
        return self.token(EC, "ES256", kid, **(OPEN_CUSTOM_CLAIMS | claims))


@pytest.fixture
def world() -> World:
    return World()


def confused(world: World, key: PrivateKey, header: dict[str, Any], **claims: Any) -> str:
    """Sign with HMAC, the secret being the PEM of the public key: the classic forgery."""
    secret = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    full = {"iss": ISSUER, "aud": "app", "sub": "root", "exp": world.seconds + 60} | claims
    signed = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, full)
    )
    mac = base64.urlsafe_b64encode(hmac.digest(secret, signed, hashlib.sha256)).rstrip(b"=")
    return f"{signed.decode()}.{mac.decode()}"


class TestOidc:
    def test_tells_who_a_token_names(self, world: World) -> None:
        identity = world.verifier().verify(world.token(email="a@b.c", email_verified=True))

        assert identity.token_identifier == f"{ISSUER}|alice"
        assert identity.expires_at == world.seconds + 60
        assert identity.attributes == {
            "tokenIdentifier": f"{ISSUER}|alice",
            "issuer": ISSUER,
            "subject": "alice",
            "email": "a@b.c",
            "emailVerified": True,
        }

    def test_takes_an_issuer_with_a_slash_and_a_list_of_one_audience(
        self, world: World
    ) -> None:
        token = world.token(iss=f"{ISSUER}/", aud=["app"])

        assert world.verifier().verify(token).issuer == f"{ISSUER}/"

    def test_takes_ed25519(self, world: World) -> None:
        token = world.token(ED, "EdDSA", "ed")

        assert world.verifier().verify(token).subject == "alice"

    def test_finds_the_key_of_a_token_that_names_none(self, world: World) -> None:
        world.pages[f"{ISSUER}/jwks"] = jwks(jwk(OTHER_RSA, kid="r0"), jwk(RSA))

        assert world.verifier().verify(world.token(kid=None)).subject == "alice"

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"exp": 1_699_999_990}, "Token expired 10 seconds ago"),
            ({"nbf": 1_700_000_010}, "valid in 10 seconds"),
            ({"iat": 1_700_000_010}, "valid in 10 seconds"),
            ({"exp": None}, "Missing expiry"),
            ({"aud": ["app", "other"]}, "several audiences"),
        ],
    )
    def test_refuses_a_token_that_is_not_for_here_and_now(
        self, world: World, claims: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(TokenRefused, match=why) as refused:
            world.verifier().verify(world.token(**claims))

        assert refused.value.code == "Unauthenticated"

    @pytest.mark.parametrize(
        "claims", [{"exp": 1_699_999_996}, {"nbf": 1_700_000_004}, {"iat": 1_700_000_004}]
    )
    def test_lets_clocks_differ_by_five_seconds(
        self, world: World, claims: dict[str, Any]
    ) -> None:
        assert world.verifier().verify(world.token(**claims)).subject == "alice"

    @pytest.mark.parametrize(
        "claims", [{"aud": "other"}, {"aud": None}, {"iss": "https://x"}]
    )
    def test_knows_no_provider_for_another_audience_or_issuer(
        self, world: World, claims: dict[str, Any]
    ) -> None:
        with pytest.raises(NoAuthProvider):
            world.verifier().verify(world.token(**claims))

        assert world.requests == []

    @pytest.mark.parametrize(
        ("key", "algorithm", "kid"),
        [
            (OTHER_RSA, "RS256", "r1"),
            (OTHER_RSA, "RS256", None),
            (RSA, "RS256", "r2"),
            (EC, "ES256", "r1"),
            (RSA, "RS512", "r1"),
            (RSA, "PS256", "r1"),
            ("secret" * 8, "HS256", "r1"),
            (None, "none", "r1"),
            (None, "none", None),
        ],
    )
    def test_refuses_a_signature_of_anybody_else(
        self, world: World, key: Any, algorithm: str, kid: str | None
    ) -> None:
        token = world.token(key, algorithm, kid)

        with pytest.raises(TokenRefused):
            world.verifier().verify(token)

    @pytest.mark.parametrize(
        "algorithm", ["HS256", "RS256", "hs256", "none", None, ["HS256"]]
    )
    def test_refuses_the_public_key_as_the_secret_of_an_hmac(
        self, world: World, algorithm: object
    ) -> None:
        token = confused(world, RSA, {"alg": algorithm, "kid": "r1"})

        with pytest.raises(TokenRefused):
            world.verifier().verify(token)

    def test_takes_no_key_out_of_the_token(self, world: World) -> None:
        claims = {"iss": ISSUER, "aud": "app", "sub": "root", "exp": world.seconds + 60}
        evil = {"jwk": jwk(OTHER_RSA), "jku": "https://evil.example", "kid": "r1"}

        with pytest.raises(TokenRefused):
            world.verifier().verify(
                jwt.encode(claims, OTHER_RSA, algorithm="RS256", headers=evil)
            )

        assert not any("evil" in url for url in world.requests)

    @pytest.mark.parametrize(
        "unfit",
        [
            jwk(RSA, kid="r1", use="enc"),
            jwk(RSA, kid="r1", alg="RS512"),
            jwk(RSA, kid="r1") | {"kty": "oct", "k": "c2VjcmV0"},
            jwk(RSA, kid="r1") | {"n": "!"},
            jwk(EC, kid="r1"),
            {"kid": "r1"},
        ],
    )
    def test_uses_no_key_for_what_it_is_not_meant(
        self, world: World, unfit: dict[str, Any]
    ) -> None:
        world.pages[f"{ISSUER}/jwks"] = jwks(unfit)

        with pytest.raises(TokenRefused, match="no key"):
            world.verifier().verify(world.token())

    @pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
    def test_uses_no_short_key(self, world: World) -> None:
        world.pages[f"{ISSUER}/jwks"] = jwks(jwk(SHORT_RSA, kid="r1"))

        with pytest.raises(TokenRefused, match="no key"):
            world.verifier().verify(world.token(SHORT_RSA))

    def test_passes_over_keys_of_unknown_types(self, world: World) -> None:
        world.pages[f"{ISSUER}/jwks"] = jwks(
            {"kty": "ML-DSA", "kid": "q"}, jwk(RSA, kid="r1")
        )

        assert world.verifier().verify(world.token()).subject == "alice"


class TestCustomJwt:
    def test_tells_who_a_token_names_with_its_claims_as_they_are(
        self, world: World
    ) -> None:
        identity = world.verifier().verify(world.custom_token(org={"id": 7}, email="a@b.c"))

        assert identity.attributes == {
            "tokenIdentifier": "https://jwt.example|alice",
            "issuer": "https://jwt.example",
            "subject": "alice",
            "email": "a@b.c",
            "org.id": 7,
        }

    @pytest.mark.parametrize("base64_form", [True, False])
    def test_reads_keys_out_of_a_data_url(self, world: World, *, base64_form: bool) -> None:
        body = world.pages["https://jwt.example/keys"]
        url = (
            f"data:text/plain;charset=utf-8;base64,{base64.b64encode(body).decode()}"
            if base64_form
            else "data:application/json," + body.decode().replace('"', "%22")
        )
        provider = CustomJwtProvider(issuer=CUSTOM.issuer, jwks=url, algorithm="ES256")
        verifier = OidcVerifier([provider], now_ms=world.now_ms)

        assert verifier.verify(world.custom_token()).subject == "alice"

    def test_asks_for_a_key_id(self, world: World) -> None:
        with pytest.raises(InvalidAuthHeader, match="missing a 'kid'"):
            world.verifier().verify(world.custom_token(kid=None))

    def test_names_the_key_id_that_nobody_has(self, world: World) -> None:
        with pytest.raises(InvalidAuthHeader, match=r"Could not decode token.*'kid'.*'e2"):
            world.verifier().verify(world.custom_token(kid="e2 (oops)"))

    @pytest.mark.parametrize(
        ("claims", "why"),
        [
            ({"exp": 1_699_999_990}, "Token expired 10 seconds ago"),
            ({"iat": 1_700_000_010}, "will be valid in"),
            ({"nbf": 1_700_000_010}, "will be valid in"),
            ({"exp": None}, "Missing expiry"),
            ({"sub": None}, "Missing subject"),
        ],
    )
    def test_refuses_a_token_out_of_its_time(
        self, world: World, claims: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(InvalidAuthHeader, match=why):
            world.verifier().verify(world.custom_token(**claims))

    def test_pins_the_algorithm_even_where_the_key_would_fit(self, world: World) -> None:
        world.pages["https://jwt.example/keys"] = jwks(
            jwk(RSA, kid="r1"), jwk(EC, kid="e1")
        )
        token = world.token(**OPEN_CUSTOM_CLAIMS)

        with pytest.raises(InvalidAuthHeader, match=r"'RS256'.*trusted with ES256"):
            world.verifier().verify(token)

    @pytest.mark.parametrize("algorithm", ["HS256", "ES256", "none"])
    def test_refuses_the_public_key_as_the_secret_of_an_hmac(
        self, world: World, algorithm: str
    ) -> None:
        header = {"alg": algorithm, "kid": "e1"}

        with pytest.raises(InvalidAuthHeader, match="Could not decode token"):
            world.verifier().verify(confused(world, EC, header, **OPEN_CUSTOM_CLAIMS))

    @pytest.mark.parametrize(
        "body", [b"not-a-valid-jwks", b"[]", b'{"keys": 7}', b"[" * 9_999]
    )
    def test_says_that_the_keys_are_no_keys(self, world: World, body: bytes) -> None:
        world.pages["https://jwt.example/keys"] = body

        with pytest.raises(InvalidAuthHeader, match=r"Invalid JWKS response body.*JSON"):
            world.verifier().verify(world.custom_token())


class TestKeys:
    def test_are_fetched_once_while_they_are_fresh(self, world: World) -> None:
        verifier = world.verifier()
        verifier.verify(world.token())
        world.seconds += FRESH_MS / 1000 - 1

        verifier.verify(world.token())

        assert world.requests == [
            f"{ISSUER}/.well-known/openid-configuration",
            f"{ISSUER}/jwks",
        ]

    def test_that_were_withdrawn_stop_counting_when_the_rest_is_no_longer_fresh(
        self, world: World
    ) -> None:
        verifier = world.verifier()
        verifier.verify(world.token())
        world.pages[f"{ISSUER}/jwks"] = jwks(jwk(OTHER_RSA, kid="r2"))
        world.seconds += FRESH_MS / 1000

        with pytest.raises(TokenRefused):
            verifier.verify(world.token())

    @pytest.mark.parametrize("kid", ["r2", None])
    def test_that_are_new_count_at_once(self, world: World, kid: str | None) -> None:
        verifier = world.verifier()
        verifier.verify(world.token())
        world.pages[f"{ISSUER}/jwks"] = jwks(
            jwk(RSA, kid="r1"), jwk(OTHER_RSA, kid=kid or "x")
        )

        assert verifier.verify(world.token(OTHER_RSA, kid=kid)).subject == "alice"

    def test_that_nobody_has_cost_the_provider_one_request_an_interval(
        self, world: World
    ) -> None:
        verifier = world.verifier(CUSTOM)
        for second in range(3):
            with pytest.raises(InvalidAuthHeader):
                verifier.verify(world.custom_token(kid=f"invented-{second}"))
        assert len(world.requests) == 2

        world.seconds += UNKNOWN_KEY_MS / 1000
        with pytest.raises(InvalidAuthHeader):
            verifier.verify(world.custom_token(kid="invented"))

        assert len(world.requests) == 3

    def test_are_used_stale_while_the_provider_is_down_and_then_no_longer(
        self, world: World
    ) -> None:
        verifier = world.verifier()
        verifier.verify(world.token())
        world.down = True

        world.seconds += STALE_MS / 1000 - 1
        assert verifier.verify(world.token()).subject == "alice"
        world.seconds += RETRY_MS / 1000

        with pytest.raises(AuthProviderDiscoveryFailed):
            verifier.verify(world.token())

    def test_of_one_provider_do_not_wait_for_another_that_is_down(
        self, world: World
    ) -> None:
        del world.pages[f"{ISSUER}/jwks"]
        verifier = world.verifier()

        with pytest.raises(AuthProviderDiscoveryFailed):
            verifier.verify(world.token())

        assert verifier.verify(world.custom_token()).subject == "alice"

    def test_of_one_provider_do_not_verify_tokens_of_another(self, world: World) -> None:
        with pytest.raises(TokenRefused):
            world.verifier().verify(world.token(EC, "ES256", "e1"))
        with pytest.raises(InvalidAuthHeader):
            world.verifier().verify(world.token(**OPEN_CUSTOM_CLAIMS))

    def test_are_asked_for_again_some_time_after_a_failure(self, world: World) -> None:
        world.down = True
        verifier = world.verifier(CUSTOM)
        for _ in range(3):
            with pytest.raises(AuthProviderDiscoveryFailed, match=r"JWKS.*URL.*accessible"):
                verifier.verify(world.custom_token())
        assert len(world.requests) == 1

        world.down = False
        world.seconds += RETRY_MS / 1000

        assert verifier.verify(world.custom_token()).subject == "alice"

    def test_are_fetched_once_by_many_threads(self, world: World) -> None:
        verifier, tokens = world.verifier(CUSTOM), [world.custom_token() for _ in range(32)]

        with ThreadPoolExecutor(8) as pool:
            verified = list(pool.map(verifier.verify, tokens))

        assert {identity.subject for identity in verified} == {"alice"}
        assert len(world.requests) == 1

    def test_that_are_stale_serve_the_others_while_one_thread_fetches(
        self, world: World
    ) -> None:
        asked, answered, token = threading.Event(), threading.Event(), world.token()

        def slow(url: str) -> bytes:
            asked.set()
            assert answered.wait(10)
            return world.fetch(url)

        verifier = OidcVerifier([OIDC], now_ms=world.now_ms, fetch=slow)
        answered.set()
        verifier.verify(token)
        asked.clear()
        answered.clear()
        world.seconds += FRESH_MS / 1000 - 1
        token = world.token()
        world.seconds += 1

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(verifier.verify, token)
            assert asked.wait(10)
            assert verifier.verify(token).subject == "alice"
            assert not waiting.done()
            answered.set()

        assert waiting.result().subject == "alice"


class TestDiscovery:
    @pytest.mark.parametrize(
        ("document", "why"),
        [
            (b"<html>", "not valid JSON"),
            (b'{"issuer": "https://evil.example"}', "another issuer"),
            (b"{}", "another issuer"),
            (b'{"issuer": "https://id.example"}', "no usable 'jwks_uri'"),
            (
                b'{"issuer": "https://id.example", "jwks_uri": "file:///keys"}',
                "no usable 'jwks_uri'",
            ),
            (
                b'{"issuer": "https://id.example", "jwks_uri": "http://id.example/jwks"}',
                "no usable 'jwks_uri'",
            ),
        ],
    )
    def test_refuses_a_document_that_cannot_be_trusted(
        self, world: World, document: bytes, why: str
    ) -> None:
        world.pages[f"{ISSUER}/.well-known/openid-configuration"] = document

        with pytest.raises(AuthProviderDiscoveryFailed, match=why) as refused:
            world.verifier().verify(world.token())

        assert refused.value.retryable

    @pytest.mark.parametrize("body", [b"no keys", b"{}"])
    def test_refuses_keys_that_are_none(self, world: World, body: bytes) -> None:
        world.pages[f"{ISSUER}/jwks"] = body

        with pytest.raises(AuthProviderDiscoveryFailed, match="valid JSON"):
            world.verifier().verify(world.token())


class TestErrors:
    @pytest.mark.parametrize(
        "claims",
        [{}, {"aud": "x"}, {"exp": 1}, {"iss": None}, OPEN_CUSTOM_CLAIMS],
    )
    def test_never_contain_the_token(self, world: World, claims: dict[str, Any]) -> None:
        token = world.token(OTHER_RSA, **claims)

        with pytest.raises(EngineError) as refused:
            world.verifier().verify(token)

        said = f"{refused.value!r} {vars(refused.value)}"
        assert not any(part in said for part in token.split("."))


def test_the_libraries_that_load_slowly_are_loaded_for_the_first_token_only() -> None:
    program = (
        "import sys, chalicelib.adapters.oidc;"
        "sys.exit(any(name in sys.modules for name in ('jwt', 'cryptography', 'urllib3')))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Web(http.server.BaseHTTPRequestHandler):
    """Answers as its path says: ``/<status>/<bytes>``."""

    def do_GET(self) -> None:
        _, status, size = self.path.split("/")
        self.send_response(int(status))
        self.send_header("Location", "/200/5")
        self.send_header("Content-Length", size)
        self.end_headers()
        self.wfile.write(b"x" * int(size))

    @override
    def log_message(self, *_: Any) -> None:
        """Be quiet."""


class TestFetch:
    @pytest.fixture
    def address(self) -> Iterator[str]:
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    def test_returns_the_body(self, address: str) -> None:
        assert fetch(f"{address}/200/5") == b"xxxxx"

    @pytest.mark.parametrize("status", [204, 302, 404, 500])
    def test_takes_200_only_and_follows_no_redirect(
        self, address: str, status: int
    ) -> None:
        with pytest.raises(Unavailable, match=f"HTTP status {status}"):
            fetch(f"{address}/{status}/0")

    def test_refuses_what_is_too_large(self, address: str) -> None:
        with pytest.raises(Unavailable, match="more than"):
            fetch(f"{address}/200/{MAX_DOCUMENT_BYTES + 1}")

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1/", "http://", "file:///etc/hostname", "data:;base64,!"]
    )
    def test_says_so_when_there_is_nothing(self, url: str) -> None:
        with pytest.raises(Unavailable):
            fetch(url)
