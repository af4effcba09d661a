"""Laws of values: one order, forms that can be read back, keys that can be cut."""

import json
import math
import struct
from functools import cmp_to_key
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.engine.errors import InvalidId, InvalidValue
from chalicelib.engine.limits import MAX_INT64, MAX_SAFE_INTEGER, MIN_INT64
from chalicelib.engine.values.encoding import (
    clean,
    decode,
    encode,
    export_text,
    from_wire,
    restore,
    to_wire,
)
from chalicelib.engine.values.ids import (
    MAX_TABLE_NUMBER,
    creation_us,
    decode_id,
    encode_id,
    make_internal,
)
from chalicelib.engine.values.order import field_bytes, key_bytes, split_fields
from chalicelib.engine.values.value import MISSING, Int64, compare, size

# Few distinct atoms, so that equal beginnings and equal values are common.
TEXTS = st.text(st.sampled_from("\x00\x01$abü\uffff\U00010000\x7f\xff"), max_size=4)
BLOBS = st.binary(max_size=4) | st.lists(st.sampled_from([0, 1, 255]), max_size=4).map(
    bytes
)
NUMBERS = (
    st.floats()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.binary(min_size=8, max_size=8).map(lambda bits: struct.unpack("<d", bits)[0])
    | st.sampled_from([-0.0, 0, 0.0, 1, 1.0, -1, 5e-324, -5e-324, math.nan, -math.nan])
    | st.sampled_from([math.inf, -math.inf, MAX_SAFE_INTEGER, float(MAX_SAFE_INTEGER)])
)
INT64S = st.integers(MIN_INT64, MAX_INT64).map(Int64) | st.integers(-2, 2).map(Int64)
NAMES = st.text(st.sampled_from(" !_ab~"), max_size=3) | st.just("a$")
LEAVES = st.none() | st.booleans() | NUMBERS | INT64S | TEXTS | st.text(max_size=8) | BLOBS
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=4),
    max_leaves=12,
)
FIELDS = VALUES | st.just(MISSING)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "", "ü", "$a", "$bytes", "$float", "$integer", "$set"]),
            parts
            | st.sampled_from(["AQID", "AQAAAAAAAAA=", "AAAAAAAA+H8=", "AAAAAAAA8D8="]),
            max_size=2,
        )
    ),
    max_leaves=8,
)
INTERNALS = st.builds(
    make_internal, st.integers(0, 2**56 - 1), st.binary(min_size=9, max_size=9)
)
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
TABLE_NUMBERS = st.integers(1, MAX_TABLE_NUMBER) | st.integers(1, 300)


def sign(a: bytes, b: bytes) -> int:
    return (a > b) - (a < b)


class TestOrder:
    @given(FIELDS, FIELDS)
    def test_of_key_bytes_is_the_order_of_values(self, a: Any, b: Any) -> None:
        assert sign(field_bytes(a), field_bytes(b)) == compare(a, b)

    @given(NUMBERS, NUMBERS)
    def test_of_key_bytes_is_the_order_of_numbers(self, a: float, b: float) -> None:
        assert sign(field_bytes(a), field_bytes(b)) == compare(a, b)

    @given(st.lists(VALUES, max_size=3), st.lists(VALUES, max_size=3))
    def test_of_keys_of_several_fields_is_the_order_of_their_lists(
        self, a: list[Any], b: list[Any]
    ) -> None:
        assert sign(key_bytes(a), key_bytes(b)) == compare(a, b)

    @given(FIELDS, FIELDS)
    def test_is_the_same_seen_from_either_side(self, a: Any, b: Any) -> None:
        assert compare(a, b) == -compare(b, a)

    @given(st.lists(FIELDS, min_size=3, max_size=6))
    def test_has_no_circles(self, values: list[Any]) -> None:
        ordered = sorted(values, key=cmp_to_key(compare))

        assert all(
            compare(ordered[i], ordered[j]) <= 0
            for i in range(len(ordered))
            for j in range(i, len(ordered))
        )

    @given(st.floats(allow_nan=False), st.floats(allow_nan=False))
    def test_of_numbers_is_arithmetic_but_for_the_sign_of_zero(
        self, a: float, b: float
    ) -> None:
        if a < b:
            assert compare(a, b) == -1
        elif a == b != 0.0:
            assert compare(a, b) == 0

    @given(st.text(max_size=5), st.text(max_size=5))
    def test_of_text_is_the_order_of_its_utf8(self, a: str, b: str) -> None:
        assert compare(a, b) == sign(a.encode(), b.encode())


