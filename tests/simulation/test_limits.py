"""The engine's numbers, made small."""

from tests.simulation.limits import SMALL, current, small_limits


def test_each_number_is_where_it_is_said_to_be_and_comes_back() -> None:
    before = current()

    with small_limits():
        inside = current()

    assert inside == SMALL
    assert current() == before != SMALL
