"""Planted bugs: the engine without each of its guards must break in the simulation."""

from collections.abc import Iterable

from tests.proof.report import Budget, Report, Table
from tests.simulation.guards import GUARDS, Guard
from tests.simulation.guards.hunt import Hunt, hunt_all

SAID_CHARS = 100
"""How much of what broke is told."""


def run(budget: Budget) -> Report:
    """Remove each guard, one at a time, and run seeds until the simulation misses it."""
    found: dict[str, Hunt] = {}
    for hunt in hunt_all(GUARDS, budget.processes):
        found[hunt.guard] = hunt
        budget.say(
            f"planted: {len(found)} of {len(GUARDS)} bugs hunted, last: {hunt.guard}"
        )
    lost = [f"“{h.guard}” was removed: {h.said}" for h in found.values() if not h.missed]
    return Report([_table(GUARDS, found)], lost)


def _table(guards: Iterable[Guard], found: dict[str, Hunt]) -> Table:
    return Table(
        title="Planted bugs",
        columns=(
            "the guard that was removed",
            "profile",
            "seed",
            "seeds",
            "what broke",
            "CPU s",
        ),
        rows=[_row(guard, found[guard.name]) for guard in guards],
        printed_only=frozenset({"CPU s"}),
    )


def _row(guard: Guard, hunt: Hunt) -> tuple[object, ...]:
    seed = hunt.seeds[0] if hunt.missed else "not found"
    said = hunt.said if len(hunt.said) <= SAID_CHARS else hunt.said[: SAID_CHARS - 2] + " …"
    return guard.name, guard.profile, seed, hunt.tried, said, f"{hunt.cpu_s:.1f}"
