"""Planted bugs: the engine without each of its guards must break in the simulation."""

from collections import Counter
from collections.abc import Iterable, Mapping

from tests.proof.lists import name
from tests.proof.report import Budget, Report, Table
from tests.simulation.guards import GUARDS, Guard
from tests.simulation.guards.hunt import Hunt, hunt_all
from tests.simulation.properties import Property

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
    return Report(tables(found), lost)


def tables(found: Mapping[str, Hunt]) -> list[Table]:
    """Tell which bug was found where, and what the bugs broke."""
    return [_table(GUARDS, found), _broken(found.values())]


def _broken(hunts: Iterable[Hunt]) -> Table:
    broke = Counter(hunt.said.partition(":")[0] for hunt in hunts if hunt.missed)
    return Table(
        title="What the planted bugs broke first",
        note="A bug may break more than one property; the first that is seen ends the run.",
        columns=("property", "bugs"),
        rows=[(name(one), broke[name(one)]) for one in Property],
    )


def _table(guards: Iterable[Guard], found: Mapping[str, Hunt]) -> Table:
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
