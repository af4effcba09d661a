"""Arguments in and results out of a function, by its signature alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    InvalidFunction,
    InvalidHint,
    InvalidValue,
    ReturnsValidationError,
)
from chalicelib.engine.functions.signature import Signature
from chalicelib.engine.schema import UNSET, Document, Id, Int64, Struct, Unset, attach

if TYPE_CHECKING:
    from decimal import Context


class Note(Document, table="notes"):
    text: str
    stars: float = 0.0


class Tag(Struct):
    full_name: str


def find(
    ctx: object,
    note_id: Id[Note],
    tag: Tag | None = None,
    most: int = 10,
    since: float | Unset = UNSET,
    extra: dict[str, Any] = {},  # noqa: B006 - msgspec copies it
) -> list[Note]:
    """Notes like another."""
    raise NotImplementedError


FIND = Signature(find)
NOTES = [attach(Note(text="a"), "n1", 5.0), attach(Note(text="b", stars=1.5), "n2", 6.0)]


def signature_of(function: Callable[..., Any]) -> Signature:
    signature = Signature(function)
    signature.build()
    return signature


class TestArguments:
    def test_come_by_their_python_names_with_defaults(self) -> None:
        arguments = FIND.decode_args(b'{"noteId":"n1","tag":{"fullName":"x"},"most":3.0}')

        assert arguments == {
            "note_id": "n1",
            "tag": Tag(full_name="x"),
            "most": 3,
            "since": UNSET,
            "extra": {},
        }

    def test_may_be_a_value_already(self) -> None:
        assert FIND.decode_args({"noteId": "n1", "extra": {"big": Int64(1)}})["extra"] == {
            "big": Int64(1)
        }

    def test_share_no_default(self) -> None:
        FIND.decode_args(b'{"noteId":"n1"}')["extra"]["left"] = 1

        assert FIND.decode_args(b'{"noteId":"n1"}')["extra"] == {}

    def test_that_are_wrong_are_told_in_convex_words(self) -> None:
        with pytest.raises(ArgumentValidationError) as refused:
            FIND.decode_args(b'{"noteId":"n1","tag":{"fullName":1}}')

        assert str(refused.value) == (
            "ArgumentValidationError: Value does not match validator.\nPath: .tag.fullName\n"
            "Value: 1.0\nValidator: v.string()"
        )

    def test_that_are_missing_or_too_many_are_told_in_convex_words(self) -> None:
        with pytest.raises(
            ArgumentValidationError, match="missing the required field `noteId`"
        ):
            FIND.decode_args(b"{}")
        with pytest.raises(ArgumentValidationError, match="contains extra field `note_id`"):
            FIND.decode_args(b'{"noteId":"n1","note_id":"n1"}')

    def test_name_ids_of_the_right_table(self) -> None:
        assert FIND.decode_args(b'{"noteId":"n1"}', lambda _: "notes")
        with pytest.raises(
            ArgumentValidationError, match='Found ID "n1" from table `tags`'
        ):
            FIND.decode_args(b'{"noteId":"n1"}', lambda _: "tags")
        with pytest.raises(ArgumentValidationError, match=r'Validator: v\.id\("notes"\)'):
            FIND.decode_args(b'{"noteId":"n1"}', lambda _: None)

    def test_must_be_values(self) -> None:
        with pytest.raises(InvalidValue):
            FIND.decode_args(b'{"noteId":"n1","extra":{"$what":"1"}}')

    def test_can_be_none_at_all(self) -> None:
        def ping(ctx: object) -> None: ...

        signature = Signature(ping)

        assert signature.decode_args(b"{}") == {}
        assert signature.args_json() == {"type": "object", "value": {}}
        with pytest.raises(ArgumentValidationError, match="extra field"):
            signature.decode_args(b'{"x":1}')


class TestEncodedArguments:
    def test_leave_defaults_out(self) -> None:
        assert FIND.encode_args({"note_id": "n1", "most": 10}) == b'{"noteId":"n1"}'

    def test_come_back_the_same(self) -> None:
        given = {
            "note_id": "n1",
            "tag": Tag(full_name="x"),
            "extra": {"b": b"\0", "f": -0.0},
        }

        back = FIND.decode_args(FIND.encode_args(given))

        assert back == {**given, "most": 10, "since": UNSET}

    def test_are_judged(self) -> None:
        with pytest.raises(ArgumentValidationError, match=r"Path: \.most"):
            FIND.encode_args({"note_id": "n1", "most": "many"})
        with pytest.raises(ArgumentValidationError, match="note_id"):
            FIND.encode_args({})
        with pytest.raises(ArgumentValidationError, match="noteId"):
            FIND.encode_args({"noteId": "n1"})

    def test_may_be_given_by_place(self) -> None:
        assert FIND.bind(("n1", None), {"most": 3}) == {
            "note_id": "n1",
            "tag": None,
            "most": 3,
        }
        with pytest.raises(ArgumentValidationError, match="note_id was given twice"):
            FIND.bind(("n1",), {"note_id": "n2"})
        with pytest.raises(
            ArgumentValidationError, match="6 arguments were given, 5 are taken"
        ):
            FIND.bind(("n1",) * 6, {})


class TestResult:
    def test_carries_ids_and_creation_times(self) -> None:
        assert FIND.encode_result(NOTES) == (
            b'[{"_id":"n1","_creationTime":5.0,"text":"a","stars":0.0},'
            b'{"_id":"n2","_creationTime":6.0,"text":"b","stars":1.5}]'
        )

    def test_comes_back_typed(self) -> None:
        back = FIND.decode_result(FIND.encode_result(NOTES))

        assert back == NOTES
        assert back[1].id == "n2"

    def test_is_checked_on_request(self) -> None:
        FIND.check_result(FIND.encode_result(NOTES))

        with pytest.raises(ReturnsValidationError) as refused:
            FIND.check_result(FIND.encode_result([Note(text="never inserted")]))

        assert str(refused.value).startswith(
            "ReturnsValidationError: Object is missing the required field `_id`."
        )

    def test_that_was_not_promised_does_not_come_back(self) -> None:
        with pytest.raises(ReturnsValidationError, match="Value does not match"):
            FIND.decode_result(b"3")


class TestDescription:
    def test_tells_what_may_be_absent(self) -> None:
        fields = FIND.args_json()["value"]

        assert {name: field["optional"] for name, field in fields.items()} == {
            "noteId": False,
            "tag": True,
            "most": True,
            "since": True,
            "extra": True,
        }
        assert FIND.returns_json()["value"]["value"]["stars"] == {
            "fieldType": {"type": "number"},
            "optional": False,
        }


class TestRefusal:
    def test_of_a_parameter_without_a_type(self) -> None:
        def wrong(ctx, name) -> None: ...  # type: ignore[no-untyped-def]

        with pytest.raises(InvalidFunction, match="name: write its type"):
            signature_of(wrong)

    def test_of_a_result_without_a_type(self) -> None:
        def wrong(ctx: object): ...  # type: ignore[no-untyped-def]

        with pytest.raises(InvalidFunction, match="write what it returns, or -> None"):
            signature_of(wrong)

    def test_of_arguments_without_names(self) -> None:
        def starred(ctx: object, *names: str) -> None: ...
        def placed(ctx: object, name: str, /) -> None: ...

        for wrong in (starred, placed):
            with pytest.raises(InvalidFunction, match="arguments have names"):
                signature_of(wrong)

    def test_of_a_function_without_ctx(self) -> None:
        def wrong() -> None: ...

        with pytest.raises(InvalidFunction, match="first parameter is the ctx"):
            signature_of(wrong)

    def test_of_a_document_as_an_argument(self) -> None:
        def wrong(ctx: object, note: Note) -> None: ...

        with pytest.raises(InvalidFunction, match=r"take an Id\[Note\] instead"):
            signature_of(wrong)

    def test_of_types_that_the_wire_lacks(self) -> None:
        def taking(ctx: object, tags: set[str]) -> None: ...
        def giving(ctx: object) -> tuple[int, ...]:
            raise NotImplementedError

        with pytest.raises(InvalidHint, match=r"tags: set\[str\] is no type of the wire"):
            signature_of(taking)
        with pytest.raises(InvalidHint, match="return: "):
            signature_of(giving)

    def test_of_names_that_only_a_checker_sees(self) -> None:
        def wrong(ctx: object, context: Context) -> None: ...

        with pytest.raises(InvalidFunction, match=r"Context.*not under TYPE_CHECKING"):
            signature_of(wrong)
