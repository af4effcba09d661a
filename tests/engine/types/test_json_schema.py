"""Types as JSON Schema: what msgspec says, and what only the engine knows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest

from chalicelib.engine.server import (
    UNSET,
    Document,
    Id,
    Meta,
    MutationCtx,
    Struct,
    Unset,
    mutation,
)
from chalicelib.engine.values.ids import encode_id
from chalicelib.engine.values.types.json_schema import (
    Components,
    argument_schemas,
    result_schema,
)


class Hull(Struct):
    """What floats."""

    metres: Annotated[float, Meta(gt=0)]
    extra: dict[str, Any] = {}  # noqa: RUF012


class Ship(Document, table="ships"):
    """A ship."""

    name: str
    hull: Hull


@mutation
def change(
    ctx: MutationCtx,
    ship_id: Id[Ship],
    hull: Hull | Unset = UNSET,
    kind: Literal["sloop", "ketch"] | None = None,
    anything: Any = None,
) -> Ship | None: ...


def judge(hint: Any) -> jsonschema.Draft202012Validator:
    components: Components = {}
    schema = result_schema(hint, components)
    whole = {**schema, "components": {"schemas": components}}
    return jsonschema.Draft202012Validator(whole)


def test_arguments_are_told_one_by_one_with_those_that_must_be_there() -> None:
    components: Components = {}

    found, required = argument_schemas(change.signature.struct, components)

    assert list(found) == ["shipId", "hull", "kind", "anything"]
    assert required == {"shipId"}
    assert found["hull"] == {"$ref": "#/components/schemas/Hull"}
    assert set(components) == {"Hull", "Value"}
    assert components["Hull"]["description"] == "What floats."


def test_ids_have_the_form_that_ids_have() -> None:
    found, _ = argument_schemas(change.signature.struct, {})
    validator = jsonschema.Draft202012Validator(found["shipId"])

    assert validator.is_valid(encode_id(9, bytes(range(16))))
    for wrong in ("", "42", "l" * 31, encode_id(9, bytes(16)).upper()):
        assert not validator.is_valid(wrong)


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        (None, True),
        ([{"a": [1.5, "x", None, True]}], True),
        ({"a b": {"~": []}}, True),
        ({"": 1}, True),
        ({"$a": 1}, False),
        ({"a": {"ä": 1}}, False),
        ([{"\n": 1}], False),
    ],
)
def test_any_is_any_value(value: Any, is_valid: bool) -> None:
    assert judge(Any).is_valid(value) is is_valid
    assert judge(dict[str, Any]).is_valid({"x": value}) is is_valid


def test_constraints_of_hints_are_told() -> None:
    hull = judge(Hull)

    assert hull.is_valid({"metres": 1, "extra": {"x": 1}})
    assert not hull.is_valid({"metres": 0, "extra": {}})
    assert not hull.is_valid({"metres": 1, "extra": {}, "more": 1})


def test_a_document_always_has_its_id_and_its_time() -> None:
    ship = judge(Ship)
    fields = {"name": "Kon-Tiki", "hull": {"metres": 13.7, "extra": {}}}

    assert ship.is_valid({"_id": "x", "_creationTime": 1.5, **fields})
    assert not ship.is_valid(fields)
