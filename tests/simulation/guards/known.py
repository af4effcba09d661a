"""Seeds that are known to miss each guard, so that the tests need not hunt for them.

Any change of the engine or of the simulated world moves them: what is written down is where to
look first. ``python -m tests.simulation.guards --record`` writes it anew.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

FILE = Path(__file__).with_name("known.json")


def known_seeds() -> Mapping[str, Sequence[int]]:
    """The seeds by the guard's name."""
    found: dict[str, list[int]] = json.loads(FILE.read_text())
    return found


def record(found: Mapping[str, Sequence[int]]) -> None:
    """Write seeds down, beside those of other guards."""
    held = known_seeds() if FILE.exists() else {}
    merged = {**held, **found}
    lines = [f"{json.dumps(name)}: {json.dumps(merged[name])}" for name in sorted(merged)]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
