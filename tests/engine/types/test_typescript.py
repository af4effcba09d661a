"""Every row of the table of types, as a client's program sees it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from chalicelib.engine.schema import UNSET, Document, Id, Int64, StoredFile, Struct, Unset
from chalicelib.engine.values.types import ObjectOf, Role, type_of
from chalicelib.engine.values.types.typescript import TypeScript, comment_text


class Workflow(Document, table="workflows"):
    name: str
    status: str = "draft"
    note: str | Unset = UNSET


class OldWorkflow(Document, shape_of="workflows"):
    title: str


class Elsewhere(Document, table="elsewhere"):
    name: str


class Position(Struct):
    x_2d: float
    y: float = 0.0
    label: str | Unset = UNSET
    hint: str | Unset | None = UNSET


class Nothing(Struct):
    pass


class Circle(Struct, tag_field="kind", tag="circle"):
    radius: float


class Square(Struct, tag_field="kind", tag="square"):
    side: float


class Odd(Struct, tag_field="a-b", tag='say "hi"'):
    pass


TYPES = TypeScript({"workflows": Workflow}, {"workflows", "_storage"})

SAME_BOTH_WAYS = [
    (None, "null"),
    (bool, "boolean"),
    (str, "string"),
    (float, "number"),
    (int, "number"),
    (Int64, "bigint"),
    (bytes, "ArrayBuffer"),
    (Any, "any"),
    (object, "any"),
    (Id[Workflow], 'Id<"workflows">'),
    (Id[StoredFile], 'Id<"_storage">'),
    (Id[Elsewhere], 'GenericId<"elsewhere">'),
    (Literal["b", "a"], '"a" | "b"'),
    (Literal['"', "é\n"], '"\\"" | "é\\n"'),
    (Literal[2, -1, True], "true | -1 | 2"),
    (Literal["a"] | None, '"a" | null'),
    (str | None, "string | null"),
    (None | str, "string | null"),
    (float | str, "number | string"),
    (str | float, "number | string"),
    (list[str], "string[]"),
    (list[list[int]], "number[][]"),
    (list[str | None], "(string | null)[]"),
    (list[Literal["a", "b"]], '("a" | "b")[]'),
    (list[Literal["a"]], '"a"[]'),
    (dict[str, bool], "Record<string, boolean>"),
    (dict[Id[Workflow], int | None], 'Record<Id<"workflows">, number | null>'),
    (Annotated[str, Meta(min_length=1)], "string"),
    (Nothing, "Record<string, never>"),
    (Circle, '{ kind: "circle"; radius: number }'),
    (
        Square | Circle | None,
        '{ kind: "circle"; radius: number } | { kind: "square"; side: number } | null',
    ),
    (Odd, '{ "a-b": "say \\"hi\\"" }'),
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("hint", "text"), SAME_BOTH_WAYS, ids=lambda row: str(row)[:40])
def test_a_hint_is_a_type(hint: Any, text: str, role: Role) -> None:
    assert TYPES.text(type_of(hint), role) == text


class TestWhatMayBeAbsent:
    def test_an_argument_that_has_a_default_may(self) -> None:
        assert TYPES.text(type_of(Position), Role.ARGUMENT) == (
            "{ x2d: number; y?: number; label?: string; hint?: string | null }"
        )

    def test_of_a_result_only_what_may_be_unset(self) -> None:
        assert TYPES.text(type_of(Position), Role.RESULT) == (
            "{ x2d: number; y: number; label?: string; hint?: string | null }"
        )


class TestDocuments:
    def test_of_a_table_have_its_name(self) -> None:
        assert TYPES.text(type_of(list[Workflow]), Role.RESULT) == 'Doc<"workflows">[]'

    def test_are_written_out_once(self) -> None:
        tree = type_of(Workflow)
        assert isinstance(tree, ObjectOf)

        assert TYPES.fields(tree, Role.RESULT) == (
            "{\n"
            '  _id: Id<"workflows">;\n'
            "  _creationTime: number;\n"
            "  name: string;\n"
            "  status: string;\n"
            "  note?: string;\n"
            "}"
        )

    @pytest.mark.parametrize("document", [OldWorkflow, Elsewhere, StoredFile])
    def test_that_are_not_of_a_table_of_the_app_are_written_out(
        self, document: type[Document]
    ) -> None:
        assert TYPES.text(type_of(document), Role.RESULT, 0).startswith("{")
        assert "Doc" not in TYPES.text(type_of(document), Role.RESULT, 0)


class Shapes(Struct):
    first_of_the_shapes: Circle | Square
    all_of_the_other_shapes: list[Circle | Square | None]


def test_what_is_too_long_for_a_line_takes_several() -> None:
    assert TYPES.text(type_of(Shapes), Role.RESULT, 20) == (
        "{\n"
        "                                          firstOfTheShapes:\n"
        '                                            | { kind: "circle"; radius: number }\n'
        '                                            | { kind: "square"; side: number };\n'
        "                                          allOfTheOtherShapes: (\n"
        '                                            | { kind: "circle"; radius: number }\n'
        '                                            | { kind: "square"; side: number }\n'
        "                                            | null\n"
        "                                          )[];\n"
        "                                        }"
    )


class TestComments:
    def test_take_a_line_if_they_are_one(self) -> None:
        assert comment_text("Say it.", 1) == "  /** Say it. */\n"

    def test_keep_their_lines(self) -> None:
        assert comment_text("One.\n\n  Two.  \n") == "/**\n * One.\n *\n *   Two.\n */\n"

    def test_end_where_they_should(self) -> None:
        assert comment_text("a */ b") == "/** a *\\/ b */\n"

    @pytest.mark.parametrize("text", [None, "", " \n "])
    def test_are_left_out_where_there_is_nothing_to_say(self, text: str | None) -> None:
        assert comment_text(text) == ""
