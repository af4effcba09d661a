"""Values, validators and their texts, by the stock clients (docs/protocol.md 1 and 7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.engine.limits import MAX_RESULT_BYTES
from tests.clients.conftest import STORES, serving
from tests.clients.driver import drive
from tests.clients.local_server import LocalServer

KIB = 1024

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module", params=STORES)
def shapes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    with serving(request.param, "tests.apps.shapes", tmp_path_factory) as running:
        yield running


def test_the_javascript_clients_and_we_mean_the_same(shapes: LocalServer) -> None:
    # API Gateway carries less; the local server, with a store of its own, all that may be.
    on_dynamodb = shapes.settings["GEOFLOW_STORE"] == "dynamodb"
    longest = 127 * KIB if on_dynamodb else MAX_RESULT_BYTES - KIB

    report = drive("drive_values.mjs", {"url": shapes.url, "longest": longest}, {})

    assert report.passed == [
        "http: values come back",
        "http: what does not match is refused in Convex's words",
        "http: ids are of their table",
        "live: values come back",
        "live: what does not match is refused in Convex's words",
        "live: ids are of their table",
        "results are as long as they may be",
        "an index has values in their order",
    ]


def test_the_python_client_and_we_mean_the_same(shapes: LocalServer) -> None:
    report = drive("drive_values.py", {"url": shapes.url}, {})

    assert report.passed == [
        "http: values come back",
        "http: what does not match is refused in Convex's words",
        "live: values come back",
        "live: what does not match is refused in Convex's words",
    ]
