"""A cold start: importing the handler and making the first backend, in fresh processes."""

import os
import statistics
import subprocess
import sys
from typing import Final

from benchmarks.report import Line, at_most, print_table
from benchmarks.server import REPOSITORY

STARTS: Final = 7

_START: Final = """
import time
began = time.perf_counter()
import app
from chalicelib import bootstrap
bootstrap.current()
print(time.perf_counter() - began)
"""

_ON_LAMBDA: Final = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "us-east-1",
    "GEOFLOW_STORE": "dynamodb",
    "GEOFLOW_STAGE": "bench",
    "GEOFLOW_WEBSOCKET_ENDPOINT": "https://sockets.example/api",
    "GEOFLOW_JOBS_QUEUE_URL": "https://queue.example/jobs",
    "GEOFLOW_WAKES_QUEUE_URL": "https://queue.example/wakes",
}


def cold_start_ms() -> float:
    """Start one process as Lambda would; return milliseconds until it can handle events."""
    started = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", _START],
        cwd=REPOSITORY,
        env={**os.environ, **_ON_LAMBDA},
        check=True,
        capture_output=True,
        text=True,
    )
    return float(started.stdout) * 1000


def run() -> None:
    """Measure, and print."""
    cold_start_ms()  # fills the caches of compiled code, which a package for Lambda has
    starts = [cold_start_ms() for _ in range(STARTS)]
    print_table(
        "Cold start: import the handler and make its first backend",
        ("median", "best"),
        [
            Line(
                "fresh process",
                (
                    at_most(statistics.median(starts), "ms", 300),
                    at_most(min(starts), "ms", 300),
                ),
            )
        ],
    )


if __name__ == "__main__":
    run()
