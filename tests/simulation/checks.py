"""What must hold when everything has come to rest."""

from chalicelib.engine.log import rows
from tests.simulation.oracle import Oracle
from tests.simulation.platform import Platform
from tests.simulation.world import Broken


def check_rows(platform: Platform, oracle: Oracle) -> None:
    """Compare the rows with what the log says they are."""
    expected: dict[tuple[int, bytes], bytes] = {}
    for entry in oracle.entries:
        for row in rows(entry):
            if row.image is None:
                expected.pop((row.index, row.key), None)
            else:
                expected[row.index, row.key] = row.image
    found = platform.storage.live_rows()
    if found != expected:
        wrong = [
            (key, expected.get(key), found.get(key))
            for key in sorted({*found, *expected})
            if found.get(key) != expected.get(key)
        ]
        raise Broken(f"{len(wrong)} rows are not the replay's: {wrong[:3]}")
