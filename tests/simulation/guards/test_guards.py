"""Each guard of the engine, removed, is missed by the simulation."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation.guards import GUARDS, Guard
from tests.simulation.guards.hunt import ROOT, hunt

BY_NAME = {guard.name: guard for guard in GUARDS}


@pytest.mark.parametrize("name", BY_NAME)
def test_is_found_in_the_source_exactly_once(name: str) -> None:
    found = [(ROOT / edit.file).read_text().count(edit.old) for edit in BY_NAME[name].edits]

    assert found == [1] * len(BY_NAME[name].edits)


@pytest.mark.simulation
@pytest.mark.parametrize("name", BY_NAME)
def test_is_missed_when_it_is_gone(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    guard: Guard = BY_NAME[name]

    found = hunt(guard, tmp_path)

    record_property(
        "simulated", f"without “{name}”: {found.said.partition(chr(10))[0][:110]}"
    )
    assert found.missed, found.said
