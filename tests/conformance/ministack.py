"""MiniStack, a second implementation of DynamoDB, in a process of its own.

It wants an older botocore than we do, so it lives in an environment of its own
(``python -m venv …; pip install ministack``); ``GEOFLOW_TEST_MINISTACK`` is its program there.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

STARTS_WITHIN_S = 20


@contextmanager
def start_ministack(program: str) -> Iterator[str]:
    """Run MiniStack on a free port inside the block and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program],
        env=os.environ | {"GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)
        else:
            return
