"""The properties of the whole engine, under every kind of world.

A seed that breaks one replays exactly: ``python -m tests.simulation.hunt faulty --first 23
--trace``. ``GEOFLOW_SIMULATION_SEEDS`` runs more of them, ``GEOFLOW_SIMULATION_FIRST`` others.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulation.profiles import PROFILES
from tests.simulation.properties import Broken
from tests.simulation.run import run
from tests.simulation.seeds import TESTED, spread

MORE = int(os.environ.get("GEOFLOW_SIMULATION_SEEDS", "0"))
FIRST = int(os.environ.get("GEOFLOW_SIMULATION_FIRST", "0"))

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_whatever_anybody_was_told_is_a_serial_replay_of_the_log(
    profile: str, record_property: Callable[[str, object], None]
) -> None:
    count = max(spread(TESTED)[profile], MORE)
    stats: Counter[str] = Counter()
    began = time.process_time()

    for seed in range(FIRST, FIRST + count):
        try:
            done = run(seed, PROFILES[profile])
        except Broken as why:
            pytest.fail(
                f"seed {seed}: {why}\nreplay: python -m tests.simulation.hunt '{profile}' --first {seed} --trace"
            )
        stats.update(done.world.stats)
        stats["entries"] += len(done.oracle.entries)

    seconds = time.process_time() - began
    told = ", ".join(f"{number} {name}" for name, number in stats.most_common())
    record_property("simulated", f"{profile}: {count} seeds in {seconds:.1f} s; {told}")


@pytest.mark.parametrize(
    "profile", ["calm", "faulty", "local", "deploy", "faulty dynamodb"]
)
def test_a_seed_replays_exactly_in_any_process(profile: str) -> None:
    said = {_said(profile, hash_seed) for hash_seed in ("1", "2")}

    assert len(said) == 1


def _said(profile: str, hash_seed: str) -> str:
    """What a process with its own order of sets says of a few seeds, digests included."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.hunt", profile, "--first=40", "--seeds=3"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
