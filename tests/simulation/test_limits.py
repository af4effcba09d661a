"""The engine's numbers, made small."""

from chalicelib.engine.sync import states, transition
from tests.simulation.limits import SMALL, small_limits


def test_each_number_is_where_it_is_said_to_be_and_comes_back() -> None:
    before = states.STATES_KEPT, transition.MAX_ROUNDS

    with small_limits():
        inside = states.STATES_KEPT, transition.MAX_ROUNDS

    assert inside == (
        SMALL["sync.states"]["STATES_KEPT"],
        SMALL["sync.transition"]["MAX_ROUNDS"],
    )
    assert before == (states.STATES_KEPT, transition.MAX_ROUNDS)
