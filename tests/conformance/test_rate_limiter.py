"""The contract of rate limiters, over every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.rates import DynamoRates
from chalicelib.adapters.dynamodb.session_models import RateItem
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.memory.rates import MemoryRates
from chalicelib.adapters.sqlite.rates import SqliteRates
from chalicelib.engine.rates import HOUR_MS, Rate, RateLimiter, packed
from local.emulator import start_emulator

NOON = 1_700_000_000_000.0
THREE = Rate(3)


@pytest.fixture(scope="module")
def client() -> Iterator[DynamoClient]:
    with start_emulator() as emulator:
        made = DynamoClient("rates-", endpoint=emulator.endpoint, region=emulator.region)
        create_tables(made.raw, "rates-", [RateItem])
        yield made
        made.close()


@pytest.fixture(params=["memory", "sqlite", "dynamodb"])
def limiter(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RateLimiter]:
    match request.param:
        case "memory":
            yield MemoryRates()
        case "sqlite":
            opened = SqliteRates(tmp_path)
            yield opened
            opened.close()
        case _:
            yield DynamoRates(request.getfixturevalue("client"), uuid4().hex)


def granted(limiter: RateLimiter, *at_ms: float, caller: str = "ann") -> list[bool]:
    return [limiter.take(caller, THREE, NOON + ms).is_granted for ms in at_ms]


def test_grants_as_many_as_the_limit_says_and_no_more(limiter: RateLimiter) -> None:
    assert granted(limiter, 0, 1, 2, 3, 4) == [True, True, True, False, False]


def test_counts_each_caller_apart(limiter: RateLimiter) -> None:
    granted(limiter, 0, 1, 2)

    assert granted(limiter, 3, caller="bob") == [True]


def test_slides_a_request_is_free_again_an_hour_after_each_to_the_millisecond(
    limiter: RateLimiter,
) -> None:
    granted(limiter, 0, 10, 20)

    again = granted(limiter, HOUR_MS - 1, HOUR_MS, HOUR_MS + 9, HOUR_MS + 10)

    assert again == [False, True, False, True]


def test_refused_requests_do_not_count(limiter: RateLimiter) -> None:
    granted(limiter, 0, 0, 0, *range(1000, 1010))

    assert granted(limiter, HOUR_MS, HOUR_MS, HOUR_MS) == [True] * 3


def test_tells_what_is_left_and_when_there_will_be_more(limiter: RateLimiter) -> None:
    first, second = (limiter.take("ann", THREE, NOON + ms) for ms in (0, 500))

    assert (first.limit, first.remaining, first.reset_ms) == (3, 2, NOON + HOUR_MS)
    assert (second.limit, second.remaining, second.reset_ms) == (3, 1, NOON + HOUR_MS)


def test_a_refusal_tells_when_the_next_request_is_granted(limiter: RateLimiter) -> None:
    granted(limiter, 0, 10, 20)

    refused = limiter.take("ann", THREE, NOON + 30)

    assert (refused.is_granted, refused.remaining) == (False, 0)
    assert limiter.take("ann", THREE, refused.reset_ms).is_granted


def test_a_clock_that_is_behind_gains_nothing(limiter: RateLimiter) -> None:
    granted(limiter, 1000, 1000)

    behind = granted(limiter, 0, 0)

    assert behind == [True, False]
    assert granted(limiter, HOUR_MS) == [False]


def test_a_lower_limit_counts_what_was_granted_under_a_higher_one(
    limiter: RateLimiter,
) -> None:
    granted(limiter, 0, 1, 2)

    refused = limiter.take("ann", Rate(2), NOON + 3)

    assert (refused.is_granted, refused.limit, refused.remaining) == (False, 2, 0)


def test_of_many_who_ask_at_once_the_limit_is_granted_exactly(limiter: RateLimiter) -> None:
    rate = Rate(12)

    with ThreadPoolExecutor(8) as threads:
        quotas = list(threads.map(lambda _: limiter.take("ann", rate, NOON), range(40)))

    won = sorted(quota.remaining for quota in quotas if quota.is_granted)
    assert won == list(range(12))


def test_what_was_granted_outlives_the_process(tmp_path: Path) -> None:
    first = SqliteRates(tmp_path)
    granted(first, 0, 1, 2)
    first.close()

    second = SqliteRates(tmp_path)

    assert granted(second, 3) == [False]
    second.close()


def test_two_processes_share_one_table(client: DynamoClient) -> None:
    log = uuid4().hex
    granted(DynamoRates(client, log), 0, 1)

    assert granted(DynamoRates(client, log), 2, 3) == [True, False]


def test_a_thousand_requests_fit_into_three_write_units(client: DynamoClient) -> None:
    log, rate = uuid4().hex, Rate(1000)
    limiter = DynamoRates(client, log)
    limiter.take("ann", rate, NOON)
    _fill(client, log, rate)

    assert limiter.take("ann", rate, NOON + HOUR_MS - 1).is_granted

    item = client.get("rates", {"pk": {"S": f"{log}#ann"}})
    assert item is not None
    assert 2000 < len(item["t"]["B"]) < 3 * 1024 - 200
    assert int(item["expires_s"]["N"]) * 1000 >= NOON + 2 * HOUR_MS - 1000


def _fill(client: DynamoClient, log: str, rate: Rate) -> None:
    """Leave the item of somebody who has asked 999 times, spread over the hour."""
    times = [int(NOON) + place * 3600 for place in range(rate.limit - 1)]
    item = client.get("rates", {"pk": {"S": f"{log}#ann"}})
    assert item is not None
    client.put("rates", {**item, "t": {"B": packed(times)}})


def test_callers_who_have_not_asked_for_long_are_forgotten(tmp_path: Path) -> None:
    memory, sqlite = MemoryRates(), SqliteRates(tmp_path)
    for limiter in (memory, sqlite):
        granted(limiter, 0, caller="bob")
        for place in range(1000):
            limiter.take(f"caller {place % 10}", Rate(1000), NOON + HOUR_MS + place)

    (left,) = sqlite._connection.execute("SELECT count(*) FROM rates").fetchone()
    assert (len(memory._times), left) == (10, 10)
    sqlite.close()
