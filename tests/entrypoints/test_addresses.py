"""Whose address a request is counted by: what the platform says, never what the client says."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib import bootstrap
from chalicelib.entrypoints.addresses import believed, source
from tests.entrypoints.deployment import Place, call

SPOOFED = {"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9"}


@pytest.fixture(autouse=True)
def place() -> Iterator[Place]:
    yield Place(apps=("tests.apps.counted",))
    bootstrap._in_use.clear()


@pytest.mark.parametrize(
    ("forwarded", "proxies", "found"),
    [
        ("", 0, "198.51.100.1"),
        ("203.0.113.9", 0, "198.51.100.1"),
        # CloudFront added the viewer, and API Gateway CloudFront's edge.
        ("192.0.2.7, 198.51.100.1", 1, "192.0.2.7"),
        ("203.0.113.9, 192.0.2.7, 198.51.100.1", 1, "192.0.2.7"),
        ("203.0.113.9,192.0.2.7, 192.0.2.8,198.51.100.1", 2, "192.0.2.7"),
        # Fewer than there are proxies: it came past them.
        ("198.51.100.1", 1, "198.51.100.1"),
    ],
)
def test_the_client_is_whom_the_outermost_proxy_of_ours_has_served(
    forwarded: str, proxies: int, found: str
) -> None:
    assert source("198.51.100.1", {"x-forwarded-for": forwarded}, proxies) == found


def test_an_http_function_sees_the_address_that_the_gateway_reports() -> None:
    answer = call("GET", "/http/who", headers=SPOOFED)

    assert json.loads(answer.body)["source"] == "203.0.113.1"


@pytest.mark.parametrize(
    ("secret", "shown", "proxies"),
    [
        ("", "", 1),
        ("e" * 32, "e" * 32, 1),
        # Somebody who has found API Gateway's own address, and poses as the edge.
        ("e" * 32, "", 0),
        ("e" * 32, "é" * 32, 0),
    ],
)
def test_a_proxy_is_believed_if_it_shows_the_edges_secret(
    secret: str, shown: str, proxies: int
) -> None:
    headers = {"x-geoflow-edge": shown} if shown else {}

    assert believed(1, headers, secret) == proxies
