"""Has a file looked at by a process of its own, which a hostile file may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from chalicelib.engine.server import Struct
from chalicelib.geoflow.limits import INSPECTION_S
from chalicelib.geoflow.model.geodata.drivers import environment
from chalicelib.geoflow.schema import Geodata

_TOO_LONG: Final = f"it could not be read within {INSPECTION_S} seconds"
_READER: Final = "chalicelib.geoflow.model.geodata"


class Finding(Struct):
    """What was found in a file, and its thumbnail as SVG; or the reason why nothing was."""

    geodata: Geodata | None = None
    thumbnail: str | None = None
    reason: str | None = None


def inspected(pieces: Iterable[bytes], *, timeout_s: float = INSPECTION_S) -> Finding:
    """Look into a file, given in pieces.

    Whatever it is, there is an answer within the limits of time and memory: the file is read
    in another process, without what this one knows and may do.
    """
    with TemporaryDirectory(prefix="geoflow-") as directory:
        path = Path(directory) / "file"
        with path.open("wb") as file:
            file.writelines(pieces)
        return _read_elsewhere(path, timeout_s)


def _read_elsewhere(path: Path, timeout_s: float) -> Finding:
    command = [sys.executable, "-m", _READER, str(path)]
    # Absolute, since it runs elsewhere, where there is nothing that could be taken for ours.
    known = os.pathsep.join(str(Path(place).resolve()) for place in sys.path)
    try:
        ended = subprocess.run(  # noqa: S603 - our own module, and a name that we chose
            command,
            env=environment(python_path=known, scratch=str(path.parent)),
            cwd=path.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(reason=_TOO_LONG)
    if ended.returncode in {-signal.SIGXCPU, -signal.SIGKILL}:
        return Finding(reason=_TOO_LONG)
    if ended.returncode != 0:
        return Finding(
            reason="reading it broke the reader: it is damaged, or made to do so"
        )
    return msgspec.json.decode(ended.stdout, type=Finding)
