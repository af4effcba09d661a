"""The kinds of value, their limits, their size and their order."""

import itertools
import math
import pickle
from typing import Any

import pytest

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.limits import (
    MAX_ARRAY_ITEMS,
    MAX_FIELD_NAME_CHARS,
    MAX_INT64,
    MAX_OBJECT_FIELDS,
    MAX_SAFE_INTEGER,
    MAX_VALUE_NESTING,
    MIN_INT64,
)
from chalicelib.engine.values.value import MISSING, Int64, check, compare, size


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


class TestInt64:
    @pytest.mark.parametrize("integer", [MIN_INT64, -1, 0, MAX_INT64])
    def test_holds_what_fits_into_64_bits(self, integer: int) -> None:
        assert Int64(integer) == integer

    @pytest.mark.parametrize("integer", [MIN_INT64 - 1, MAX_INT64 + 1])
    def test_refuses_what_does_not(self, integer: int) -> None:
        with pytest.raises(InvalidValue, match="64 bits"):
            Int64(integer)

    def test_refuses_an_integer_too_long_to_print(self) -> None:
        with pytest.raises(InvalidValue, match="64 bits"):
            Int64(10**5000)

    def test_refuses_to_cut_off_a_fraction(self) -> None:
        with pytest.raises(TypeError):
            Int64(1.5)  # type: ignore[arg-type]

    def test_shows_its_kind_to_developers_and_only_its_digits_to_users(self) -> None:
        assert (repr(Int64(5)), str(Int64(5)), f"{Int64(5)}") == ("Int64(5)", "5", "5")

    def test_survives_pickling_with_its_kind(self) -> None:
        copy = pickle.loads(pickle.dumps(Int64(5)))

        assert type(copy) is Int64


class TestLimits:
    @pytest.mark.parametrize(
        "value",
        [
            nested(MAX_VALUE_NESTING),
            [0] * MAX_ARRAY_ITEMS,
            {f"f{n}": n for n in range(MAX_OBJECT_FIELDS)},
            {"x" * MAX_FIELD_NAME_CHARS: 1},
            {"": 1},
            {"any printable: ASCII, even with a $ inside ~": 1},
            MAX_SAFE_INTEGER,
            -MAX_SAFE_INTEGER,
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_allow_the_largest(self, value: Any) -> None:
        assert check(value) == size(value)

    @pytest.mark.parametrize(
        ("value", "reason"),
        [
            (nested(MAX_VALUE_NESTING + 1), "nested too deeply"),
            ([0] * (MAX_ARRAY_ITEMS + 1), "8193 items"),
            ({f"f{n}": n for n in range(MAX_OBJECT_FIELDS + 1)}, "1025 fields"),
            ({"x" * (MAX_FIELD_NAME_CHARS + 1): 1}, "1025 characters"),
            ({"$set": 1}, "reserved"),
            ({"größe": 1}, "printable ASCII"),
            ({"tab\t": 1}, "printable ASCII"),
            ({"delete\x7f": 1}, "printable ASCII"),
            ({1: 1}, "not a str"),
            (MAX_SAFE_INTEGER + 1, "Int64"),
            (-MAX_SAFE_INTEGER - 1, "Int64"),
            ("\ud800", "surrogate"),
            ((1, 2), "tuple"),
            ({1, 2}, "set"),
            (MISSING, "Missing"),
            (object(), "object"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_refuse_what_is_beyond_and_say_why(self, value: Any, reason: str) -> None:
        with pytest.raises(InvalidValue, match=reason):
            check(value)

    def test_look_at_each_name_when_there_are_too_many_to_check_at_once(self) -> None:
        value = [{f"{n}{'x' * 100}": n for n in range(20)}, {"$late": 1}]

        with pytest.raises(InvalidValue) as refused:
            check(value)

        assert refused.value.path == "[1]"

    def test_tell_the_path_to_the_innermost_fault(self) -> None:
        with pytest.raises(InvalidValue) as refused:
            check({"data": {"nodes": [1, {"size": 2**60}]}})

        assert refused.value.path == ".data.nodes[1].size"
        assert str(refused.value).endswith("(at .data.nodes[1].size)")

    def test_can_be_set_lower(self) -> None:
        with pytest.raises(InvalidValue, match="nested"):
            check(nested(17), nesting=16)

        with pytest.raises(InvalidValue, match="12 bytes is too large: the limit is 11"):
            check("0123456789", max_bytes=11)

    def test_do_not_count_plain_integers_and_floats_apart(self) -> None:
        assert check(3) == check(3.0) == 9


class TestSize:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, 1),
            (True, 1),
            (5, 9),
            (5.5, 9),
            (math.nan, 9),
            (Int64(5), 9),
            ("", 2),
            ("abc", 5),
            ("zwölf", 8),
            (b"\x00\x01", 4),
            ([], 2),
            ([None, "a"], 6),
            ({}, 2),
            ({"ab": None, "c": [1]}, 2 + (2 + 1 + 1) + (1 + 1 + 2 + 9)),
        ],
    )
    def test_counts_bytes_as_convex_does(self, value: Any, expected: int) -> None:
        assert size(value) == expected


ASCENDING: list[Any] = [
    MISSING,
    None,
    Int64(MIN_INT64),
    Int64(-1),
    Int64(0),
    Int64(MAX_INT64),
    math.copysign(math.nan, -1.0),
    -math.inf,
    -1.5,
    -5e-324,
    -0.0,
    0.0,
    5e-324,
    1,
    1.5,
    2,
    2.0**53,
    math.inf,
    math.nan,
    False,
    True,
    "",
    "\x00",
    "a",
    "a\x00",
    "a\x00b",
    "ab",
    "b",
    "\uffff",  # after the next in UTF-16, before it in code points
    "\U00010000",
    b"",
    b"\x00",
    b"\x00\x00",
    b"\x00\xff",
    b"\x01",
    b"\xff",
    [],
    [None],
    [1],
    [1, None],
    [2],
    [[]],
    {},
    {"a": 1},
    {"a": 1, "b": 1},
    {"a": 2},
    {"ab": 0},
    {"b": None},
]


class TestOrder:
    def test_is_by_kind_and_then_by_content(self) -> None:
        wrong = [
            (below, above)
            for below, above in itertools.combinations(ASCENDING, 2)
            if (compare(below, above), compare(above, below)) != (-1, 1)
        ]

        assert wrong == []

    @pytest.mark.parametrize("value", ASCENDING, ids=repr)
    def test_has_every_value_equal_to_itself(self, value: Any) -> None:
        assert compare(value, value) == 0

    def test_makes_no_difference_between_an_integer_and_its_float(self) -> None:
        assert compare(3, 3.0) == 0

    def test_ignores_the_order_in_which_fields_were_written(self) -> None:
        assert compare({"a": 1, "b": 2}, {"b": 2, "a": 1}) == 0

    @pytest.mark.parametrize("thing", [(1,), 2**60])
    def test_is_for_values_only(self, thing: Any) -> None:
        with pytest.raises(InvalidValue):
            compare(thing, thing)
