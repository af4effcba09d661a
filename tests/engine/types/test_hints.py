"""Which hints are types of the wire, and what a refusal says to write instead."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta

from chalicelib.engine.errors import InvalidHint
from chalicelib.engine.schema import UNSET, Document, Id, Int64, Struct, Unset
from chalicelib.engine.values.types import Role, type_of, validator_json, validator_text


class Team(Document, table="teams"):
    name: str


class Colour(enum.Enum):
    RED = "red"


class Circle(Struct, tag_field="kind", tag="circle"):
    radius: float


class Square(Struct, tag_field="kind", tag="square"):
    side: float


class Untagged(Struct):
    side: float


class Tree(Struct):
    children: list[Tree]


class Foreign(msgspec.Struct):
    side: float


class Options(Struct):
    page_size: int = 10
    team: Id[Team] | Unset = UNSET
    note: str | None


class TestValidatorJson:
    @pytest.mark.parametrize(
        ("hint", "expected"),
        [
            (None, {"type": "null"}),
            (bool, {"type": "boolean"}),
            (str, {"type": "string"}),
            (float, {"type": "number"}),
            (int, {"type": "number"}),
            (Int64, {"type": "bigint"}),
            (bytes, {"type": "bytes"}),
            (Any, {"type": "any"}),
            (Any | None, {"type": "any"}),
            (Id[Team], {"type": "id", "tableName": "teams"}),
            (Annotated[str, Meta(min_length=1)], {"type": "string"}),
            (Literal["a"], {"type": "literal", "value": "a"}),
            (list[str], {"type": "array", "value": {"type": "string"}}),
            (
                dict[str, float],
                {
                    "type": "record",
                    "keys": {"type": "string"},
                    "values": {"fieldType": {"type": "number"}, "optional": False},
                },
            ),
            (
                str | None,
                {"type": "union", "value": [{"type": "string"}, {"type": "null"}]},
            ),
        ],
    )
    def test_describes_each_hint_of_the_table(self, hint: Any, expected: Any) -> None:
        assert validator_json(type_of(hint), Role.ARGUMENT) == expected

    def test_lists_literals_in_a_stable_order(self) -> None:
        described = validator_json(type_of(Literal["b", "a"] | None), Role.ARGUMENT)

        assert described == {
            "type": "union",
            "value": [
                {"type": "literal", "value": "a"},
                {"type": "literal", "value": "b"},
                {"type": "null"},
            ],
        }

    def test_lets_a_default_be_absent_on_the_way_in_only(self) -> None:
        into = validator_json(type_of(Options), Role.ARGUMENT)["value"]
        out = validator_json(type_of(Options), Role.RESULT)["value"]

        assert {name: field["optional"] for name, field in into.items()} == {
            "pageSize": True,
            "team": True,
            "note": False,
        }
        assert {name: field["optional"] for name, field in out.items()} == {
            "pageSize": False,
            "team": True,
            "note": False,
        }

    def test_gives_documents_their_system_fields(self) -> None:
        fields = validator_json(type_of(Team), Role.RESULT)["value"]

        assert list(fields) == ["_id", "_creationTime", "name"]
        assert fields["_id"]["fieldType"] == {"type": "id", "tableName": "teams"}

    def test_gives_tagged_structs_their_tag(self) -> None:
        text = validator_text(type_of(Circle | Square), Role.ARGUMENT)

        assert text == (
            'v.union(v.object({kind: v.literal("circle"), radius: v.number()}),'
            ' v.object({kind: v.literal("square"), side: v.number()}))'
        )


class TestRefusal:
    @pytest.mark.parametrize(
        ("hint", "instead"),
        [
            (set[str], "list[X]"),
            (tuple[int, str], "list[X], or a Struct"),
            (Sequence[str], "list[X]"),
            (list, "list[Any]"),
            (dict, "dict[str, Any]"),
            (dict[int, str], "keys are str or Id"),
            (Decimal, "str for exact digits"),
            (datetime, "milliseconds"),
            (UUID, "write str"),
            (Colour, 'Literal["a", "b"]'),
            (Foreign, "derive it from Struct"),
            (Untagged | Circle, "a tag of its own"),
            (list[int] | list[str], "both array"),
            (Int64 | float, "Int64 goes together with None only"),
            (int | float, "both number"),
            (str | bytes, "str or bytes"),
            (Id[Team] | str, "both string"),
            (Circle | dict[str, Any], "both object"),
            (Tree, "holds itself"),
            (Circle | Any, "Any takes them all"),
            (list[str | Unset], "only in a field or a parameter"),
            (Id[Untagged], "an Id is of a Document"),
            (Literal[b"x"], "literals are text"),
            ("Missing", "could not be resolved"),
        ],
    )
    def test_says_what_to_write_instead(self, hint: Any, instead: str) -> None:
        with pytest.raises(InvalidHint) as refused:
            type_of(hint)

        assert instead in str(refused.value)

    def test_names_the_field(self) -> None:
        class Holder(Struct):
            tags: set[str]

        with pytest.raises(InvalidHint, match=r"^tags: set\[str\] is no type of the wire"):
            type_of(Holder)
