"""Each guard of the engine, removed, is missed by the simulation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.simulation.guards import GUARDS, Guard
from tests.simulation.guards.edited import ROOT
from tests.simulation.guards.hunt import hunters, seek

BY_NAME = {guard.name: guard for guard in GUARDS}


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with hunters(1) as processes:
        yield processes


@pytest.mark.parametrize("name", BY_NAME)
def test_is_found_in_the_source_exactly_once(name: str) -> None:
    found = [(ROOT / edit.file).read_text().count(edit.old) for edit in BY_NAME[name].edits]

    assert found == [1] * len(BY_NAME[name].edits)


@pytest.mark.simulation
@pytest.mark.parametrize("name", BY_NAME)
def test_is_missed_when_it_is_gone(
    name: str, pool: ProcessPoolExecutor, record_property: Callable[[str, object], None]
) -> None:
    guard: Guard = BY_NAME[name]

    found = pool.submit(seek, guard, 0, guard.seeds).result()

    record_property("simulated", f"without “{name}”: seed {found.seed}: {found.said[:90]}")
    assert found.seed is not None, found.said
