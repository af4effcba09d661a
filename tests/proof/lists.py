"""The published lists: what must hold, what goes wrong, and in which worlds."""

from dataclasses import fields

from tests.proof.report import Budget, Report, Table
from tests.simulation.faults import HABITS, NONE, Faults, Habits, told
from tests.simulation.profiles import CALM, PROFILES, Profile
from tests.simulation.properties import Property


def run(budget: Budget) -> Report:
    """List everything as the code declares it; there is nothing to be run."""
    return Report([_properties(), _faults(Faults()), _faults(HABITS), _profiles()])


def _properties() -> Table:
    return Table(
        title="What must hold",
        columns=("property", "what it says"),
        rows=[(name(one), one.value) for one in Property],
    )


def name(of: Property) -> str:
    """The name of a property as failures begin with it."""
    return of.name.lower().replace("_", " ")


def _faults(of: Faults | Habits) -> Table:
    always = isinstance(of, Habits)
    return Table(
        title="What the platform does in every world" if always else "What goes wrong",
        columns=("name", "chance" if always else "usual chance", "what happens"),
        rows=[(f"`{one.name}`", _shown(one.number), one.does) for one in told(of)],
    )


def _profiles() -> Table:
    return Table(
        title="The worlds",
        columns=("profile", "how it differs from `calm`"),
        rows=[
            (profile, _differences(of) or "the others are told by their differences")
            for profile, of in PROFILES.items()
        ],
    )


def _differences(of: Profile) -> str:
    told = [
        f"`{one.name}` {_shown(getattr(of, one.name))}"
        for one in fields(of)
        if one.name != "faults" and getattr(of, one.name) != getattr(CALM, one.name)
    ]
    if of.faults != NONE:
        told.append(f"faults: {_faults_of(of.faults)}")
    return ", ".join(told)


def _faults_of(faults: Faults) -> str:
    usual = Faults()
    there = [one.name for one in told(faults) if one.number != getattr(NONE, one.name)]
    if faults.kill == 0:
        return ", ".join(f"`{one}` {_shown(getattr(faults, one))}" for one in there)
    other = [one for one in there if getattr(faults, one) != getattr(usual, one)]
    return ", ".join(["as usual", *(f"`{o}` {_shown(getattr(faults, o))}" for o in other)])


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case (low, high):
            return f"{low:g} to {high:g}"
        case float() if 0 < value < 1:
            return f"{100 * value:.2g} %"
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)
