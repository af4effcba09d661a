"""Runs a driver of a stock client, and does to its server what the driver asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.orphans import DYING_WITH_US

HERE = Path(__file__).resolve().parent
PATIENCE_SECONDS = 300


@dataclass
class Report:
    """What a driver said until it ended."""

    passed: list[str] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)


def drive(
    script: str, stage: Mapping[str, Any], wishes: Mapping[str, Callable[[], None]]
) -> Report:
    """Run a driver to its end; fail with everything that it said when it does not succeed."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [*DYING_WITH_US, *_interpreter(script), str(HERE / script), json.dumps(stage)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
        watchdog.start()
        try:
            report = _converse(process, wishes)
            code = process.wait()
        finally:
            watchdog.cancel()
            process.kill()
            process.communicate()
        said.seek(0)
        assert code == 0, f"{script} passed {report.passed}, then:\n{said.read()[-6000:]}"
    return report


def _converse(
    process: subprocess.Popen[str], wishes: Mapping[str, Callable[[], None]]
) -> Report:
    assert process.stdin is not None
    assert process.stdout is not None
    report = Report()
    for line in process.stdout:
        match json.loads(line):
            case {"passed": step}:
                report.passed.append(step)
            case {"result": result}:
                report.result = result
            case {"ask": wish}:
                wishes[wish]()
                process.stdin.write("done\n")
                process.stdin.flush()
            case said:
                raise AssertionError(f"the driver said {said}")
    return report


def _interpreter(script: str) -> list[str]:
    if script.endswith(".py"):
        return [sys.executable]
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "convex").exists():
        pytest.fail("The stock clients are not installed. Run: make test-clients")
    return [node]
