"""What is accepted, what arrives, and the words of a refusal."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from msgspec import Meta

from chalicelib.engine.errors import InvalidValue, TypeMismatch
from chalicelib.engine.schema import UNSET, Document, Id, Int64, Struct, Unset
from chalicelib.engine.values.types import Role, TypeCodec

T = TypeVar("T")


class Team(Document, table="teams"):
    name: str


class Point(Struct):
    x: float
    y: float = 0.0


class Node(Struct):
    id: str
    position: Point


class Graph(Struct):
    nodes: list[Node]


class Note(Struct):
    text: Annotated[str, Meta(min_length=2)]
    team: Id[Team] | Unset = UNSET


class Batch(Struct, Generic[T]):
    items: list[T]
    next: Int64 | None


def decode(hint: Any, text: bytes) -> Any:
    return TypeCodec(hint, Role.ARGUMENT).decode(text)


def encode(hint: Any, value: Any) -> bytes:
    return TypeCodec(hint, Role.RESULT).encode(value)


def refusal(hint: Any, text: bytes) -> str:
    with pytest.raises(TypeMismatch) as refused:
        decode(hint, text)
    return str(refused.value)


def table_of(text: str) -> str | None:
    return {"t1": "teams", "u1": "users"}.get(text)


class TestNumbers:
    @pytest.mark.parametrize("text", [b"3", b"3.0"])
    def test_a_float_may_come_without_a_fraction(self, text: bytes) -> None:
        assert repr(decode(float, text)) == "3.0"

    def test_a_whole_number_may_come_with_a_fraction_of_zero(self) -> None:
        assert repr(decode(int, b"3.0")) == "3"

    @pytest.mark.parametrize(
        "text", [b"3.5", b"9007199254740994", b'{"$float":"AAAAAAAA+H8="}']
    )
    def test_an_int_takes_nothing_that_is_not_whole_and_exact(self, text: bytes) -> None:
        assert refusal(int, text).startswith("Value is not a whole number")

    def test_nan_arrives(self) -> None:
        assert math.isnan(decode(float, b'{"$float":"AAAAAAAA+H8="}'))

    def test_a_bigint_is_no_number(self) -> None:
        assert refusal(int, b'{"$integer":"AQAAAAAAAAA="}') == (
            "Value does not match validator.\nValue: 1n\nValidator: v.number()"
        )

    def test_true_is_no_literal_1(self) -> None:
        assert "v.literal(1)" in refusal(Literal[1], b"true")


class TestSpecialForms:
    def test_bytes_and_bigints_arrive_as_such(self) -> None:
        arrived = decode(
            dict[str, Any], b'{"a":{"$bytes":"AQID"},"b":{"$integer":"AQAAAAAAAAA="}}'
        )

        assert arrived == {"a": b"\1\2\3", "b": Int64(1)}
        assert type(arrived["b"]) is Int64

    def test_base64_text_is_not_bytes(self) -> None:
        text = base64.b64encode(b"abc")

        assert "v.bytes()" in refusal(bytes, b'"' + text + b'"')

    def test_an_escaped_dollar_is_one_too(self) -> None:
        assert decode(Any, b'{"\\u0024bytes":"AQID"}') == b"\1\2\3"

    def test_text_may_start_with_a_dollar(self) -> None:
        assert decode(Note, b'{"text":"$5"}') == Note(text="$5")


class TestWords:
    def test_lead_to_the_place(self) -> None:
        text = b'{"nodes":[{"id":"a","position":{"x":1,"y":"q"}}]}'

        assert refusal(Graph, text) == (
            "Value does not match validator.\nPath: .nodes[0].position.y\n"
            'Value: "q"\nValidator: v.number()'
        )

    def test_of_a_missing_field_are_those_of_convex(self) -> None:
        assert refusal(Note, b"{}") == (
            "Object is missing the required field `text`. Consider wrapping the field validator"
            " in `v.optional(...)` if this is expected.\n\nObject: {}\n"
            'Validator: v.object({team: v.optional(v.id("teams")), text: v.string()})'
        )

    def test_of_an_extra_field_are_those_of_convex(self) -> None:
        assert refusal(Point, b'{"x":1,"z":[true,null]}') == (
            "Object contains extra field `z` that is not in the validator.\n\n"
            "Object: {x: 1.0, z: [true, null]}\n"
            "Validator: v.object({x: v.number(), y: v.optional(v.number())})"
        )

    def test_of_a_wrong_field_deep_inside_have_the_path(self) -> None:
        message = refusal(Graph, b'{"nodes":[{"id":"a","position":{}}]}')

        assert "if this is expected.\nPath: .nodes[0].position\nObject: {}\n" in message

    def test_of_a_broken_constraint_are_msgspecs(self) -> None:
        assert refusal(Note, b'{"text":"a"}') == (
            "Expected `str` of length >= 2 - at `$.text`"
        )

    def test_of_a_nullable_choice_show_all_of_it(self) -> None:
        message = refusal(Literal["a", "b"] | None, b'"c"')

        assert message.endswith(
            'Validator: v.union(v.literal("a"), v.literal("b"), v.null())'
        )


class TestIds:
    codec = TypeCodec(dict[Id[Team], list[Note | None]], Role.ARGUMENT)

    def test_of_the_right_table_pass(self) -> None:
        text = b'{"t1":[{"text":"ab","team":"t1"},null]}'

        assert self.codec.decode(text, table_of) == {
            "t1": [Note(text="ab", team=Id[Team]("t1")), None]
        }

    def test_of_another_table_are_named_with_both_tables(self) -> None:
        with pytest.raises(TypeMismatch) as refused:
            self.codec.decode(b'{"t1":[{"text":"ab","team":"u1"}]}', table_of)

        assert str(refused.value) == (
            'Found ID "u1" from table `users`, which does not match the table name in validator'
            ' `v.id("teams")`.\nPath: .t1[0].team\nValue: "u1"\nValidator: v.id("teams")'
        )

    def test_that_are_none_do_not_match(self) -> None:
        with pytest.raises(TypeMismatch, match="Value does not match validator"):
            self.codec.decode(b'{"nobody":[]}', table_of)

    def test_are_text_where_no_backend_runs(self) -> None:
        assert self.codec.decode(b'{"nobody":[]}') == {"nobody": []}


class TestGenericStructs:
    def test_are_types_for_each_argument(self) -> None:
        text = b'{"items":[{"x":1,"y":2}],"next":null}'

        assert decode(Batch[Point], text) == Batch(items=[Point(x=1.0, y=2.0)], next=None)
        assert "v.string()" in refusal(Batch[str], text)

    def test_are_written_with_what_they_hold(self) -> None:
        batch = Batch(items=[math.nan], next=Int64(1))

        assert encode(Batch[float], batch) == (
            b'{"items":[{"$float":"AAAAAAAA+H8="}],"next":{"$integer":"AQAAAAAAAAA="}}'
        )


class TestEncode:
    def test_writes_camel_case_and_leaves_out_what_is_unset(self) -> None:
        assert encode(Note, Note(text="ab")) == b'{"text":"ab"}'

    def test_writes_what_json_has_no_word_for(self) -> None:
        value = {"nan": math.nan, "zero": -0.0, "big": Int64(1), "raw": b"\1\2\3"}

        assert encode(dict[str, Any], value) == (
            b'{"nan":{"$float":"AAAAAAAA+H8="},"zero":{"$float":"AAAAAAAAAIA="},'
            b'"big":{"$integer":"AQAAAAAAAAA="},"raw":{"$bytes":"AQID"}}'
        )

    def test_writes_structs_inside_any(self) -> None:
        assert (
            encode(Any, [Point(x=math.inf)]) == b'[{"x":{"$float":"AAAAAAAA8H8="},"y":0.0}]'
        )

    @pytest.mark.parametrize(
        "value",
        [
            datetime(2024, 1, 31, tzinfo=UTC),
            {1: "a"},
            {"$a": 1},
            2**53 + 1,
            object(),
            "\ud800",
        ],
    )
    def test_refuses_what_is_no_value(self, value: Any) -> None:
        with pytest.raises(InvalidValue):
            encode(Any, {"here": value})

    def test_refuses_a_datetime_where_a_number_was_promised(self) -> None:
        with pytest.raises(InvalidValue):
            encode(float, datetime(2024, 1, 31, tzinfo=UTC))
