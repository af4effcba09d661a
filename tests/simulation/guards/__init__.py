"""Every guard of the engine that the simulation knows: removed, it must be missed.

A guard is a small change of the source that takes one safeguard away. The properties of the
simulation must then break, or they prove nothing about it.
"""

from tests.simulation.guards.answers import ANSWERS
from tests.simulation.guards.commits import COMMITS
from tests.simulation.guards.dynamodb import DYNAMODB
from tests.simulation.guards.files import FILES
from tests.simulation.guards.guard import Edit, Guard
from tests.simulation.guards.holders import HOLDERS
from tests.simulation.guards.jobs import JOBS
from tests.simulation.guards.transitions import TRANSITIONS
from tests.simulation.guards.undo import UNDO
from tests.simulation.guards.upkeep import UPKEEP
from tests.simulation.guards.web import WEB

GUARDS: tuple[Guard, ...] = (
    *COMMITS,
    *HOLDERS,
    *TRANSITIONS,
    *ANSWERS,
    *DYNAMODB,
    *UPKEEP,
    *JOBS,
    *FILES,
    *UNDO,
    *WEB,
)

__all__ = ["GUARDS", "Edit", "Guard"]
