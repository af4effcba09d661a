"""Time, chance and ids of a run are given once, and then computed."""

from __future__ import annotations

from chalicelib.engine.functions.determinism import CreationTimes, Determinism
from chalicelib.engine.values.ids import creation_us

NOW_MS = 1_700_000_000_000.25


def test_equal_seeds_give_equal_chance_and_equal_ids() -> None:
    one, other = Determinism(NOW_MS, b"seed"), Determinism(NOW_MS, b"seed")

    assert one.random.random() == other.random.random()
    assert one.new_internal() == other.new_internal()


def test_other_seeds_give_other_chance_and_other_ids() -> None:
    one, other = Determinism(NOW_MS, b"seed"), Determinism(NOW_MS, b"else")

    assert one.random.random() != other.random.random()
    assert one.new_internal() != other.new_internal()


def test_ids_do_not_change_with_how_often_chance_was_asked() -> None:
    one, other = Determinism(NOW_MS, b"seed"), Determinism(NOW_MS, b"seed")
    one.random.random()

    assert one.new_internal() == other.new_internal()


def test_ids_grow_within_a_run_from_the_time_of_the_run() -> None:
    run = Determinism(NOW_MS, b"seed")

    made = [run.new_internal() for _ in range(100)]

    assert made == sorted(made)
    assert len(set(made)) == 100
    assert creation_us(made[0]) == 1_700_000_000_000_250


def test_time_stands_still() -> None:
    run = Determinism(NOW_MS, b"seed")

    assert run.now_ms == run.now_ms == NOW_MS


def test_a_run_that_only_makes_ids_has_read_neither_time_nor_chance() -> None:
    run = Determinism(NOW_MS, b"seed")
    run.new_internal()

    assert not run.was_read


def test_a_run_that_asks_for_time_or_chance_has_read_it() -> None:
    by_time, by_chance = Determinism(NOW_MS, b"seed"), Determinism(NOW_MS, b"seed")

    _ = by_time.now_ms, by_chance.random

    assert by_time.was_read
    assert by_chance.was_read


def test_runs_of_one_process_make_ids_in_the_order_in_which_they_ask_for_them() -> None:
    times = CreationTimes()
    one = Determinism(NOW_MS, b"one", times)
    other = Determinism(NOW_MS, b"other", times)

    made = [run.new_internal() for run in (one, other, one, other, one)]

    assert made == sorted(made)
