"""docs/testing.md says how to test an app: what it shows is run, and checked, as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "testing.md"
BLOCK = re.compile(r"```python\n# (?P<path>\S+)\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the page, where it says."""
    for block in BLOCK.finditer(PAGE.read_text()):
        path = tmp_path / block["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block["code"])
    (tmp_path / "planner" / "__init__.py").touch()
    return tmp_path


def test_the_tests_on_the_page_pass(project: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "7 passed" in ran.stdout


def test_the_types_on_the_page_hold(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("MYPYPATH", f"{project}{os.pathsep}{ROOT}")
    cache = str(ROOT / ".mypy_cache" / "page")

    found, problems, status = api.run(
        ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", cache, "."]
    )

    assert (status, problems) == (0, ""), found
