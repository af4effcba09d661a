"""What the commands of the Makefile run, and from which pins."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = [*REPOSITORY.glob("requirements*.txt"), REPOSITORY / "demo/requirements.txt"]
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[^\s=]+")


def planned(*arguments: str, **environment: str) -> str:
    """Return the last command that make would run."""
    # A make that runs these tests hands its own variables down in these.
    inherited = {name: text for name, text in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", "-s", "-n", *arguments],
        cwd=REPOSITORY,
        env={**inherited, **environment},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]


class TestSettings:
    def test_on_the_command_line_reach_the_server(self) -> None:
        command = planned("run", "STORE=dynamodb", "PORT=4210", "DATA=elsewhere")

        for setting in ("STORE='dynamodb'", "PORT='4210'", "DATA='elsewhere'"):
            assert f"GEOFLOW_{setting}" in command
        assert command.endswith("python -m local")

    def test_of_the_same_names_in_the_environment_do_not(self) -> None:
        command = planned("run", PORT="80", DATA="/", STORE="shop", USER="root")

        assert "GEOFLOW_" not in command

    def test_of_the_server_go_to_its_tokens_and_to_the_demo_too(self) -> None:
        for target in ("token", "demo"):
            assert "GEOFLOW_PORT='4210'" in planned(target, "PORT=4210")
        assert "--url http://127.0.0.1:4210" in planned("demo", "PORT=4210")


class TestTypes:
    def test_go_where_the_command_line_says(self) -> None:
        command = planned("types", "APPS=notes", "OUT=web/src")

        assert "GEOFLOW_APPS='notes'" in command
        assert command.endswith("python -m local.declarations --out 'web/src'")

    def test_go_to_a_directory_of_results_otherwise(self) -> None:
        assert planned("types", OUT="/").endswith("--out 'out/types'")

    @pytest.mark.parametrize("target", ["run", "dev"])
    def test_are_kept_by_the_server_where_it_is_told_to(self, target: str) -> None:
        assert "GEOFLOW_TYPES='web/src'" in planned(target, "TYPES=web/src")


class TestToken:
    def test_is_for_whom_the_command_line_names(self) -> None:
        assert "--user 'bob'" in planned("token", "USER=bob")

    def test_is_not_for_whoever_is_logged_in(self) -> None:
        assert "--user 'alice'" in planned("token", USER="root")

    def test_may_be_a_workers(self) -> None:
        assert "--role 'worker'" in planned("token", "USER=pdal", "ROLE=worker")


@pytest.mark.parametrize(
    "path", REQUIREMENTS, ids=lambda path: str(path.relative_to(REPOSITORY))
)
def test_every_python_package_is_pinned(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line[:1].isalnum()]

    assert lines
    assert [line for line in lines if not PIN.fullmatch(line)] == []


@pytest.mark.parametrize("folder", ["demo", "tests/clients", "tests/typescript"])
def test_every_node_package_is_pinned_by_its_digest_and_names_no_registry(
    folder: str,
) -> None:
    lock = json.loads((REPOSITORY / folder / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert packages
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


class TestProof:
    def test_runs_what_the_command_line_says(self) -> None:
        command = planned("proof", "PARTS=simulation planted", "SEEDS=500")

        assert command.rstrip().endswith("tests.proof simulation planted --seeds='500'")

    def test_runs_its_whole_budget_otherwise(self) -> None:
        command = planned("proof", SEEDS="1", PARTS="nothing")

        assert command.rstrip().endswith("python -m tests.proof")
