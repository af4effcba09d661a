"""The demo's worker, with the stock Python client, against a server that serves GeoFlow."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from convex import ConvexClient

from demo.holding import Abandoned, held
from tests.clients.conftest import serving
from tests.clients.local_server import REPOSITORY, LocalServer
from tests.clients.orphans import DYING_WITH_US
from tests.demo.test_topojson import SQUARES

pytestmark = pytest.mark.clients

PAGE = REPOSITORY / "docs" / "geoflow" / "workers.md"
PATIENCE_S = 60
NODES = [
    {"id": "read", "type": "read", "config": {"collection": "lands"}},
    {"id": "write", "type": "write", "config": {"file": "lands.geojson"}},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with serving("sqlite", "chalicelib.geoflow", tmp_path_factory) as running:
        yield running


@pytest.fixture
def alice(server: LocalServer) -> Any:
    return client_of(server, server.token("alice"))


@pytest.fixture
def token(server: LocalServer) -> str:
    return server.token("demo-worker", "--role", "worker")


def client_of(server: LocalServer, token: str) -> Any:
    client = ConvexClient(server.url)
    client.set_auth(token)
    return client


def start(alice: Any, *between: str, **inputs: Any) -> Any:
    """Start a run that reads and writes; and keeps all between, once for each name."""
    keep = [{"id": name, "type": "filter", "config": {"ids": ["1"]}} for name in between]
    steps = [NODES[0], *keep, NODES[1]]
    nodes = [{**node, "position": {"x": 0.0, "y": 0.0}} for node in steps]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(steps)]
    drawn = {"name": "Lands", "nodes": nodes, "edges": edges}
    workflow = alice.mutation("workflows:create", drawn)
    return alice.mutation("executions:start", {"workflowId": workflow, "inputs": inputs})


def working(server: LocalServer, token: str, sources: Path) -> subprocess.Popen[str]:
    """Start the worker as a user does; it ends when it has processed one run."""
    (sources / "lands.json").write_text(json.dumps(SQUARES))
    folders = ["--sources", str(sources), "--results", str(sources / "results")]
    command = [sys.executable, "-m", "demo.worker", "--url", server.url, "--once", *folders]
    worker = subprocess.Popen(
        [*DYING_WITH_US, *command], cwd=REPOSITORY, stdin=subprocess.PIPE, text=True
    )
    assert worker.stdin is not None
    worker.stdin.write(f"{token}\n")
    worker.stdin.close()
    return worker


def work_once(server: LocalServer, token: str, sources: Path) -> None:
    assert working(server, token, sources).wait(PATIENCE_S) == 0


def wait_until_begun(alice: Any, run: str) -> None:
    # Asked, not watched: where all are busy a watcher is told of the first step and the last.
    while not stored(alice, run)["progress"]:
        time.sleep(0.01)


def stored(alice: Any, run: str) -> Any:
    return alice.query("executions:get", {"executionId": run})


def test_the_worker_processes_real_shapes_and_logs_what_it_does(
    server: LocalServer, alice: Any, token: str, tmp_path: Path
) -> None:
    run = start(alice, file="lands.json")

    work_once(server, token, tmp_path)

    assert stored(alice, run)["status"] == "succeeded"
    assert (tmp_path / "results" / "lands.geojson").exists()
    lines = alice.query("logs:tail", {"executionId": run})
    told = [(line["nodeId"], line["message"].partition(" ")[0]) for line in lines]
    assert told == [
        ("read", "begins"),
        ("read", "succeeded"),
        ("write", "begins"),
        ("write", "succeeded"),
    ]


def test_the_worker_says_which_node_cannot_be_done(
    server: LocalServer, alice: Any, token: str, tmp_path: Path
) -> None:
    run = start(alice, file="none.json")

    work_once(server, token, tmp_path)

    found = stored(alice, run)
    assert found["status"] == "failed"
    assert found["error"].startswith("read: there is no file 'none.json'")


LONG = tuple(f"keep {number}" for number in range(990))
"""So many nodes that a run of them is seen in its midst."""


def test_the_worker_gives_back_its_run_when_it_is_stopped(
    server: LocalServer, alice: Any, token: str, tmp_path: Path
) -> None:
    run = start(alice, *LONG, file="lands.json")
    worker = working(server, token, tmp_path)
    wait_until_begun(alice, run)

    worker.send_signal(signal.SIGINT)

    assert worker.wait(PATIENCE_S) == 0
    found = stored(alice, run)
    assert (found["status"], found["losses"], found["progress"]) == ("queued", 0, 0)
    alice.mutation("executions:cancel", {"executionId": run})


def test_the_worker_stops_in_the_midst_of_a_run_that_is_cancelled(
    server: LocalServer, alice: Any, token: str, tmp_path: Path
) -> None:
    run = start(alice, *LONG, file="lands.json")
    worker = working(server, token, tmp_path)
    wait_until_begun(alice, run)

    alice.mutation("executions:cancel", {"executionId": run})

    assert worker.wait(PATIENCE_S) == 0
    found = stored(alice, run)
    assert found["status"] == "cancelled"
    assert found["progress"] < 1
    assert not (tmp_path / "results" / "lands.geojson").exists()


def test_the_worker_of_the_page_does_its_work(
    server: LocalServer, alice: Any, token: str, tmp_path: Path
) -> None:
    (block,) = re.findall(r"```python\n(# worker.py\n.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "worker.py").write_text(block)
    run = start(alice)

    subprocess.run(
        [*DYING_WITH_US, sys.executable, str(tmp_path / "worker.py"), server.url, "--once"],
        input=f"{token}\n",
        check=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert stored(alice, run)["outputs"] == {"nodes": 2}
    assert len(alice.query("logs:tail", {"executionId": run})) == 2


def test_a_worker_learns_at_once_that_its_run_was_cancelled(
    server: LocalServer, alice: Any, token: str
) -> None:
    worker, run = client_of(server, token), start(alice)
    mine = {"executionId": run, "workerId": "w1"}
    assert worker.mutation("workers:claim", {"workerId": "w1"})["executionId"] == run

    async def work() -> None:
        async with held(worker, mine, lease_ms=3_600_000) as hold:
            await asyncio.sleep(0.2)
            hold.check()
            alice.mutation("executions:cancel", {"executionId": run})
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    hold.check()
                    await asyncio.sleep(0.01)

    with pytest.raises(Abandoned, match="it is cancelled"):
        asyncio.run(work())


def test_a_heartbeat_holds_the_run_of_a_long_node(
    server: LocalServer, alice: Any, token: str
) -> None:
    worker, run = client_of(server, token), start(alice)
    mine = {"executionId": run, "workerId": "w1"}
    given = worker.mutation("workers:claim", {"workerId": "w1"})

    async def work() -> None:
        async with held(worker, mine, lease_ms=150) as hold, asyncio.timeout(PATIENCE_S):
            async for told in alice.subscribe("executions:get", {"executionId": run}):
                hold.check()
                if told["leaseExpires"] > given["leaseExpires"]:
                    return

    asyncio.run(work())

    worker.mutation("workers:complete", {**mine, "outputs": {}})
    assert stored(alice, run)["status"] == "succeeded"
