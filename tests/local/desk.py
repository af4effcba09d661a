"""A developer's desk: an app whose files a test writes, behind ``python -m local.dev``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.clients.free_port import free_port
from tests.clients.orphans import DYING_WITH_US

PATIENCE_S = 30
REPOSITORY = Path(__file__).resolve().parents[2]
ANSWER = """
from chalicelib.engine.server import QueryCtx, query


@query
def answer(ctx: QueryCtx) -> {hint}:
    return {value}
"""


class Desk:
    """An app, its declarations, its server, and what that has said."""

    def __init__(self, directory: Path) -> None:
        self.app = directory / "desk_app"
        self.types = directory / "web" / "_generated" / "api.d.ts"
        self._log = directory / "log"
        self.port, self._directory = free_port(), directory
        self.url = f"http://127.0.0.1:{self.port}"
        self.app.mkdir()
        (self.app / "__init__.py").touch()

    def write(self, text: str) -> None:
        (self.app / "things.py").write_text(text)

    def start(self) -> subprocess.Popen[bytes]:
        settings = {
            "GEOFLOW_APPS": "desk_app",
            "GEOFLOW_DATA": str(self._directory / "data"),
            "GEOFLOW_PORT": str(self.port),
            "GEOFLOW_SITE_PORT": "0",
            "GEOFLOW_TYPES": str(self._directory / "web"),
            "PYTHONPATH": os.pathsep.join([str(self._directory), str(REPOSITORY)]),
            # What is changed twice within a second, and keeps its length, looks unchanged.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [*DYING_WITH_US, sys.executable, "-m", "local.dev"],
                cwd=REPOSITORY,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def answer(self) -> Any:
        body = {"path": "things:answer", "args": {}, "format": "json"}
        try:
            response = httpx.post(f"{self.url}/api/query", json=body)
        except httpx.TransportError:
            return None
        return response.json().get("value")

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"never {what}:\n{self.said}"
            time.sleep(0.05)
