"""What a caller presents, who may vouch for it, and what a function sees of it."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.engine.auth import (
    AdminCredential,
    AdminIdentity,
    BearerToken,
    Caller,
    CustomJwtProvider,
    Identity,
    OidcProvider,
    admin_key_matches,
    attributes_of,
    choose_provider,
    has_expired,
    identify,
    parse_admin_key,
    parse_authorization,
    user_of,
)
from chalicelib.engine.auth.tokens import (
    custom_jwt_identity,
    fault_of,
    oidc_identity,
    read_unverified,
)
from chalicelib.engine.errors import BadDeployKey, InvalidAuthHeader, NoAuthProvider

ALICE = Identity("https://id.example", "alice", "https://id.example|alice", {}, 1_000)
OIDC = OidcProvider(domain="https://id.example", application_id="app")
CUSTOM = CustomJwtProvider(
    issuer="https://jwt.example/", jwks="https://jwt.example/keys", algorithm="ES256"
)


def encoded(attributes: object) -> str:
    return base64.b64encode(json.dumps(attributes, ensure_ascii=False).encode()).decode()


class OnlyAlice:
    """A verifier that knows one token."""

    def verify(self, token: str) -> Identity:
        if token != "alices":
            raise InvalidAuthHeader("not hers")
        return ALICE


class TestParseAuthorization:
    @pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", " BEARER   a.b.c "])
    def test_takes_a_bearer_token_in_any_case(self, header: str) -> None:
        assert parse_authorization(header) == BearerToken("a.b.c")

    @pytest.mark.parametrize("scheme", ["Convex", "convex", "CONVEX"])
    def test_takes_an_admin_key_in_any_case(self, scheme: str) -> None:
        assert parse_authorization(f"{scheme} self|key") == AdminCredential("self|key")

    @pytest.mark.parametrize(
        ("text", "key"),
        [
            ("name|secret", "name|secret"),
            ("prod:name|secret", "name|secret"),
            ("dev:name|secret", "name|secret"),
            ("preview:team:project|secret", "secret"),
            ("Project:team:project|secret", "secret"),
            ("secret", "secret"),
        ],
    )
    def test_drops_the_type_of_a_deployment_from_the_key(self, text: str, key: str) -> None:
        assert parse_admin_key(text) == AdminCredential(key)

    @pytest.mark.parametrize("prefix", ["", "prod:"])
    def test_splits_off_the_user_to_act_as_after_the_prefix_is_gone(
        self, prefix: str
    ) -> None:
        who = {"subject": "bo", "issuer": "https://i", "name": "Presley 🙃"}

        parsed = parse_authorization(f"Convex {prefix}self|key:{encoded(who)}")

        assert isinstance(parsed, AdminCredential)
        assert parsed.key == "self|key"
        assert parsed.acting_as == Identity(
            "https://i", "bo", "https://i|bo", {**who, "tokenIdentifier": "https://i|bo"}
        )

    def test_reads_what_the_stock_client_sends(self) -> None:
        header = "Convex self|key:eyJzdWJqZWN0IjoicyIsImlzc3VlciI6ImkifQ=="

        parsed = parse_authorization(header)

        assert isinstance(parsed, AdminCredential)
        assert parsed.acting_as is not None
        assert parsed.acting_as.token_identifier == "i|s"

    def test_takes_the_user_to_act_as_beside_the_key(self) -> None:
        parsed = parse_admin_key("prod:self|key", {"tokenIdentifier": "https://i|auth0|42"})

        assert parsed.acting_as is not None
        assert (parsed.acting_as.issuer, parsed.acting_as.subject) == (
            "https://i",
            "auth0|42",
        )
        assert attributes_of(AdminIdentity(parsed.acting_as)) == {
            "tokenIdentifier": "https://i|auth0|42",
            "issuer": "https://i",
            "subject": "auth0|42",
        }

    @pytest.mark.parametrize(
        "header", ["", "Bearer", "Bearer ", "Convex ", "Basic abc", "a.b.c", "Bearera.b.c"]
    )
    def test_refuses_any_other_form(self, header: str) -> None:
        with pytest.raises(InvalidAuthHeader, match="must be 'Bearer <token>'"):
            parse_authorization(header)

    @pytest.mark.parametrize(
        "who",
        [
            "",
            "***",
            "bm8ganNvbg==",
            encoded([1]),
            encoded({}),
            encoded({"issuer": "i"}),
            encoded({"issuer": 1, "subject": 2}),
            pytest.param(base64.b64encode(b"[" * 9_999).decode(), id="deep"),
        ],
    )
    def test_refuses_a_user_who_cannot_be_read(self, who: str) -> None:
        with pytest.raises(InvalidAuthHeader, match="user to act as"):
            parse_authorization(f"Convex self|hush:{who}")

    @given(st.text())
    def test_never_repeats_what_was_sent(self, text: str) -> None:
        header = f"Convex self|hush-hush:{text}!"

        with pytest.raises(InvalidAuthHeader) as refused:
            parse_authorization(header)

        assert "hush-hush" not in str(refused.value)
        assert refused.value.__suppress_context__

    def test_hides_secrets_where_values_are_printed(self) -> None:
        printed = repr([parse_authorization("Bearer hush"), parse_admin_key("self|hush")])

        assert "hush" not in printed


class TestIdentify:
    def test_knows_nobody_without_a_credential(self) -> None:
        assert identify(None, verifier=OnlyAlice(), admin_key="self|key") is None

    def test_asks_the_verifier_about_a_token(self) -> None:
        assert (
            identify(BearerToken("alices"), verifier=OnlyAlice(), admin_key=None) == ALICE
        )

    def test_makes_the_holder_of_the_key_admin_acting_as_a_user(self) -> None:
        credential = AdminCredential("self|key", ALICE)

        caller = identify(credential, verifier=OnlyAlice(), admin_key="self|key")

        assert caller == AdminIdentity(ALICE)
        assert user_of(caller) == ALICE

    def test_shows_no_user_to_a_function_that_the_admin_calls_as_itself(self) -> None:
        caller = identify(
            AdminCredential("self|key"), verifier=OnlyAlice(), admin_key="self|key"
        )

        assert caller == AdminIdentity()
        assert attributes_of(caller) is None

    @pytest.mark.parametrize(
        "key", ["self|kex", "other|key", "", "self|", "self|key2", "é"]
    )
    @pytest.mark.parametrize("admin_key", ["self|key", None])
    def test_refuses_another_key(self, key: str, admin_key: str | None) -> None:
        with pytest.raises(BadDeployKey):
            identify(AdminCredential(key), verifier=OnlyAlice(), admin_key=admin_key)

    def test_takes_the_secret_of_a_key_that_names_no_instance(self) -> None:
        credential = parse_admin_key("preview:team:project|secret")

        caller = identify(credential, verifier=OnlyAlice(), admin_key="self|secret")

        assert caller == AdminIdentity()

    def test_lets_nobody_in_by_an_empty_secret(self) -> None:
        assert not admin_key_matches("", "self|")
        assert not admin_key_matches("self|", "self|")


class TestCaller:
    @pytest.mark.parametrize("caller", [None, ALICE, AdminIdentity(), AdminIdentity(ALICE)])
    def test_survives_being_stored(self, caller: Caller) -> None:
        assert msgspec.json.decode(msgspec.json.encode(caller), type=Caller) == caller

    def test_expires_after_the_leeway_and_not_before(self) -> None:
        assert not has_expired(ALICE, 1_005_000)
        assert has_expired(ALICE, 1_005_001)

    def test_never_expires_without_an_expiry(self) -> None:
        assert not has_expired(msgspec.structs.replace(ALICE, expires_at=None), 1e18)


class TestChooseProvider:
    @pytest.mark.parametrize(
        ("issuer", "audience", "chosen"),
        [
            ("https://id.example", "app", OIDC),
            ("https://id.example/", "app", OIDC),
            ("id.example", ["other", "app"], OIDC),
            ("https://jwt.example", None, CUSTOM),
            ("https://jwt.example", "anything", CUSTOM),
        ],
    )
    def test_compares_issuers_as_people_write_them(
        self, issuer: str, audience: object, chosen: object
    ) -> None:
        claims = {"iss": issuer, "aud": audience}

        assert choose_provider([OIDC, CUSTOM], claims) == chosen

    def test_tells_two_applications_of_one_issuer_apart(self) -> None:
        other = OidcProvider(domain="https://id.example/", application_id="other")

        assert (
            choose_provider([OIDC, other], {"iss": "id.example", "aud": "other"}) == other
        )

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://id.example", "aud": "other"},
            {"iss": "https://id.example"},
            {"iss": "http://id.example", "aud": "app"},
            {"iss": "https://id.example.evil", "aud": "app"},
            {"iss": "https://id.example", "aud": {"app": 1}},
        ],
    )
    def test_names_the_configured_providers_when_none_fits(
        self, claims: dict[str, object]
    ) -> None:
        with pytest.raises(NoAuthProvider) as refused:
            choose_provider([OIDC, CUSTOM], claims)

        message = str(refused.value)
        assert message.startswith("No auth provider found matching the given token")
        assert "configured providers" in message
        assert "OIDC(domain=https://id.example, app_id=app)" in message
        assert "CustomJWT(issuer=https://jwt.example/, app_id=none)" in message

    def test_says_so_when_none_is_configured(self) -> None:
        with pytest.raises(
            NoAuthProvider, match=r"no providers configured.*auth_config\.py"
        ):
            choose_provider([], {"iss": "https://id.example"})

    @pytest.mark.parametrize("claims", [{}, {"iss": ""}, {"iss": 7}])
    def test_asks_for_an_issuer(self, claims: dict[str, object]) -> None:
        with pytest.raises(InvalidAuthHeader, match="'iss' claim"):
            choose_provider([OIDC], claims)

    def test_providers_are_read_from_json_as_convex_writes_them(self) -> None:
        text = b"""[
            {"type": "customJwt", "issuer": "https://i", "jwks": "data:,{}",
             "algorithm": "RS256", "applicationID": "a"},
            {"type": "oidc", "domain": "https://d", "applicationID": "b"}
        ]"""

        read = msgspec.json.decode(text, type=list[OidcProvider | CustomJwtProvider])

        assert read == [
            CustomJwtProvider(
                issuer="https://i", jwks="data:,{}", algorithm="RS256", application_id="a"
            ),
            OidcProvider(domain="https://d", application_id="b"),
        ]

    @pytest.mark.parametrize("jwks", ["file:///etc/passwd", "", "keys.json"])
    def test_keys_cannot_be_anywhere_else_than_on_the_web_or_in_place(
        self, jwks: str
    ) -> None:
        with pytest.raises(ValueError, match="data: URL"):
            CustomJwtProvider(issuer="https://i", jwks=jwks, algorithm="RS256")

    @pytest.mark.parametrize(("domain", "application"), [("", "app"), ("https://i", "")])
    def test_a_provider_without_a_name_is_refused_where_it_is_listed(
        self, domain: str, application: str
    ) -> None:
        with pytest.raises(ValueError, match="needs a domain and an application_id"):
            OidcProvider(domain=domain, application_id=application)


class TestReadUnverified:
    def test_takes_header_and_claims_apart(self) -> None:
        parts = [b'{"alg":"RS256","kid":"k"}', b'{"sub":"a"}', b"signature"]

        token = read_unverified(
            ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        )

        assert (token.key_id, token.claims) == ("k", {"sub": "a"})

    @given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
    def test_refuses_anything_else_in_one_way(self, text: str) -> None:
        with pytest.raises(InvalidAuthHeader, match=r"JWT.*three base64-encoded parts"):
            read_unverified(text)

    def test_survives_claims_nested_without_end(self) -> None:
        deep = base64.urlsafe_b64encode(b'{"a":' * 100_000).decode()

        with pytest.raises(InvalidAuthHeader):
            read_unverified(f"{deep}.{deep}.x")


class TestFaultOf:
    NOW_MS = 1_000_000.0

    @pytest.mark.parametrize(
        "claims",
        [
            {"exp": 1_001},
            {"exp": 995},
            {"exp": 995.5, "iat": 900},
            {"exp": 2_000, "nbf": 1_005, "iat": 1_005},
        ],
    )
    def test_finds_none_within_the_leeway(self, claims: dict[str, object]) -> None:
        assert fault_of({"sub": "a", **claims}, self.NOW_MS) is None

    @pytest.mark.parametrize(
        ("claims", "fault"),
        [
            ({"sub": "a", "exp": 990}, "Token expired 10 seconds ago"),
            ({"sub": "a", "exp": 2_000, "iat": 1_010}, "will be valid in 10 seconds"),
            ({"sub": "a", "exp": 2_000, "nbf": 1_006}, "will be valid in 6 seconds"),
            ({"sub": "a"}, "Missing expiry"),
            ({"sub": "a", "exp": "2000"}, "Missing expiry"),
            ({"sub": "a", "exp": True}, "Missing expiry"),
            ({"exp": 2_000}, "Missing subject"),
            ({"sub": "", "exp": 2_000}, "Missing subject"),
            ({"sub": 7, "exp": 2_000}, "Missing subject"),
        ],
    )
    def test_names_what_is_wrong(self, claims: dict[str, object], fault: str) -> None:
        found = fault_of(claims, self.NOW_MS)

        assert found is not None
        assert fault in found


REGISTERED = {"iss": "https://i/", "sub": "s|1", "aud": "app", "exp": 2_000, "iat": 1_000}
NAMES = {"tokenIdentifier": "https://i/|s|1", "issuer": "https://i/", "subject": "s|1"}


class TestOidcIdentity:
    def test_renames_the_standard_claims(self) -> None:
        claims = {
            "name": "N", "given_name": "G", "family_name": "F", "nickname": "K",
            "preferred_username": "P", "profile": "u1", "picture": "u2", "website": "u3",
            "email": "e", "email_verified": True, "gender": "g", "birthdate": "b",
            "zoneinfo": "z", "locale": "l", "phone_number": "1",
            "phone_number_verified": "false", "address": {"formatted": "a", "country": "c"},
            "updated_at": 1_700_000_000,
        }  # fmt: skip

        identity = oidc_identity({**REGISTERED, **claims})

        assert identity.attributes == {
            **NAMES,
            "name": "N", "givenName": "G", "familyName": "F", "nickname": "K",
            "preferredUsername": "P", "profileUrl": "u1", "pictureUrl": "u2",
            "websiteUrl": "u3", "email": "e", "emailVerified": True, "gender": "g",
            "birthday": "b", "timezone": "z", "language": "l", "phoneNumber": "1",
            "phoneNumberVerified": False, "address": "a",
            "updatedAt": "2023-11-14T22:13:20+00:00",
        }  # fmt: skip
        assert (identity.issuer, identity.subject) == ("https://i/", "s|1")
        assert identity.token_identifier == "https://i/|s|1"
        assert identity.expires_at == 2_000

    def test_keeps_custom_claims_and_drops_those_of_one_token(self) -> None:
        custom = {"org": {"id": 1}, "roles": ["a"], "https://x/y": None}
        passing = {"jti": "1", "nbf": 1, "fva": [1, 2], "nonce": "n", "auth_time": 3}

        identity = oidc_identity({**REGISTERED, **custom, **passing})

        assert identity.attributes == {**NAMES, **custom}

    def test_lets_no_custom_claim_pose_as_a_standard_one(self) -> None:
        posing = {"emailVerified": True, "tokenIdentifier": "root", "subject": "root"}

        assert oidc_identity({**REGISTERED, **posing}).attributes == NAMES

    @pytest.mark.parametrize(
        "claims", [{"name": 7}, {"email_verified": "perhaps"}, {"updated_at": 1e300}]
    )
    def test_leaves_out_a_standard_claim_of_the_wrong_type(
        self, claims: dict[str, object]
    ) -> None:
        assert oidc_identity({**REGISTERED, **claims}).attributes == NAMES


class TestCustomJwtIdentity:
    def test_keeps_the_names_of_claims_and_flattens_objects(self) -> None:
        claims = {
            "name": "N",
            "email_verified": True,
            "a": {"b": {"c": [{"d": 1}]}, "e": None},
        }

        identity = custom_jwt_identity({**REGISTERED, **claims, "fva": 1, "jti": "x"})

        assert identity.attributes == {
            **NAMES, "name": "N", "email_verified": True, "a.b.c": [{"d": 1}], "a.e": None,
        }  # fmt: skip

    def test_lets_no_claim_replace_who_it_is(self) -> None:
        posing = {"tokenIdentifier": "root", "subject": "root", "issuer": "root"}

        assert custom_jwt_identity({**REGISTERED, **posing}).attributes == NAMES
