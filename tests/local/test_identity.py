"""The local server vouches for developers, with secrets that it makes once and keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest

from chalicelib.adapters.jwks import Unavailable
from chalicelib.adapters.oidc import OidcVerifier
from chalicelib.engine.auth import (
    AdminCredential,
    AdminIdentity,
    IdentityVerifier,
    OidcProvider,
    identify,
    parse_authorization,
)
from chalicelib.engine.errors import BadDeployKey, EngineError, InvalidAuthHeader
from local.identity import (
    AUDIENCE,
    admin_key,
    issue_token,
    jwks,
    local_provider,
    openid_configuration,
)

ISSUER = "http://127.0.0.1:4321"
NOW_S = 1_700_000_000


def verifier(directory: Path, now_s: float = NOW_S) -> IdentityVerifier:
    return OidcVerifier([local_provider(directory, ISSUER)], now_ms=lambda: now_s * 1000)


def token(directory: Path, user: str = "alice", **more: Any) -> str:
    return issue_token(directory, user, issuer=ISSUER, now_s=lambda: NOW_S, **more)


def command(
    directory: Path, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local.token", *arguments],
        env={**os.environ, "GEOFLOW_DATA": str(directory), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestTokens:
    def test_name_the_user_with_name_and_email(self, tmp_path: Path) -> None:
        issued = token(tmp_path, name="Alice", email="alice@example.com")

        identity = verifier(tmp_path).verify(issued)

        assert identity.attributes == {
            "tokenIdentifier": f"{ISSUER}|alice",
            "issuer": ISSUER,
            "subject": "alice",
            "name": "Alice",
            "email": "alice@example.com",
            "email_verified": True,
        }

    def test_carry_a_role_for_the_app_to_read(self, tmp_path: Path) -> None:
        printed = command(tmp_path, "--user", "pdal-1", "--role", "worker").stdout.strip()

        claims = jwt.decode(printed, options={"verify_signature": False})

        assert (claims["sub"], claims["role"]) == ("pdal-1", "worker")

    def test_live_as_long_as_they_were_made_for(self, tmp_path: Path) -> None:
        issued = token(tmp_path, lifetime_s=60)

        assert verifier(tmp_path, NOW_S + 60).verify(issued).expires_at == NOW_S + 60
        with pytest.raises(InvalidAuthHeader, match="expired 70 seconds ago"):
            verifier(tmp_path, NOW_S + 130).verify(issued)

    def test_tell_stock_clients_when_to_ask_for_the_next(self, tmp_path: Path) -> None:
        claims = jwt.decode(token(tmp_path), options={"verify_signature": False})

        assert claims["exp"] - claims["iat"] == 24 * 3600

    def test_hold_over_a_restart(self, tmp_path: Path) -> None:
        before = token(tmp_path)

        assert verifier(tmp_path).verify(before).subject == "alice"
        assert jwks(tmp_path) == jwks(tmp_path)

    def test_of_another_server_are_refused(self, tmp_path: Path) -> None:
        foreign = token(tmp_path / "theirs")

        with pytest.raises(InvalidAuthHeader, match="Could not decode token"):
            verifier(tmp_path / "ours").verify(foreign)

    def test_convince_a_client_that_discovers_the_provider(self, tmp_path: Path) -> None:
        pages = {
            f"{ISSUER}/.well-known/openid-configuration": openid_configuration(ISSUER)[2],
            f"{ISSUER}/.well-known/jwks.json": jwks(tmp_path)[2],
        }

        def fetch(url: str) -> bytes:
            if url not in pages:
                raise Unavailable(url)
            return pages[url]

        provider = OidcProvider(domain=ISSUER, application_id=AUDIENCE)
        discovering = OidcVerifier([provider], now_ms=lambda: NOW_S * 1000, fetch=fetch)

        assert discovering.verify(token(tmp_path)).subject == "alice"


class TestWellKnown:
    def test_documents_are_json_and_hold_no_private_part(self, tmp_path: Path) -> None:
        for status, headers, body in (openid_configuration(ISSUER), jwks(tmp_path)):
            assert status == 200
            assert headers["Content-Type"] == "application/json"
            assert isinstance(json.loads(body), dict)

        (key,) = json.loads(jwks(tmp_path)[2])["keys"]
        assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}

    def test_names_the_key_by_its_thumbprint(self, tmp_path: Path) -> None:
        (key,) = json.loads(jwks(tmp_path)[2])["keys"]

        assert len(key["kid"]) == 43
        assert jwt.get_unverified_header(token(tmp_path))["kid"] == key["kid"]


class TestAdminKey:
    def test_opens_the_server_that_made_it_and_no_other(self, tmp_path: Path) -> None:
        key = admin_key(tmp_path)
        ours = parse_authorization(f"Convex {key}")

        caller = identify(ours, verifier=verifier(tmp_path), admin_key=admin_key(tmp_path))

        assert key.startswith("geoflow-local|")
        assert caller == AdminIdentity()
        with pytest.raises(BadDeployKey):
            identify(
                AdminCredential(key),
                verifier=verifier(tmp_path),
                admin_key=admin_key(tmp_path / "other"),
            )


class TestSecrets:
    @pytest.mark.parametrize("umask", [0o000, 0o022])
    def test_are_readable_by_their_owner_only(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            token(tmp_path)
            admin_key(tmp_path)
        finally:
            os.umask(before)

        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        assert modes["signing_key.pem"] == modes["admin_key"] == 0o600

    def test_are_closed_again_when_somebody_opened_them(self, tmp_path: Path) -> None:
        key = admin_key(tmp_path)
        (tmp_path / "admin_key").chmod(0o644)

        assert admin_key(tmp_path) == key
        assert (tmp_path / "admin_key").stat().st_mode & 0o777 == 0o600

    def test_survive_a_crash_in_the_middle_of_making_them(self, tmp_path: Path) -> None:
        (tmp_path / ".admin_key.new").write_text("half")

        assert "half" not in admin_key(tmp_path)

    def test_are_made_once_by_threads_that_race(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(lambda _: admin_key(tmp_path), range(32)))

        assert len(keys) == 1

    def test_are_made_once_by_processes_that_race(self, tmp_path: Path) -> None:
        arguments = ("--user", "alice", "--issuer", ISSUER)
        with ThreadPoolExecutor(3) as pool:
            printed = list(pool.map(lambda _: command(tmp_path, *arguments), range(3)))

        names = {jwt.get_unverified_header(each.stdout.strip())["kid"] for each in printed}
        assert len(names) == 1
        assert names == {json.loads(jwks(tmp_path)[2])["keys"][0]["kid"]}


class TestCommand:
    def test_prints_the_token_and_nothing_else(self, tmp_path: Path) -> None:
        done = command(tmp_path, "--user", "bo", GEOFLOW_ISSUER=ISSUER)

        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1
        claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
        assert {
            "sub": "bo",
            "name": "bo",
            "email": "bo@example.com",
        }.items() <= claims.items()
        assert claims["iss"] == ISSUER

    def test_names_the_address_of_a_server_on_another_port(self, tmp_path: Path) -> None:
        done = command(tmp_path, "--user", "bo", GEOFLOW_PORT="4000")

        claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
        assert claims["iss"] == "http://127.0.0.1:4000"

    def test_takes_the_claims_that_it_is_given(self, tmp_path: Path) -> None:
        done = command(
            tmp_path, "--user", "bo@b.example", "--name", "Bo B", "--lifetime-s", "90"
        )

        claims = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
        assert (claims["name"], claims["email"]) == ("Bo B", "bo@b.example")
        assert claims["exp"] - claims["iat"] == 90

    @pytest.mark.parametrize("arguments", [(), ("--user", " ")])
    def test_asks_for_a_user(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        done = command(tmp_path, *arguments)

        assert done.returncode == 2
        assert "--user" in done.stderr
        assert done.stdout == ""


def test_a_refusal_of_a_local_token_does_not_repeat_it(tmp_path: Path) -> None:
    issued = token(tmp_path / "theirs")

    with pytest.raises(EngineError) as refused:
        verifier(tmp_path / "ours").verify(issued)

    assert not any(part in str(refused.value) for part in issued.split("."))
