"""Values as index keys."""

from typing import Any

import pytest

from chalicelib.engine.errors import InvalidValue
from chalicelib.engine.values.ids import make_internal
from chalicelib.engine.values.order import field_bytes, key_bytes, split_fields
from chalicelib.engine.values.value import MISSING, Int64

INTERNAL = make_internal(1_763_836_000_000_000, b"\x00\x60\x00\x00\xff\x10\x20\x80\x90")


class TestFieldBytes:
    @pytest.mark.parametrize(
        ("value", "encoded"),
        [
            (MISSING, "10"),
            (None, "20"),
            (Int64(1), "30 8000000000000001"),
            (-1.0, "40 400fffffffffffff"),
            (1, "40 bff0000000000000"),
            (False, "50"),
            (True, "51"),
            ("a\x00b", "60 61 00ff 62 0000"),
            (b"a", "70 61 0000"),
            ([None, True], "80 20 51 00"),
            ({"b": None, "a": 1}, "90 60 61 0000 40 bff0000000000000 60 62 0000 20 00"),
        ],
    )
    def test_stay_as_they_are_because_they_are_stored(
        self, value: Any, encoded: str
    ) -> None:
        assert field_bytes(value).hex() == encoded.replace(" ", "")

    @pytest.mark.parametrize("value", [2**60, "\ud800", (1,), [MISSING], [(1,)], {"$a": 1}])
    def test_exist_for_values_only(self, value: Any) -> None:
        with pytest.raises(InvalidValue):
            field_bytes(value)


class TestSplitFields:
    def test_cuts_at_the_borders_and_leaves_the_internal_id(self) -> None:
        fields: list[Any] = [
            "a\x00",
            MISSING,
            [1, [b"\x00\x00"], {"x": {}}],
            Int64(0),
            None,
            False,
        ]

        parts = split_fields(key_bytes(fields) + INTERNAL)

        assert parts == [field_bytes(field) for field in fields]

    @pytest.mark.parametrize("value", [1.5, Int64(7), "text", b"bytes", [1, "a"], {"a": 1}])
    def test_stops_before_a_field_that_was_cut_short(self, value: Any) -> None:
        whole = field_bytes("first")

        for end in range(len(field_bytes(value))):
            assert split_fields(whole + field_bytes(value)[:end]) == [whole]

    @pytest.mark.parametrize("key", [b"", b"\x00", b"\x01", b"\xff", INTERNAL])
    def test_finds_nothing_where_no_field_begins(self, key: bytes) -> None:
        assert split_fields(key) == []
