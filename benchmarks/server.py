"""A local server of a benchmark's own: ``python -m local`` in a process of its own."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
START_S: Final = 60
STOP_S: Final = 10
ADMIN_KEY: Final = "benchmarks|not-a-secret"
HANG_UP_S: Final = 0.5
"""Time for the server to notice that its clients are gone."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server listens, and its process."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has taken: CPU time in seconds, and switches of threads that waited.

    Unlike rates, they say much of a program and little of what else the machine does.
    """

    cpu_s: float
    switches: int

    def since(self, before: "Spent") -> "Spent":
        """What was taken after ``before``."""
        return Spent(self.cpu_s - before.cpu_s, self.switches - before.switches)


def spent(server: Server) -> Spent:
    """Read what a server has taken so far."""
    process = Path(f"/proc/{server.pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    switches = 0
    for task in (process / "task").iterdir():
        with suppress(OSError):  # the thread has ended meanwhile
            found = _VOLUNTARY.search((task / "status").read_text())
            switches += int(found[1]) if found else 0
    return Spent((int(fields[11]) + int(fields[12])) / _TICKS_PER_S, switches)


_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_VOLUNTARY: Final = re.compile(r"^voluntary_ctxt_switches:\s*(\d+)", re.MULTILINE)


@contextmanager
def serving(log_level: str = "WARNING") -> Iterator[Server]:
    """Serve the benchmarks' app out of an empty SQLite file until the block ends."""
    with TemporaryDirectory() as directory:
        ports = free_ports(2)
        process = launch(directory, ports, log_level)
        try:
            wait_until_ready(ports[0], process)
            yield Server(ports[0], process.pid)
        finally:
            time.sleep(HANG_UP_S)
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def launch(
    directory: str, ports: list[int], log_level: str = "WARNING"
) -> "subprocess.Popen[bytes]":
    """Start a server of the benchmarks' app over the files of a directory."""
    return subprocess.Popen(
        [sys.executable, "-m", "local"],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "GEOFLOW_ADMIN_KEY": ADMIN_KEY,
            "GEOFLOW_APPS": "benchmarks.app",
            "GEOFLOW_DATA": directory,
            "GEOFLOW_LOG_LEVEL": log_level,
            "GEOFLOW_PORT": str(ports[0]),
            "GEOFLOW_SITE_PORT": str(ports[1]),
            "GEOFLOW_STORE": "sqlite",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when a server answers.

    Raises:
        RuntimeError: it ended, or took too long.
    """
    end = time.monotonic() + START_S
    address = f"http://127.0.0.1:{port}/ready"
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.02)
    raise RuntimeError("the local server did not become ready")


def free_ports(how_many: int) -> list[int]:
    """Ports that nobody listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(how_many)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
