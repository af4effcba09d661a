"""A disk that fails to sync, as SQLite's own code meets it: not a commit that a test refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FAILING = """
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int synced(long call, int file) {
    if (access(getenv("BROKEN"), F_OK) == 0) { errno = EIO; return -1; }
    return syscall(call, file);
}
int fsync(int file) { return synced(SYS_fsync, file); }
int fdatasync(int file) { return synced(SYS_fdatasync, file); }
"""
"""Takes the place of the C library's calls, and fails while the file ``BROKEN`` is there."""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """That code, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, and Linux")
    source, made = tmp_path / "failing.c", tmp_path / "failing.so"
    source.write_text(FAILING)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def test_nothing_of_an_entry_whose_sync_failed_is_read(
    library: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    environment = {**os.environ, "LD_PRELOAD": str(library), "BROKEN": str(broken)}
    program = [sys.executable, "-m", "tests.adapters.failed_sync"]

    ended = subprocess.run(
        [*program, str(tmp_path / "data"), str(broken)],
        env=environment,
        capture_output=True,
        check=True,
        timeout=60,
    )

    # SQLite shows the frames of a commit to readers when they are synced, and not before.
    before, after = ["[b'1', b'1']", 1], ["[b'3', b'3']", 2]
    assert json.loads(ended.stdout) == [before, before, after]
