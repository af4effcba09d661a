"""Bounds of an index range become an interval of keys that holds just what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.database.bounds import Bound, key_range
from chalicelib.engine.values.ids import make_internal
from chalicelib.engine.values.order import key_bytes
from chalicelib.engine.values.value import MISSING

VALUES = [MISSING, None, 0, 1, 2, 3, True, "", "a", "aa", "b"]


def internal(at_us: int) -> bytes:
    return make_internal(at_us, b"r" * 9)


def inside(
    value: Any, equal: tuple[object, ...], lower: Bound | None, upper: Bound | None
) -> bool:
    low, high = key_range(1, equal, lower, upper)
    key = key_bytes([value]) + internal(5_000)
    return low <= key and (high is None or key < high)


class TestTheFirstField:
    @pytest.mark.parametrize("wanted", VALUES)
    def test_equal_to_a_value_holds_that_value_alone(self, wanted: object) -> None:
        assert [v for v in VALUES if inside(v, (wanted,), None, None)] == [wanted]

    def test_without_bounds_holds_everything(self) -> None:
        assert all(inside(value, (), None, None) for value in VALUES)

    @pytest.mark.parametrize(
        ("lower", "upper", "found"),
        [
            ((1, True), (2, True), [1, 2]),
            ((1, False), (3, False), [2]),
            ((2, True), (2, True), [2]),
            ((2, False), (2, False), []),
            ((3, True), (1, True), []),
            (("a", False), None, ["aa", "b"]),
            (("a", True), None, ["a", "aa", "b"]),
            (None, (None, True), [MISSING, None]),
            ((MISSING, False), (0, False), [None]),
        ],
    )
    def test_between_bounds_holds_what_lies_there(
        self, lower: Bound | None, upper: Bound | None, found: list[object]
    ) -> None:
        assert [v for v in VALUES if inside(v, (), lower, upper)] == found


class TestTheSecondField:
    def test_is_bounded_below_the_first(self) -> None:
        low, high = key_range(2, ("a",), ("k", True), ("p", False))

        held = [
            pair
            for pair in (("a", "j"), ("a", "k"), ("a", "o"), ("a", "p"), ("b", "m"))
            if low <= key_bytes(pair) + internal(1) < (high or b"")
        ]
        assert held == [("a", "k"), ("a", "o")]


class TestCreationTime:
    @pytest.mark.parametrize(
        ("lower", "upper", "found_us"),
        [
            ((5.0, True), None, [5_000, 5_001, 6_000]),
            ((5.0, False), None, [5_001, 6_000]),
            (None, (5.0, True), [4_999, 5_000]),
            (None, (5.0, False), [4_999]),
            ((5.0005, True), (6.0, False), [5_001]),
            ((-1.0, True), (1e30, True), [4_999, 5_000, 5_001, 6_000]),
        ],
    )
    def test_bounds_the_ids_made_then(
        self, lower: Bound | None, upper: Bound | None, found_us: list[int]
    ) -> None:
        low, high = key_range(1, ("a",), lower, upper)

        held = [
            at
            for at in (4_999, 5_000, 5_001, 6_000)
            if low <= key_bytes(["a"]) + internal(at)
            and (high is None or key_bytes(["a"]) + internal(at) < high)
        ]
        assert held == found_us

    def test_equal_holds_the_ids_made_at_that_very_time(self) -> None:
        low, high = key_range(0, (5.0,), None, None)

        held = [at for at in (4_999, 5_000, 5_001) if low <= internal(at) < (high or b"")]

        assert held == [5_000]
