"""A cold start: importing the handler and making the first backend, in fresh processes."""

import os
import statistics
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.report import Line, Number, at_most, print_table
from benchmarks.server import REPOSITORY

STARTS: Final = 7

_START: Final = """
import time
began, worked = time.perf_counter(), time.process_time()
import app
from chalicelib import bootstrap
bootstrap.current()
print(time.perf_counter() - began, time.process_time() - worked)
"""

ON_LAMBDA: Final = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "GEOFLOW_STORE": "dynamodb",
    "GEOFLOW_STAGE": "bench",
    "GEOFLOW_TABLE_PREFIX": "bench-",
    "GEOFLOW_FILES_BUCKET": "bench-files",
    "GEOFLOW_KMS_KEY": "alias/bench",
    "GEOFLOW_SECRET": "not a secret: nothing is kept",
    "GEOFLOW_WEBSOCKET_ENDPOINT": "https://sockets.example/api",
    "GEOFLOW_JOBS_QUEUE_URL": "https://queue.example/jobs",
    "GEOFLOW_WAKES_QUEUE_URL": "https://queue.example/wakes",
}


def cold_start_ms(compiled: str) -> tuple[float, float]:
    """Start a process as Lambda would; return the ms, and those of CPU, until it is ready.

    Compiled code is kept in the directory ``compiled``, whatever the environment says of it: a
    package for Lambda has it.
    """
    environment = {**os.environ, **ON_LAMBDA, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", _START],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    passed_s, worked_s = started.stdout.split()
    return float(passed_s) * 1000, float(worked_s) * 1000


def run() -> None:
    """Measure, and print."""
    with TemporaryDirectory() as compiled:
        cold_start_ms(compiled)
        starts = [cold_start_ms(compiled) for _ in range(STARTS)]
    print_table(
        "Cold start: import the handler and make its first backend",
        ("median", "best", "CPU, best"),
        [
            Line(
                "fresh process",
                (
                    at_most(statistics.median(passed for passed, _ in starts), "ms", 300),
                    at_most(min(passed for passed, _ in starts), "ms", 300),
                    Number(min(worked for _, worked in starts), "ms"),
                ),
            )
        ],
    )


if __name__ == "__main__":
    run()
