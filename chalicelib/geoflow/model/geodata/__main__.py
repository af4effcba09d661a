"""The process that looks into a file: its path is the argument, its answer JSON."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

from chalicelib.geoflow.limits import (
    INSPECTION_MEMORY_BYTES,
    INSPECTION_S,
    MAX_UNPACKED_BYTES,
)
from chalicelib.geoflow.model.geodata.reading import read
from chalicelib.geoflow.model.geodata.refusals import Unreadable

_LIMITS: Final = {
    resource.RLIMIT_AS: INSPECTION_MEMORY_BYTES,
    resource.RLIMIT_CPU: INSPECTION_S,
    resource.RLIMIT_FSIZE: MAX_UNPACKED_BYTES,
    resource.RLIMIT_CORE: 0,
}

_MAX_REASON_CHARS: Final = 300


def main(path: Path) -> dict[str, Any]:
    """Return what is in a file, or the reason why that cannot be told."""
    try:
        return read(path)
    except Unreadable as refused:
        reason = str(refused)
    except MemoryError:
        reason = "reading it needs more memory than a file may take"
    except ModuleNotFoundError as missing:
        reason = f"the library {missing.name} is not installed where files are looked into"
    except Exception as error:  # noqa: BLE001 - whatever a library says to a damaged file
        reason = f"it is damaged, or not what it seems: {error}"
    return {"reason": reason.replace(str(path.parent), "…")[:_MAX_REASON_CHARS]}


if __name__ == "__main__":
    for kind, most in _LIMITS.items():
        resource.setrlimit(kind, (most, most))
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
