"""GeoFlow end to end, on both stores: real clients, a real worker, real shapes, one story."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import workflow
from tests.clients.conftest import STORES, serving
from tests.clients.driver import drive
from tests.clients.local_server import REPOSITORY, LocalServer
from tests.clients.orphans import DYING_WITH_US

pytestmark = pytest.mark.clients

STEPS = (
    "sign in",
    "create and share",
    "upload a real file",
    "run and watch live",
    "cancel another",
    "export and import",
    "revoke and see it vanish",
    "read the audit",
)
SHAPES = REPOSITORY / "demo/node_modules/world-atlas/countries-110m.json"


@pytest.fixture(params=STORES)
def geoflow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalServer]:
    with serving(request.param, "chalicelib.geoflow", tmp_path_factory) as running:
        yield running


def test_the_story_from_sign_in_to_audit(geoflow: LocalServer, tmp_path: Path) -> None:
    people = {who: geoflow.token(who) for who in ("alice", "bob", "root")}
    stage = {
        "url": geoflow.url,
        "tokens": people,
        "definition": workflow.definition(),
        "inputs": {"file": SHAPES.name},
        "shapes": str(SHAPES),
    }
    workers: list[subprocess.Popen[str]] = []
    wishes: dict[str, Callable[[], None]] = {
        "make root an admin": lambda: grant_admin(geoflow, people["root"]),
        "work": lambda: workers.append(started_worker(geoflow, tmp_path)),
        "verify the audit": lambda: verify_audit(geoflow),
    }

    try:
        report = drive("drive_geoflow.mjs", stage, wishes)
        ended = [worker.wait(30) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()

    assert report.passed == list(STEPS)
    assert ended == [0]


def grant_admin(server: LocalServer, token: str) -> None:
    """Make somebody an admin, as whoever runs the deployment."""
    me = call(server, "query", "users:me", f"Bearer {token}")
    key = (server.data / "admin_key").read_text().strip()
    admin = key if "|" in key else f"geoflow-local|{key}"
    call(
        server,
        "mutation",
        "users:grantRole",
        f"Convex {admin}",
        userId=me["_id"],
        role="admin",
    )


def call(server: LocalServer, kind: str, path: str, authorization: str, **args: Any) -> Any:
    body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    request = urllib.request.Request(f"{server.url}/api/{kind}", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        told = json.loads(answer.read())
    assert told["status"] == "success", told
    return told["value"]


def started_worker(server: LocalServer, results: Path) -> subprocess.Popen[str]:
    """The demo's worker, with the stock PyPI client, for one run."""
    command = [sys.executable, "-m", "demo.worker", "--url", server.url, "--once"]
    command += ["--results", str(results)]
    worker = subprocess.Popen(
        [*DYING_WITH_US, *command], cwd=REPOSITORY, stdin=subprocess.PIPE, text=True
    )
    assert worker.stdin is not None
    worker.stdin.write(server.token("worker", "--role", "worker") + "\n")
    worker.stdin.close()
    return worker


def verify_audit(server: LocalServer) -> None:
    """Walk along the chain, as `make audit-verify` does."""
    run = subprocess.run(
        [sys.executable, "-m", "local.audit"],
        cwd=REPOSITORY,
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout[:15]) == (0, "The chain holds"), run
