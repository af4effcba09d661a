"""Each guard of the engine, removed, is missed by the simulation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.guards import GUARDS, known
from tests.simulation.guards.edited import ROOT
from tests.simulation.guards.hunt import hunters, seek, tell
from tests.simulation.guards.known import known_seeds

BY_NAME = {guard.name: guard for guard in GUARDS}


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with hunters(1) as processes:
        yield processes


@pytest.mark.parametrize("name", BY_NAME)
def test_is_found_in_the_source_exactly_once(name: str) -> None:
    found = [(ROOT / edit.file).read_text().count(edit.old) for edit in BY_NAME[name].edits]

    assert found == [1] * len(BY_NAME[name].edits)


@pytest.mark.parametrize("name", BY_NAME)
def test_leaves_source_that_can_be_compiled(name: str) -> None:
    sources: dict[str, str] = {}
    for edit in BY_NAME[name].edits:
        text = sources.get(edit.file) or (ROOT / edit.file).read_text()
        sources[edit.file] = edit.applied(text)

    for file, text in sources.items():
        compile(text, file, "exec")


def test_a_recording_that_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "FILE", tmp_path / "known.json")
    monkeypatch.setattr(known, "PROGRESS", tmp_path / "recorded.part")
    known.FILE.write_text('{"a": [1], "b": [2]}')

    known.record("b", (3, 4))
    interrupted = known.recorded()
    known.finish()

    assert known_seeds() == {"a": [1], "b": [3, 4]}
    assert (interrupted, known.recorded()) == ({"b"}, set())


@pytest.mark.simulation
@pytest.mark.parametrize("name", BY_NAME)
def test_is_missed_when_it_is_gone(
    name: str, pool: ProcessPoolExecutor, record_property: Callable[[str, object], None]
) -> None:
    guard, seeds = BY_NAME[name], known_seeds().get(name, ())

    # Where to look first, then everywhere: known seeds move with every change of the world.
    found = pool.submit(seek, guard, [*seeds, *range(guard.seeds)]).result()

    record_property("simulated", _told(name, found.seeds[:1], found.tried, found.said))
    assert found.missed, found.said


def _told(name: str, seeds: tuple[int, ...], tried: int, said: str) -> str:
    return f"without “{name}”: seed {seeds} after {tried}: {said[:90]}"


@pytest.mark.simulation
@pytest.mark.parametrize(
    "name",
    [
        "a put that met its own entry has succeeded",
        "the end of a range joins the read set",
        "a refusal does not answer the put before it",
        "the catalogue is in every read set",
    ],
)
def test_a_seed_that_misses_it_shrinks_to_a_short_story(
    name: str, pool: ProcessPoolExecutor
) -> None:
    guard, seeds = BY_NAME[name], known_seeds().get(name, ())
    found = pool.submit(seek, guard, [*seeds, *range(guard.seeds)]).result()

    story = pool.submit(tell, guard, found.seeds[0], 8).result().splitlines()

    was, became, *_ = (int(word) for word in story[0].split() if word.isdigit())
    assert became <= 30
    assert became < was * 2 / 3
    assert story[-1].startswith(f"BROKEN: {found.said.partition(':')[0]}:")