class TestKeys:
    @given(st.lists(FIELDS, max_size=4), INTERNALS)
    def test_are_cut_at_the_borders_of_their_fields(
        self, fields: list[Any], internal: bytes
    ) -> None:
        whole = [field_bytes(field) for field in fields]
        recent = b"\x06" + internal[1:]  # the first byte of every id from 2023 to 2032

        assert split_fields(key_bytes(fields)) == whole
        assert split_fields(key_bytes(fields) + recent) == whole

    @given(FIELDS, FIELDS)
    def test_have_no_field_that_begins_another(self, a: Any, b: Any) -> None:
        first, second = field_bytes(a), field_bytes(b)

        assert first == second or not second.startswith(first)

    @given(FIELDS, st.data())
    def test_have_no_field_that_is_whole_before_its_end(
        self, field: Any, data: Any
    ) -> None:
        whole = field_bytes(field)
        end = data.draw(st.integers(0, len(whole) - 1))

        assert split_fields(whole[:end]) == []

    @given(st.binary(max_size=40))
    def test_are_cut_without_loss_whatever_they_are(self, key: bytes) -> None:
        assert key.startswith(b"".join(split_fields(key)))


class TestWire:
    @given(VALUES)
    def test_is_read_back_as_it_was_written(self, value: Any) -> None:
        assert compare(decode(encode(value)), value) == 0

    @given(VALUES)
    def test_is_restored_as_it_is_decoded(self, value: Any) -> None:
        text = encode(value)

        assert encode(restore(text)) == encode(decode(text)) == text

    @given(VALUES)
    def test_is_json_for_everybody(self, value: Any) -> None:
        tree = json.loads(encode(value), parse_constant=pytest.fail)

        assert compare(from_wire(tree), value) == 0

    @given(VALUES)
    def test_keeps_the_type_of_numbers(self, value: Any) -> None:
        assert encode(from_wire(to_wire(value))) == encode(value)

    @given(VALUES, VALUES)
    def test_is_the_same_text_only_for_equal_values(self, a: Any, b: Any) -> None:
        if encode(a) == encode(b):
            assert compare(a, b) == 0

    @given(JSON)
    def test_gives_a_value_or_is_refused(self, tree: Any) -> None:
        try:
            value = from_wire(tree)
        except InvalidValue:
            return

        assert compare(from_wire(to_wire(value)), value) == 0

    @given(st.binary(max_size=30))
    def test_of_any_bytes_gives_a_value_or_is_refused(self, text: bytes) -> None:
        try:
            value = decode(text)
        except InvalidValue:
            return

        assert compare(decode(encode(value)), value) == 0


class TestOtherForms:
    @given(VALUES)
    def test_clean_is_json(self, value: Any) -> None:
        json.dumps(clean(value), allow_nan=False)

    @given(VALUES)
    def test_export_keeps_every_kind(self, value: Any) -> None:
        tree = json.loads(export_text(value), parse_int=lambda digits: Int64(int(digits)))

        assert compare(revived(tree), value) == 0


def revived(tree: Any) -> Any:
    """Read export JSON, whose integers are Int64 already, by the rules of the wire."""
    if isinstance(tree, list):
        return [revived(item) for item in tree]
    if isinstance(tree, dict) and not tree.keys() & {"$float", "$bytes"}:
        return {name: revived(field) for name, field in tree.items()}
    return tree if isinstance(tree, Int64) else from_wire(tree)


class TestSize:
    @given(st.lists(VALUES, max_size=4))
    def test_of_an_array_is_2_and_its_items(self, items: list[Any]) -> None:
        assert size(items) == 2 + sum(map(size, items))

    @given(st.dictionaries(NAMES, VALUES, max_size=4))
    def test_of_an_object_is_2_and_its_fields(self, fields: dict[str, Any]) -> None:
        parts = [len(name) + 1 + size(field) for name, field in fields.items()]

        assert size(fields) == 2 + sum(parts)

    @given(VALUES)
    def test_does_not_change_on_the_wire(self, value: Any) -> None:
        assert size(decode(encode(value))) == size(value)


class TestIds:
    @given(TABLE_NUMBERS, INTERNALS)
    def test_are_read_back_as_they_were_written(self, table: int, internal: bytes) -> None:
        text = encode_id(table, internal)

        assert decode_id(text) == (table, internal)
        assert 31 <= len(text) <= 37

    @given(TABLE_NUMBERS, INTERNALS, INTERNALS)
    def test_sort_within_a_table_as_their_bytes_do(
        self, table: int, a: bytes, b: bytes
    ) -> None:
        assert (encode_id(table, a) < encode_id(table, b)) == (a < b)

    @given(st.integers(0, 2**56 - 1), st.binary(min_size=9, max_size=9))
    def test_carry_the_time_of_creation(self, time_us: int, chance: bytes) -> None:
        assert creation_us(make_internal(time_us, chance)) == time_us

    @given(TABLE_NUMBERS, INTERNALS, st.integers(0, 30), st.sampled_from(ALPHABET))
    def test_have_one_text_each(
        self, table: int, internal: bytes, at: int, other: str
    ) -> None:
        text = encode_id(table, internal)
        spoiled = text[:at] + other + text[at + 1 :]
        assume(spoiled != text)

        with pytest.raises(InvalidId):
            decode_id(spoiled)
