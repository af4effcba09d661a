"""Seeds that are known to miss each guard, so that the tests need not hunt for them.

Any change of the engine or of the simulated world moves them: what is written down is where to
look first. ``python -m tests.simulation.guards --record`` writes it anew, each guard as it is found: one
that was interrupted goes on where it was.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

FILE = Path(__file__).with_name("known.json")
PROGRESS = Path(__file__).with_name("recorded.part")


def known_seeds() -> Mapping[str, Sequence[int]]:
    """The seeds by the guard's name."""
    found: dict[str, list[int]] = json.loads(FILE.read_text())
    return found


def record(name: str, seeds: Sequence[int]) -> None:
    """Write the seeds of one guard down, beside those of others, and that this was done."""
    held = dict(known_seeds()) if FILE.exists() else {}
    held[name] = seeds
    lines = [f"{json.dumps(one)}: {json.dumps(held[one])}" for one in sorted(held)]
    _replace(FILE, "{\n" + ",\n".join(lines) + "\n}\n")
    _replace(PROGRESS, json.dumps(sorted({*recorded(), name})))


def recorded() -> set[str]:
    """The guards that a recording which was interrupted has done."""
    return set(json.loads(PROGRESS.read_text())) if PROGRESS.exists() else set()


def finish() -> None:
    """End a recording: the next one begins anew."""
    PROGRESS.unlink(missing_ok=True)


def _replace(file: Path, text: str) -> None:
    """Write a whole file, or leave the old one."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)
