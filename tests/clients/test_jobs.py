"""Jobs on a real server, asked for and watched by the stock Python client, through a power cut."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from convex import ConvexClient

from tests.clients.conftest import STORES, serving
from tests.clients.local_server import LocalServer

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module", params=STORES)
def errands(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    """Serve the errands over each store."""
    with serving(request.param, "tests.apps.errands", tmp_path_factory) as running:
        yield running


def ended(client: Any, job: str) -> dict[str, Any]:
    """Watch a job until it has ended, as an app's user interface would."""
    for shown in client.subscribe("errands:job", {"job": job}):
        if shown["state"]["kind"] not in {"pending", "inProgress"}:
            return dict(shown)
    raise AssertionError("the subscription ended")


def scheduled(errands: LocalServer, path: str, text: str) -> str:
    """Schedule an errand in a second, and return its job."""
    body = {"path": path, "args": {"text": text, "delayMs": 1000}, "format": "json"}
    request = urllib.request.Request(
        f"{errands.url}/api/mutation",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["value"])


def test_a_job_is_seen_to_run_soon_after_its_time(
    errands: LocalServer,
) -> None:
    client: Any = ConvexClient(errands.url)
    job = client.mutation("errands:later", {"text": "a", "delayMs": 1500})
    pending = client.query("errands:job", {"job": job})

    done = ended(client, job)

    assert pending["state"] == {"kind": "pending"}
    assert done["state"] == {"kind": "success"}
    assert (
        0 <= done["completedTime"] - done["scheduledTime"] < 5000
    )  # the machine of a test is busy
    assert "a" in client.query("errands:notes")


def test_what_waited_through_a_power_cut_runs_once(errands: LocalServer) -> None:
    # Over HTTP: PyPI's client sends on its next connection what it may have sent before.
    jobs = [
        scheduled(errands, f"errands:{path}", text)
        for path, text in (("later", "mutation"), ("actLater", "action"))
    ]

    errands.kill()
    time.sleep(1)
    errands.start()

    client: Any = ConvexClient(errands.url)
    assert [ended(client, job)["state"]["kind"] for job in jobs] == ["success"] * 2
    notes = client.query("errands:notes")
    assert (notes.count("mutation"), notes.count("action")) == (1, 1)
