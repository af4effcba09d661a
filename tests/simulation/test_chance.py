"""Chance as a tree, and what is left of it."""

import pytest

from tests.simulation.chance import Chance, Less, LessChance, Seen
from tests.simulation.profiles import CALM
from tests.simulation.properties import Broken, Property
from tests.simulation.shrink import shrink, story
from tests.simulation.world import World

pytestmark = pytest.mark.simulation


def test_a_cause_does_not_move_the_chance_of_another_one() -> None:
    few, many = Chance(7), Chance(7)
    many.child("act").random()
    many.child("job").random()

    assert few.child("applier").random() == many.child("applier").random()


def test_a_calm_cause_draws_the_first_of_everything_and_leaves_others_alone() -> None:
    whole, key = Chance(7).child("b").random(), Chance(7).child("a").key
    less = LessChance(7, Less(calm=frozenset({key})), Seen())

    calm = less.child("a")

    assert (calm.random(), calm.choice("xyz"), calm.randint(2, 9)) == (0.0, "x", 2)
    assert less.child("b").random() == whole


def test_one_draw_is_made_calm_and_the_next_ones_stay() -> None:
    whole = Chance(7)
    first, second = whole.random(), whole.random()

    less = LessChance(7, Less(zeroed=frozenset({(7, 0)})), Seen())

    assert first > 0
    assert (less.random(), less.random()) == (0.0, second)


def test_nothing_happens_by_the_calmest_chance() -> None:
    world = World(7, CALM, lambda key: LessChance(key, Less(calm=frozenset({key})), Seen()))

    assert not world.chance(0.999)
    assert world.between((3, 9)) == 3


def test_a_seed_that_holds_has_no_story() -> None:
    assert shrink(0, CALM, 5) is None


def test_a_story_ends_with_the_property_that_broke(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "tests.simulation.run.check_rows",
        lambda *_: (_ for _ in ()).throw(Broken(Property.ROWS, "planted")),
    )

    shrunk = shrink(0, CALM, 10)

    assert shrunk is not None
    assert len(shrunk.least.lines) < len(shrunk.whole.lines) / 2
    assert story(shrunk).splitlines()[-1] == "BROKEN: rows: planted"
