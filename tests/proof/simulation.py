"""The simulation over many seeds of every profile: nothing may break."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.proof.report import Budget, Report, Table
from tests.simulation.faults import Faults, told
from tests.simulation.profiles import PROFILES
from tests.simulation.properties import Broken
from tests.simulation.run import run as run_seed
from tests.simulation.seeds import spread

AT_ONCE = 20
"""Seeds that one process runs before it tells what it found: a second or two."""

FAULTS = tuple(one.name for one in told(Faults()) if isinstance(one.number, float))


@dataclass(slots=True)
class Found:
    """What became of some seeds of a profile."""

    seeds: int = 0
    cpu_s: float = 0
    stats: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, more: "Found") -> None:
        """Take in what became of other seeds."""
        self.seeds += more.seeds
        self.cpu_s += more.cpu_s
        self.stats.update(more.stats)
        self.broken += more.broken


def run(budget: Budget) -> Report:
    """Run the budget's seeds, spread over all profiles."""
    shares = spread(budget.seeds)
    found = {name: Found() for name in PROFILES}
    with ProcessPoolExecutor(budget.processes, mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(run_some, name, first, count): name
            for name, first, count in _pieces(shares)
        }
        for done in as_completed(waiting):
            more = done.result()
            found[waiting[done]].add(more)
            seeds = sum(one.seeds for one in found.values())
            budget.say(
                f"simulation: {seeds:,} of {sum(shares.values()):,} seeds"
                + "".join(f"; BROKEN: {why[:200]}\n" for why in more.broken)
            )
    return Report([_table(found)], [why for one in found.values() for why in one.broken])


def _pieces(shares: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    for first in range(0, max(shares.values()), AT_ONCE):
        for name, share in shares.items():
            if first < share:
                yield name, first, min(AT_ONCE, share - first)


def run_some(profile: str, first: int, count: int) -> Found:
    """Run seeds of a profile, one after another; go on after a broken one."""
    found, began = Found(seeds=count), time.process_time()
    for seed in range(first, first + count):
        try:
            done = run_seed(seed, PROFILES[profile])
        except Broken as why:
            found.broken.append(f"{profile} seed {seed}: {why}")
            continue
        found.stats.update(done.world.stats)
        found.stats["entries"] += len(done.oracle.entries)
    found.cpu_s = time.process_time() - began
    return found


def _table(found: dict[str, Found]) -> Table:
    whole = Found()
    for one in found.values():
        whole.add(one)
    return Table(
        title="Seeds",
        columns=(
            "profile",
            "seeds",
            "entries",
            "transitions",
            "faults",
            "violations",
            "CPU s",
        ),
        rows=[_row(name, one) for name, one in (*found.items(), ("all", whole))],
        printed_only=frozenset({"CPU s"}),
    )


def _row(name: str, one: Found) -> tuple[object, ...]:
    faults = ", ".join(f"{kind} {one.stats[kind]:,}" for kind in FAULTS if one.stats[kind])
    return (
        name,
        one.seeds,
        one.stats["entries"],
        one.stats["transitions"],
        faults,
        len(one.broken),
        f"{one.cpu_s:.0f}",
    )
