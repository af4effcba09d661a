"""Settings come out of the environment, and a wrong one is named."""

from __future__ import annotations

import pytest

from chalicelib.behaviour import addresses
from chalicelib.config import (
    DEFAULT_PORT,
    NEEDED_ON_AWS,
    BadSetting,
    Settings,
    check_on_aws,
    from_environment,
)
from chalicelib.engine.auth import CustomJwtProvider, OidcProvider
from chalicelib.engine.functions.addresses import Addresses


def test_an_empty_environment_gives_the_defaults() -> None:
    assert from_environment({}) == Settings()
    assert from_environment({}).port == DEFAULT_PORT


def test_empty_variables_are_as_good_as_none() -> None:
    assert from_environment({"GEOFLOW_PORT": "", "GEOFLOW_APPS": ""}) == Settings()


def test_other_variables_do_not_matter() -> None:
    assert from_environment({"PORT": "1", "GEOFLOW_UNHEARD_OF": "x"}) == Settings()


def test_text_becomes_what_the_setting_is() -> None:
    found = from_environment(
        {
            "GEOFLOW_PORT": "0",
            "GEOFLOW_REDACTED": "true",
            "GEOFLOW_SETTLE_MS": "2.5",
            "GEOFLOW_APPS": "one, two.three ,",
            "GEOFLOW_LOG_LEVEL": "debug",
            "GEOFLOW_STORE": "dynamodb",
            "GEOFLOW_KNOWN_REQUESTS_PER_HOUR": "5000",
            "GEOFLOW_UNKNOWN_REQUESTS_PER_HOUR": "",
        }
    )

    assert (found.port, found.redacted, found.settle_ms) == (0, True, 2.5)
    assert (found.known_requests_per_hour, found.unknown_requests_per_hour) == (5000, None)
    assert found.apps == ("one", "two.three")
    assert (found.log_level, found.store) == ("DEBUG", "dynamodb")


def test_auth_providers_are_a_list_in_json() -> None:
    text = (
        '[{"type":"oidc","domain":"https://id.example","applicationID":"app"},'
        '{"type":"customJwt","issuer":"https://i","jwks":"https://i/k","algorithm":"ES256"}]'
    )

    found = from_environment({"GEOFLOW_AUTH_PROVIDERS": text})

    assert found.auth_providers == (
        OidcProvider(domain="https://id.example", application_id="app"),
        CustomJwtProvider(issuer="https://i", jwks="https://i/k", algorithm="ES256"),
    )


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("GEOFLOW_PORT", "http"),
        ("GEOFLOW_STORE", "floppy"),
        ("GEOFLOW_REDACTED", "perhaps"),
        ("GEOFLOW_LOG_LEVEL", "LOUD"),
        ("GEOFLOW_SETTLE_MS", "soon"),
        ("GEOFLOW_AUTH_PROVIDERS", "{"),
        ("GEOFLOW_AUTH_PROVIDERS", "{}"),
        ("GEOFLOW_AUTH_PROVIDERS", '[{"type":"oidc"}]'),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(BadSetting, match=variable):
        from_environment({variable: text})


def test_the_instance_is_named_by_the_admin_key_or_by_the_stage() -> None:
    assert Settings(admin_key="mine|secret").instance_name == "mine"
    assert Settings(stage="prod").instance_name == "geoflow-prod"


class TestAddresses:
    def test_are_two_where_there_are_two(self) -> None:
        given = Settings(cloud_url="https://a.example/", site_url="https://b.example")

        assert addresses(given) == Addresses("https://a.example", "https://b.example")

    def test_are_one_where_one_serves_all(self) -> None:
        given = Settings(cloud_url="https://a.example/api")

        assert addresses(given) == Addresses(
            "https://a.example/api", "https://a.example/api/http"
        )

    def test_are_empty_where_nobody_said(self) -> None:
        assert addresses(Settings()) == Addresses()


class TestTheRetentionOfTheLog:
    @pytest.mark.parametrize("days", ["0", "14", "365"])
    def test_is_for_ever_or_at_least_as_long_as_answers_are_kept(self, days: str) -> None:
        given = from_environment({"GEOFLOW_LOG_RETENTION_DAYS": days})

        assert given.log_retention_days == int(days)

    @pytest.mark.parametrize("days", ["1", "13", "-1", "week"])
    def test_is_refused_when_it_is_shorter(self, days: str) -> None:
        with pytest.raises(BadSetting, match="GEOFLOW_LOG_RETENTION_DAYS"):
            from_environment({"GEOFLOW_LOG_RETENTION_DAYS": days})


class TestOnAws:
    WHOLE = {f"GEOFLOW_{name.upper()}": "x" for name in NEEDED_ON_AWS} | {
        "GEOFLOW_STORE": "dynamodb"
    }

    def test_all_that_it_takes_is_enough(self) -> None:
        check_on_aws(from_environment(self.WHOLE), self.WHOLE)

    @pytest.mark.parametrize("name", NEEDED_ON_AWS)
    def test_what_is_missing_is_named(self, name: str) -> None:
        lacking = {**self.WHOLE, f"GEOFLOW_{name.upper()}": ""}

        with pytest.raises(BadSetting, match=f"^GEOFLOW_{name.upper()}: not set"):
            check_on_aws(from_environment(lacking), lacking)

    def test_a_store_of_one_machine_is_refused(self) -> None:
        wrong = {**self.WHOLE, "GEOFLOW_STORE": "sqlite"}

        with pytest.raises(BadSetting, match="GEOFLOW_STORE is sqlite"):
            check_on_aws(from_environment(wrong), wrong)


def test_a_secret_of_the_edge_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(BadSetting, match="GEOFLOW_EDGE_SECRET has 5 characters"):
        from_environment({"GEOFLOW_EDGE_SECRET": "guess"})
