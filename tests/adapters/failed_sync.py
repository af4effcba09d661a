"""A process whose disk fails to sync at one commit: prints what is seen afterwards."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

from chalicelib.adapters.sqlite.persistence import SqlitePersistence
from chalicelib.engine.errors import OutcomeUnknown
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.persistence import Interval
from tests.conformance.entries import INDEX, entry, put


def main(directory: Path, broken: Path) -> None:
    """Commit an entry, fail at the next one, read, and put another in its place."""
    told: list[object] = []
    with SqlitePersistence(directory) as log:

        def look() -> None:
            page = log.scan(Interval(INDEX, b"a", b"b"), reverse=False, limit=9)
            row = log.get(INDEX, b"a")
            seen = [row and row.image, *(each.image for each in page.rows)]
            told.append([str(seen), len(log.tail(ORIGIN).entries)])

        log.append(entry(1, put(b"a", b"1")))
        broken.touch()
        with suppress(OutcomeUnknown):
            log.append(entry(2, put(b"a", b"2")))
            told.append("no error")
        look()
        broken.unlink()
        look()
        log.append(entry(2, put(b"a", b"3"), transaction="other"))
        look()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
