"""The command line of npm ``convex``, unmodified, against a running server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.engine.functions.declarations import declarations
from chalicelib.engine.functions.registry import Registry
from chalicelib.engine.functions.spec import function_spec
from chalicelib.engine.log import ORIGIN
from tests.clients.driver import HERE
from tests.clients.local_server import LocalServer

pytestmark = pytest.mark.clients

COMMAND = HERE / "node_modules" / "convex" / "bin" / "main.js"
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    directory = tmp_path_factory.mktemp("atlas")
    settings = {
        "GEOFLOW_STORE": "memory",
        "GEOFLOW_APPS": "tests.apps.atlas",
        "GEOFLOW_TYPES": str(directory / "web"),
    }
    running = LocalServer(directory, settings)
    running.start()
    yield running
    running.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the command takes for a project of its own."""
    (tmp_path / "convex").mkdir()
    (tmp_path / "package.json").write_text('{"dependencies": {"convex": "1.48.0"}}')
    return tmp_path


def convex(
    project: Path, server: LocalServer, key: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run ``npx convex`` as somebody with ``key`` does."""
    node = shutil.which("node")
    if node is None or not COMMAND.exists():
        pytest.fail("The stock clients are not installed. Run: make test-clients")
    deployment = {
        "CONVEX_SELF_HOSTED_URL": server.url,
        "CONVEX_SELF_HOSTED_ADMIN_KEY": key,
        "HOME": str(project),
    }
    return subprocess.run(
        [node, str(COMMAND), *arguments],
        cwd=project,
        env={**os.environ, **deployment},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def admin_key(server: LocalServer) -> str:
    return (server.data / "admin_key").read_text().strip()


def sorted_by_name(functions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(functions, key=lambda entry: json.dumps(entry, sort_keys=True))


class TestFunctionSpec:
    def test_is_printed_for_an_admin(self, project: Path, atlas: LocalServer) -> None:
        ran = convex(project, atlas, admin_key(atlas), "function-spec")

        assert ran.returncode == 0, ran.stderr
        printed = json.loads(ran.stdout)
        assert printed["url"] == atlas.url
        assert sorted_by_name(printed["functions"]) == sorted_by_name(
            function_spec(Registry(("tests.apps.atlas",)))
        )

    def test_is_written_to_a_file(self, project: Path, atlas: LocalServer) -> None:
        ran = convex(project, atlas, admin_key(atlas), "function-spec", "--file")

        assert ran.returncode == 0, ran.stderr
        (written,) = project.glob("function_spec_*.json")
        assert json.loads(written.read_text())["url"] == atlas.url


def test_a_function_that_is_not_there_is_answered_with_those_that_are(
    project: Path, atlas: LocalServer
) -> None:
    ran = convex(project, atlas, admin_key(atlas), "run", "places:nothing")

    assert ran.returncode != 0
    assert "Could not find function for 'places:nothing'" in ran.stderr
    assert "admin/visitors:invite" in ran.stderr


def test_an_undo_is_planned_by_the_stock_command(project: Path, atlas: LocalServer) -> None:
    key = admin_key(atlas)
    refused = convex(project, atlas, key, "run", "_system/undo:plan", '{"ts": 1}')
    ran = convex(project, atlas, key, "run", "_system/undo:plan", f'{{"ts": {ORIGIN}}}')

    assert "the log does not hold 1: it reaches from" in refused.stderr
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["tables"] == ["places", "visitors"]


def test_the_server_keeps_the_declarations_where_it_is_told_to(atlas: LocalServer) -> None:
    folder = atlas.directory / "web" / "_generated"

    assert {path.name: path.read_text() for path in folder.iterdir()} == declarations(
        Registry(("tests.apps.atlas",))
    )
