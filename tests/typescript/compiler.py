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
    node = shutil.which("node")
    if node is None or not COMPILER.exists():
        pytest.fail("The TypeScript compiler is not installed. Run: make test-clients")
    ran = subprocess.run(
        [node, str(COMPILER), "--project", config.name, "--pretty", "false"],
        cwd=config.parent,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.returncode in (0, 1, 2), ran.stderr
    assert bool(ran.stdout) == (ran.returncode != 0), ran.stdout + ran.stderr
    return ran.stdout
