"""Runs the simulation over a copy of the source from which a guard was removed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.simulation.guards.guard import Guard
from tests.simulation.hunt import BROKEN

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Hunt:
    """What became of it: ``missed`` tells whether a property broke, ``said`` which one."""

    missed: bool
    said: str


def hunt(guard: Guard, directory: Path) -> Hunt:
    """Remove ``guard`` in a copy of the source in ``directory``, and run seeds over it."""
    shutil.copytree(
        ROOT / "chalicelib",
        directory / "chalicelib",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for edit in guard.edits:
        edit.apply(directory)
    # The copy comes first: the working directory leads the path of `python -m`.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.simulation.hunt",
            guard.profile,
            f"--seeds={guard.seeds}",
        ],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, BROKEN):
        raise AssertionError(f"{guard.name}: {done.stdout}{done.stderr}")
    return Hunt(done.returncode == BROKEN, done.stdout.strip())
