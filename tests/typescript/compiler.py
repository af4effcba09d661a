"""The TypeScript compiler, of the version that is pinned here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
COMPILER = HERE / "node_modules" / "typescript" / "bin" / "tsc"
PATIENCE_SECONDS = 120


def compile_project(config: Path) -> str:
    """Check a project; return what the compiler says, relative to the project's directory."""
    ran = _node(
        [str(COMPILER), "--project", config.name, "--pretty", "false"], config.parent
    )
    assert ran.returncode in (0, 1, 2), ran.stderr
    assert bool(ran.stdout) == (ran.returncode != 0), ran.stdout + ran.stderr
    return ran.stdout


def run_node(arguments: list[str]) -> str:
    """Run a program here; return what it prints."""
    ran = _node(arguments, HERE)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _node(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None or not COMPILER.exists():
        pytest.fail("The TypeScript compiler is not installed. Run: make test-clients")
    return subprocess.run(
        [node, *arguments],
        cwd=directory,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
