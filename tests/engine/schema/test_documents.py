"""Documents: their names on the wire, their image, their id, their policies."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from msgspec import Meta

from chalicelib.engine.errors import InvalidSchema, InvalidValue, SchemaMismatch
from chalicelib.engine.schema import (
    UNSET,
    Document,
    Id,
    Int64,
    Struct,
    Unset,
    attach,
    codec_of,
    may_read,
    may_write,
    wire_name,
)


class Place(Struct):
    x: float
    y: float


class Person(Document, table="people"):
    full_name: Annotated[str, Meta(min_length=1)]
    age: int = 0
    home: Place | Unset = UNSET
    friends: list[Id[Person]] = []  # noqa: RUF012 - msgspec copies it
    notes: dict[str, Any] = {}  # noqa: RUF012


class Blob(Document, table="blobs"):
    content: bytes
    serial: Int64 | None = None


class Open(Document, table="open"):
    owner: str

    def can_read(self, ctx: object) -> bool:
        return ctx == self.owner

    can_write = can_read


PEOPLE = codec_of(Person)


def ann(**fields: Any) -> Person:
    return Person(full_name="Ann", **fields)


class TestImage:
    def test_has_wire_names_and_no_system_fields(self) -> None:
        person = attach(ann(home=Place(x=1.0, y=2.0)), "id1", 5.0)

        assert PEOPLE.encode(person) == (
            b'{"fullName":"Ann","age":0,"home":{"x":1.0,"y":2.0},"friends":[],"notes":{}}'
        )

    def test_is_the_same_for_equal_numbers(self) -> None:
        exact = ann(home=Place(x=1.0, y=2.0))
        loose = ann(home=Place(x=1, y=2))

        assert PEOPLE.encode(loose) == PEOPLE.encode(exact)

    def test_gives_the_document_back_with_its_id_and_time(self) -> None:
        image = PEOPLE.encode(ann(age=3, notes={"a": [1, None]}))

        person = PEOPLE.decode(image, "id1", 1234.5)

        assert (person.id, person.creation_time) == ("id1", 1234.5)
        assert (person.age, person.notes, person.home) == (3, {"a": [1, None]}, UNSET)

    def test_keeps_what_json_has_no_word_for(self) -> None:
        image = PEOPLE.encode(ann(home=Place(x=math.inf, y=-0.0), notes={"b": b"x"}))

        person = PEOPLE.decode(image, "id1", 0.0)

        assert repr(person.home) == "Place(x=inf, y=-0.0)"
        assert person.notes == {"b": b"x"}

    def test_keeps_bytes_and_bigints(self) -> None:
        codec = codec_of(Blob)

        blob = codec.decode(codec.encode(Blob(content=b"\0", serial=Int64(7))), "id1", 0.0)

        assert (blob.content, blob.serial, type(blob.serial)) == (b"\0", 7, Int64)

    def test_leaves_the_document_as_it_is(self) -> None:
        person = attach(ann(), "id1", 5.0)

        PEOPLE.encode(person)

        assert person.id == "id1"


class TestCheckOnWrite:
    def test_names_the_table_and_the_place(self) -> None:
        broken = ann(home=Place(x="east", y=2.0))  # type: ignore[arg-type]

        with pytest.raises(SchemaMismatch) as refused:
            PEOPLE.encode(broken)

        assert str(refused.value) == (
            'Failed to insert or update a document in table "people" because it does not match'
            ' the schema: Value does not match validator.\nPath: .home.x\nValue: "east"\n'
            "Validator: v.number()"
        )

    def test_keeps_constraints(self) -> None:
        with pytest.raises(SchemaMismatch, match="length >= 1"):
            PEOPLE.encode(Person(full_name=""))

    def test_takes_no_bigint_for_an_int(self) -> None:
        with pytest.raises(SchemaMismatch, match=r"Path: \.age\nValue: 3n"):
            PEOPLE.encode(ann(age=Int64(3)))

    def test_takes_ids_of_the_right_table_only(self) -> None:
        befriended = ann(friends=["p1"])

        assert PEOPLE.encode(befriended, lambda _: "people")
        with pytest.raises(SchemaMismatch, match='Found ID "p1" from table `teams`'):
            PEOPLE.encode(befriended, lambda _: "teams")

    def test_refuses_more_than_16_levels(self) -> None:
        def nested(levels: int) -> Any:
            return [nested(levels - 1)] if levels else 1

        assert PEOPLE.encode(ann(notes={"deep": nested(14)}))
        with pytest.raises(InvalidValue, match="nested too deeply"):
            PEOPLE.encode(ann(notes={"deep": nested(15)}))

    def test_refuses_more_than_a_mebibyte(self) -> None:
        assert PEOPLE.encode(ann(notes={"long": "x" * 1_000_000}))
        with pytest.raises(InvalidValue, match="too large"):
            PEOPLE.encode(ann(notes={"long": "x" * (1 << 20)}))

    def test_refuses_reserved_names_inside_any(self) -> None:
        with pytest.raises(InvalidValue, match="reserved"):
            PEOPLE.encode(ann(notes={"$a": 1, "b": 2}))


class TestDecode:
    def test_fills_in_defaults_of_fields_that_came_later(self) -> None:
        assert PEOPLE.decode(b'{"fullName":"Bob"}', "id1", 0.0).age == 0

    def test_names_a_document_of_another_schema(self) -> None:
        with pytest.raises(
            SchemaMismatch, match='ID "id1" in table "people" does not match'
        ):
            PEOPLE.decode(b'{"name":"Bob"}', "id1", 0.0)


class TestIdentity:
    def test_is_not_there_before_insert(self) -> None:
        person = ann()

        for ask in (lambda: person.id, lambda: person.creation_time):
            with pytest.raises(InvalidSchema, match="before it is inserted"):
                ask()
        with pytest.raises(InvalidSchema, match="before it is inserted"):
            PEOPLE.wire(person)

    def test_is_on_the_wire_under_reserved_names(self) -> None:
        blob = attach(Open(owner="ann"), "id1", 5.0)

        assert (
            codec_of(Open).wire(blob) == b'{"_id":"id1","_creationTime":5.0,"owner":"ann"}'
        )


class TestPolicies:
    def test_are_closed_unless_written(self) -> None:
        assert not may_read(ann(), "anybody")
        assert not may_write(ann(), "anybody")

    def test_are_asked_with_the_ctx(self) -> None:
        document = Open(owner="ann")

        assert may_read(document, "ann")
        assert may_write(document, "ann")
        assert not may_read(document, "bob")


class TestDeclaration:
    def test_needs_a_table(self) -> None:
        with pytest.raises(InvalidSchema, match="InvalidTableName"):

            class Nameless(Document):
                pass

    @pytest.mark.parametrize("table", ["", "1st", "a-b", "___", "x" * 65])
    def test_refuses_bad_table_names(self, table: str) -> None:
        with pytest.raises(InvalidSchema, match="InvalidTableName"):

            class Wrong(Document, table=table):
                pass

    def test_keeps_system_tables_to_the_engine(self) -> None:
        with pytest.raises(InvalidSchema, match="TableNameReserved"):

            class Wrong(Document, table="_storage"):
                pass

    def test_refuses_fields_of_reserved_names(self) -> None:
        with pytest.raises(InvalidSchema, match="IndexFieldNameReserved"):

            class Wrong(Document, table="wrong"):
                creation_time: float

    def test_refuses_policies_of_another_signature(self) -> None:
        with pytest.raises(InvalidSchema, match="takes self and ctx"):

            class Wrong(Document, table="wrong"):
                def can_read(self) -> bool:
                    return True

    def test_refuses_documents_inside_documents(self) -> None:
        class Outer(Document, table="outer"):
            person: Person

        with pytest.raises(InvalidSchema, match=r"Id\[Person\]"):
            codec_of(Outer)


@pytest.mark.parametrize(
    ("here", "wire"),
    [
        ("name", "name"),
        ("by_owner", "byOwner"),
        ("list_", "list"),
        ("x_2d", "x2d"),
        ("_creation_time", "_creationTime"),
        ("a__b", "aB"),
        ("HTTP_url", "HTTPUrl"),
        ("_", "_"),
    ],
)
def test_names_are_camel_case_on_the_wire(here: str, wire: str) -> None:
    assert wire_name(here) == wire
