"""The catalogue gives tables and indexes numbers that they keep."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.database.catalogue import (
    FIRST_USER_NUMBER,
    Catalogue,
    IndexDefinition,
    TableSpec,
    building,
    decode_catalogue,
    encode_catalogue,
    full_key,
    row_key,
    with_tables,
)
from chalicelib.engine.log import CUT_KEY_BYTES
from chalicelib.engine.values.encoding import encode
from chalicelib.engine.values.order import key_bytes
from chalicelib.engine.values.value import MISSING

ID = b"i" * 16
ITEMS = {"items": TableSpec({"by_group": ("group",)})}
FIRST = with_tables(Catalogue(), ITEMS, "v1")


class TestWithTables:
    def test_a_new_table_has_its_indexes_ready(self) -> None:
        items = FIRST.tables["items"]

        assert items.number == items.by_id == FIRST_USER_NUMBER
        assert items.indexes["by_group"].state == "ready"
        assert list(building(FIRST)) == []

    def test_a_new_index_of_an_old_table_is_building(self) -> None:
        wanted = {"items": TableSpec({"by_group": ("group",), "by_label": ("label",)})}

        later = with_tables(FIRST, wanted, "v2")

        assert list(building(later)) == [("items", "by_label")]
        assert (
            later.tables["items"].indexes["by_group"]
            == FIRST.tables["items"].indexes["by_group"]
        )

    def test_an_index_of_other_fields_is_another_index(self) -> None:
        later = with_tables(
            FIRST, {"items": TableSpec({"by_group": ("group", "label")})}, "v2"
        )

        changed = later.tables["items"].indexes["by_group"]
        assert changed.id != FIRST.tables["items"].indexes["by_group"].id
        assert changed.state == "building"

    def test_an_index_that_its_table_no_longer_names_is_gone(self) -> None:
        later = with_tables(FIRST, {"items": TableSpec()}, "v2")

        assert later.tables["items"].indexes == {}

    def test_a_table_that_the_schema_no_longer_names_is_kept(self) -> None:
        later = with_tables(FIRST, {"others": TableSpec()}, "v2")

        assert later.tables["items"] == FIRST.tables["items"]

    def test_no_number_is_given_twice(self) -> None:
        later = FIRST
        for step in range(3):
            wanted = {
                f"t{step}": TableSpec({"a": ("a",), "b": ("b",)}),
                "items": TableSpec({"by_group": (f"g{step}",)}),
            }
            later = with_tables(later, wanted, "v")

        numbers = [table.by_id for table in later.tables.values()]
        numbers += [i.id for t in later.tables.values() for i in t.indexes.values()]
        assert len(numbers) == len(set(numbers))

    def test_the_same_again_changes_nothing(self) -> None:
        assert with_tables(FIRST, ITEMS, "v1") == FIRST

    def test_goes_there_and_back(self) -> None:
        assert decode_catalogue(encode_catalogue(FIRST)) == FIRST

    def test_names_tables_by_number(self) -> None:
        assert FIRST.names == {FIRST_USER_NUMBER: "items"}


class TestKeys:
    def test_are_one_in_by_id_and_one_in_every_index(self) -> None:
        items = FIRST.tables["items"]

        keys = items.keys(ID, encode({"group": "a"}))

        assert keys == (
            (items.by_id, ID),
            (items.indexes["by_group"].id, key_bytes(["a"]) + ID),
        )

    @pytest.mark.parametrize(
        ("path", "document", "value"),
        [
            ("a", {"a": 1}, 1),
            ("a.b", {"a": {"b": None}}, None),
            ("a.b", {"a": {}}, MISSING),
            ("a.b", {"a": 5}, MISSING),
            ("a", {}, MISSING),
        ],
    )
    def test_stand_for_the_value_at_a_path_or_for_its_absence(
        self, path: str, document: dict[str, Any], value: Any
    ) -> None:
        index = IndexDefinition(20, (path,), "ready")

        assert row_key(index, ID, document) == key_bytes([value]) + ID

    def test_that_are_long_are_cut_and_still_told_apart(self) -> None:
        index = IndexDefinition(20, ("a",), "ready")
        texts = ["x" * 2_000 + end for end in ("a", "b", "")]

        cut = {row_key(index, ID, {"a": text}) for text in texts}

        assert len(cut) == 3
        assert {len(key) for key in cut} == {CUT_KEY_BYTES}
        assert full_key(index, ID, {"a": texts[0]}).endswith(ID)
