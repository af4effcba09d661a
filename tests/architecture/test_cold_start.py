"""What a new process on Lambda loads before it can answer: nothing that only some calls need."""

import os
import subprocess
import sys
from typing import Final

import pytest

from benchmarks.imports import ON_LAMBDA
from benchmarks.server import REPOSITORY

_START: Final = """
import gc, sys
import app
from chalicelib import bootstrap
bootstrap.current()
print(gc.isenabled(), *sorted(sys.modules))
"""


@pytest.fixture(scope="module")
def started() -> list[str]:
    """Start a process as Lambda would: whether it collects garbage, and what it has loaded."""
    run = subprocess.run(
        [sys.executable, "-c", _START],
        cwd=REPOSITORY,
        env={**os.environ, **ON_LAMBDA},
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        # For some calls alone: tokens, passwords, files, deployments, another place.
        "cryptography",
        "jwt",
        "sqlite3",
        "greenlet",
        "uvicorn",
        "chalicelib.adapters.sqlite.persistence",
        "chalicelib.adapters.memory.persistence",
        # What is wrapped round the SDK, and what we do without.
        "boto3",
        "s3transfer",
        "pynamodb",
        # Tools that a careless import brings in.
        "asyncio",
        "doctest",
        "multiprocessing",
        "pdb",
        "pydoc",
        "unittest",
    ],
)
def test_a_cold_start_does_not_load(started: list[str], module: str) -> None:
    assert "chalicelib.adapters.dynamodb.persistence" in started
    assert module not in started


def test_after_a_cold_start_garbage_is_collected(started: list[str]) -> None:
    assert started[0] == "True"
