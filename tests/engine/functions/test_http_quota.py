"""Who calls an HTTP function by something else than a token, and how often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.adapters.memory.rates import MemoryRates
from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.functions.http_messages import Request, Response
from chalicelib.engine.functions.http_quota import HttpQuota, RateNumbers
from chalicelib.engine.functions.http_route import Rates
from chalicelib.engine.limits import MAX_HTTP_ACTION_BODY_BYTES
from chalicelib.engine.rates import Rate
from testing import TestBackend
from testing.world import BEGINNING_MS, VirtualClock
from tests.apps import counted
from tests.trial import user

GOOD = {"X-Key": "good"}
BAD = {"X-Key": "bad"}
HOUR_S = 3600


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend(counted)


def statuses(backend: TestBackend, count: int, **request: Any) -> list[int]:
    return [backend.nobody.http("GET", "/who", **request).status for _ in range(count)]


def limits(response: Response) -> dict[str, str]:
    told = response.headers.items()
    return {n: text for n, text in told if n.startswith(("X-RateLimit", "Retry"))}


class TestAuthenticate:
    def test_tells_who_calls(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/who", headers=GOOD)

        assert json.loads(response.body)["who"] == "ann"

    def test_leaves_it_to_the_token_when_it_knows_nobody(
        self, backend: TestBackend
    ) -> None:
        response = backend.as_user("bob").http("GET", "/who")

        assert json.loads(response.body)["who"] == "bob"

    def test_refuses_by_what_it_raises_whatever_the_function(
        self, backend: TestBackend
    ) -> None:
        response = backend.as_user("bob").http("POST", "/body", b"x", headers=BAD)

        assert (response.status, response.body) == (400, b"Unauthenticated")


class TestTheRate:
    def test_of_an_address_is_that_of_the_unknown(self, backend: TestBackend) -> None:
        assert statuses(backend, 3) == [200, 200, 429]

    def test_of_a_user_is_that_of_the_known_by_key_or_by_token(
        self, backend: TestBackend
    ) -> None:
        bob = backend.as_user("bob")
        by_token = [bob.http("GET", "/who").status for _ in range(4)]

        assert by_token == [200, 200, 200, 429]
        assert statuses(backend, 4, headers=GOOD) == [200, 200, 200, 429]

    def test_counts_a_user_at_all_addresses_together(self, backend: TestBackend) -> None:
        answers = [
            backend.nobody.http("GET", "/who", headers=GOOD, source=f"192.0.2.{n}").status
            for n in range(4)
        ]

        assert answers == [200, 200, 200, 429]

    @pytest.mark.parametrize(
        ("first", "second", "together"),
        [
            ("192.0.2.1", "192.0.2.2", False),
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
            ("", "", True),
        ],
    )
    def test_takes_a_v4_address_and_a_v6_network_for_one_caller(
        self, backend: TestBackend, first: str, second: str, together: bool
    ) -> None:
        statuses(backend, 2, source=first)

        assert statuses(backend, 1, source=second) == [429 if together else 200]

    def test_counts_who_shows_a_bad_key_as_unknown(self, backend: TestBackend) -> None:
        assert statuses(backend, 3, headers=BAD) == [400, 400, 429]
        assert statuses(backend, 1) == [429]
        assert statuses(backend, 1, headers=GOOD) == [200]

    def test_is_had_again_an_hour_after_each_request(self, backend: TestBackend) -> None:
        statuses(backend, 2)
        backend.clock.wait_ms(HOUR_S * 1000 - 3)

        assert statuses(backend, 3) == [429, 200, 200]

    def test_stands_in_the_headers_of_every_answer(self, backend: TestBackend) -> None:
        reset = str(int(BEGINNING_MS / 1000) + HOUR_S + 1)

        first, failed, refused = (
            backend.nobody.http("GET", path) for path in ("/who", "/fails/x", "/who")
        )

        told = {"X-RateLimit-Limit": "2", "X-RateLimit-Reset": reset}
        assert limits(first) == {**told, "X-RateLimit-Remaining": "1"}
        assert limits(failed) == {**told, "X-RateLimit-Remaining": "0"}
        assert limits(refused) == {
            **told,
            "X-RateLimit-Remaining": "0",
            "Retry-After": str(HOUR_S),
        }

    def test_says_when_to_ask_again_and_then_answers(self, backend: TestBackend) -> None:
        statuses(backend, 2)
        refused = backend.nobody.http("GET", "/who")
        wait_s = json.loads(refused.body)["details"]["retryAfter"]

        backend.clock.wait_ms(wait_s * 1000)

        assert refused.headers["Retry-After"] == str(wait_s)
        assert statuses(backend, 1) == [200]


class TestTheNumbers:
    @pytest.mark.parametrize(
        ("numbers", "known", "unknown"),
        [
            (RateNumbers(), 3, 2),
            (RateNumbers(known=7), 7, 2),
            (RateNumbers(unknown=5), 3, 5),
        ],
    )
    def test_are_those_of_the_deployment_or_else_of_the_app(
        self, numbers: RateNumbers, known: int, unknown: int
    ) -> None:
        quota = HttpQuota(MemoryRates(), VirtualClock(), numbers)
        rates, request = Rates(Rate(3), Rate(2)), Request(method="GET", path="/")

        granted = [
            quota.take(rates, request, caller)
            for caller in (user("ann"), AdminIdentity(), None)
        ]

        assert [each and each.limit for each in granted] == [known, known, unknown]

    def test_are_none_where_nobody_counts(self) -> None:
        request, rates = Request(method="GET", path="/"), Rates(Rate(1), Rate(1))
        counting = HttpQuota(MemoryRates(), VirtualClock(), RateNumbers())
        idle = HttpQuota(None, VirtualClock(), RateNumbers())

        assert counting.take(None, request, None) is None
        assert idle.take(rates, request, None) is None


class TestOnError:
    def test_answers_what_asking_again_would_help(self, backend: TestBackend) -> None:
        response = backend.nobody.http("GET", "/fails/again")

        assert response.body == b"OptimisticConcurrencyControlFailure"

    def test_answers_a_body_that_is_too_large(self, backend: TestBackend) -> None:
        body = bytes(MAX_HTTP_ACTION_BODY_BYTES + 1)

        response = backend.nobody.http("POST", "/body", body)

        assert (response.status, response.body) == (400, b"BodyTooLarge")
