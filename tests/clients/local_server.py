"""A local server of a test's own: a process that can be stopped, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.free_port import free_port
from tests.clients.orphans import DYING_WITH_US

START_SECONDS = 60
STOP_SECONDS = 30
REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class LocalServer:
    """``python -m local`` on free ports, with its data and its log in a directory."""

    directory: Path
    settings: Mapping[str, str]
    port: int = field(default_factory=free_port)
    site_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Address of functions and sync."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """What survives a restart."""
        return self.directory / "data"

    @property
    def log(self) -> str:
        """Everything that the server said so far, over all its starts."""
        path = self.directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self) -> None:
        """Start, and wait until ``/ready`` answers."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*DYING_WITH_US, sys.executable, "-m", "local"],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready(self._process)

    def stop(self) -> int:
        """Ask it to stop, as Ctrl-C does, and return its exit code."""
        process, self._process = self._process, None
        assert process is not None, "not started"
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"did not stop in {STOP_SECONDS} s:\n{self.log}") from None

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        process, self._process = self._process, None
        assert process is not None, "not started"
        process.kill()
        process.wait()

    def restart(self) -> None:
        """Stop it in order, and start it again."""
        code = self.stop()
        assert code == 0, f"stopped with exit code {code}:\n{self.log}"
        self.start()

    def kill_and_start(self) -> None:
        """Kill it, and start it again."""
        self.kill()
        self.start()

    def token(self, user: str, *more: str) -> str:
        """Return a token for a user, from the command that `make token` runs."""
        printed = subprocess.run(
            [sys.executable, "-m", "local.token", "--user", user, *more],
            cwd=REPOSITORY,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert len(printed.split()) == 1, f"not a token and nothing else: {printed!r}"
        return printed.strip()

    def close(self) -> None:
        """End it, if it runs, without looking at how."""
        if self._process is not None:
            self.kill()

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the server, and of commands about it."""
        own = {
            "GEOFLOW_PORT": str(self.port),
            "GEOFLOW_SITE_PORT": str(self.site_port),
            "GEOFLOW_DATA": str(self.data),
            "GEOFLOW_LOG_LEVEL": "info",
        }
        return {**os.environ, **own, **self.settings}

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            # Refused while it starts, 503 while it recovers: both are a URLError.
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"{self.url}/ready", timeout=5),
            ):
                return
            time.sleep(0.05)
        self.close()
        raise AssertionError(f"not ready on {self.url}:\n{self.log[-8000:]}")
