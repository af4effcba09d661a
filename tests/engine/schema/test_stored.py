"""What the catalogue keeps of a class judges documents as the class itself does."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from chalicelib.engine.schema import UNSET, Document, Id, Int64, Struct, Unset, codec_of
from chalicelib.engine.schema.stored import includes, misfit, shape_of, stored_text
from chalicelib.engine.values.types import type_of


class Owner(Document, table="owners"):
    name: str


class Red(Struct, tag_field="kind", tag="red"):
    depth: int


class Blue(Struct, tag_field="kind", tag="blue"):
    depth: float


class Thing(Document, table="things"):
    name: str
    owner: Id[Owner] | None
    count: int
    weight: float
    big: Int64 | Unset = UNSET
    colour: Red | Blue
    tags: list[str]
    scores: dict[str, float] = msgspec.field(default_factory=dict)
    mode: Literal["fast", "slow"] = "slow"


GOOD: dict[str, Any] = {
    "name": "a",
    "owner": None,
    "count": 3.0,
    "weight": 1.5,
    "colour": {"kind": "red", "depth": 1},
    "tags": ["x"],
    "scores": {"a": 1},
    "mode": "fast",
}
TEXT = stored_text(codec_of(Thing).tree)
SHAPE = shape_of(TEXT)


def text_of(hint: Any) -> str:
    return stored_text(type_of(hint))


class TestMisfit:
    def test_is_none_for_a_document_of_the_class(self) -> None:
        assert misfit(SHAPE, GOOD) is None

    def test_is_none_where_a_field_with_a_default_is_absent(self) -> None:
        older = {name: GOOD[name] for name in GOOD if name not in ("scores", "mode")}

        assert misfit(SHAPE, older) is None

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"name": 1}, ".name"),
            ({"name": None}, ".name"),
            ({"owner": 3}, ".owner"),
            ({"count": 1.5}, ".count"),
            ({"count": float("inf")}, ".count"),
            ({"count": Int64(3)}, ".count"),
            ({"weight": True}, ".weight"),
            ({"big": 1}, ".big"),
            ({"colour": {"kind": "red", "depth": 1.5}}, ".colour.depth"),
            ({"colour": {"kind": "green", "depth": 1}}, ".colour.kind"),
            ({"colour": {"kind": "blue"}}, ".colour.depth"),
            ({"tags": ["x", 2]}, ".tags[1]"),
            ({"tags": {}}, ".tags"),
            ({"scores": {"a": "b"}}, ".scores.a"),
            ({"mode": "stuck"}, ".mode"),
            ({"mode": True}, ".mode"),
            ({"surplus": 1}, ".surplus"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, change: dict[str, Any], path: str) -> None:
        found = misfit(SHAPE, GOOD | change)

        assert found is not None
        assert found.path == path

    def test_names_the_field_that_is_missing(self) -> None:
        found = misfit(SHAPE, {name: GOOD[name] for name in GOOD if name != "count"})

        assert found is not None
        assert (found.path, found.reason) == (".count", "the field is required and missing")

    def test_of_an_id_depends_on_its_table(self) -> None:
        document = GOOD | {"owner": "someid"}

        assert misfit(SHAPE, document) is None
        assert misfit(SHAPE, document, lambda _: "owners") is None
        assert misfit(SHAPE, document, lambda _: "things") is not None
        assert misfit(SHAPE, document, lambda _: None) is not None

    def test_is_none_where_nothing_is_known(self) -> None:
        assert misfit(shape_of(""), {"whatever": [1, None]}) is None


class TestStoredText:
    def test_does_not_depend_on_the_order_of_fields(self) -> None:
        class One(Struct):
            a: int
            b: str

        class Other(Struct):
            b: str
            a: int

        assert text_of(One) == text_of(Other)

    def test_tells_whole_numbers_apart(self) -> None:
        assert text_of(int) != text_of(float)

    def test_is_json_that_goes_there_and_back(self) -> None:
        assert msgspec.json.decode(TEXT) == SHAPE


class A(Struct):
    x: int


class AWithMore(Struct):
    x: int
    y: str | Unset = UNSET


class AWithDefault(Struct):
    x: int
    y: str = ""


class AWithAnother(Struct):
    x: int
    y: str


WIDER: list[tuple[Any, Any]] = [
    (Any, A),
    (float, int),
    (str | None, str),
    (str | None, None),
    (str, Id[Owner]),
    (str, Literal["a"]),
    (int, Literal[1]),
    (Literal["a", "b"], Literal["a"]),
    (list[float], list[int]),
    (dict[str, Any], dict[str, int]),
    (AWithMore, A),
    (AWithDefault, A),
    (A | None, A),
    (AWithMore, AWithAnother),
]


@pytest.mark.parametrize(("wide", "narrow"), WIDER)
def test_a_wider_type_includes_a_narrower_one_and_not_the_other_way(
    wide: Any, narrow: Any
) -> None:
    wide_shape, narrow_shape = shape_of(text_of(wide)), shape_of(text_of(narrow))

    assert includes(wide_shape, narrow_shape)
    assert not includes(narrow_shape, wide_shape)


@pytest.mark.parametrize(
    ("one", "other"), [(str, int), (A, AWithAnother), (list[int], dict[str, int])]
)
def test_types_that_only_differ_include_each_other_neither_way(
    one: Any, other: Any
) -> None:
    first, second = shape_of(text_of(one)), shape_of(text_of(other))

    assert not includes(first, second)
    assert not includes(second, first)


def test_a_type_includes_itself() -> None:
    assert includes(SHAPE, SHAPE)
