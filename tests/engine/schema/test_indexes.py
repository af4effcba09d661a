"""Indexes and their ranges as values, and the rules of their declaration."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Literal

import pytest

from chalicelib.engine.errors import InvalidHint, InvalidSchema
from chalicelib.engine.limits import MAX_TABLES
from chalicelib.engine.schema import (
    UNSET,
    Bounded,
    Document,
    Id,
    IndexRange,
    Range,
    Struct,
    TableSchema,
    Unset,
    index,
    indexed,
    indexes_of,
    tables,
)
from chalicelib.engine.values.value import MISSING


class Theme(Struct):
    colour_name: str = "grey"


class Team(Document, table="teams"):
    name: str = indexed()
    by_name = index(name)


class Task(Document, table="tasks"):
    team_id: Id[Team] = indexed()
    state: Literal["open", "done"] = indexed(default="open")
    rank: float | Unset = indexed(default=UNSET)
    theme: Theme = indexed(default_factory=Theme)
    kind: str = indexed(name="type")
    by_team = index(team_id)
    by_team_state = index(team_id, state)
    by_rank = index(rank)
    by_colour = index(theme.colour_name)
    by_kind = index(kind)


declare: Any = type(Document)
"""What a class statement calls."""


def module_of(*classes: type) -> ModuleType:
    module = ModuleType("an_app")
    for cls in classes:
        setattr(module, cls.__name__, cls)
    return module


def parts(found: IndexRange[Any]) -> tuple[Any, ...]:
    return found.eq_values, found.lower, found.upper


TEAM = Id[Team]("t1")


class TestRange:
    def test_knows_its_index(self) -> None:
        whole = Task.by_team_state

        assert (whole.document, whole.index_name) == (Task, "by_team_state")
        assert whole.fields == ("teamId", "state", "_creationTime")
        assert parts(whole) == ((), None, None)

    def test_takes_equal_values_then_two_ends(self) -> None:
        found = Task.by_team_state.eq(TEAM).eq("done").gte(1.0).lt(2.0)

        assert isinstance(found, Bounded)
        assert parts(found) == (("t1", "done"), (1.0, True), (2.0, False))

    def test_takes_the_ends_in_any_order(self) -> None:
        assert parts(Task.by_rank.lte(2.0).gt(1.0)) == ((), (1.0, False), (2.0, True))

    def test_is_not_changed_by_its_parts(self) -> None:
        whole = Task.by_team
        whole.eq(TEAM)

        assert parts(whole) == ((), None, None)

    def test_ends_with_the_creation_time(self) -> None:
        assert Task.by_creation_time.gt(5.0).fields == ("_creationTime",)
        assert Task.by_creation_time.document is Task
        assert Team.by_creation_time.document is Team

    def test_asks_for_what_lacks_a_field(self) -> None:
        assert parts(Task.by_rank.eq(UNSET)) == ((MISSING,), None, None)

    def test_goes_no_further_than_the_last_field(self) -> None:
        full: Any = Task.by_team.eq(TEAM).eq(1.0)

        for step in (full.eq, full.gt, full.lte):
            with pytest.raises(InvalidSchema, match="no field is left"):
                step(1)

    def test_has_two_ends_at_most(self) -> None:
        found = Task.by_rank.gt(1.0)

        with pytest.raises(InvalidSchema, match="lower end already"):
            found.gte(2.0)

    def test_is_reached_from_the_class_only_by_its_name(self) -> None:
        assert isinstance(Task.by_colour, Range)
        assert Task.by_colour.fields[0] == "theme.colourName"
        assert Task.by_kind.fields[0] == "type"


class TestMarkers:
    def test_leave_defaults_behind(self) -> None:
        task = Task(team_id=TEAM, kind="a")

        assert (task.state, task.rank, task.theme) == ("open", UNSET, Theme())

    def test_without_default_leave_a_required_field(self) -> None:
        with pytest.raises(TypeError, match="team_id"):
            Task(kind="a")  # type: ignore[call-arg]


class TestRules:
    def test_a_misspelt_field_is_a_name_error(self) -> None:
        with pytest.raises(NameError):

            class Wrong(Document, table="wrong"):
                owner: str = indexed()
                by_owner = index(onwer)  # type: ignore[name-defined]  # noqa: F821

    def test_a_field_must_be_marked(self) -> None:
        with pytest.raises(InvalidSchema, match=r"InvalidIndexField.*= indexed\(\)"):

            class Wrong(Document, table="wrong"):
                state: str = "open"
                by_state = index(state)

    def test_an_index_has_fields(self) -> None:
        with pytest.raises(InvalidSchema, match="EmptyIndex"):

            class Wrong(Document, table="wrong"):
                by_nothing = index()

    def test_a_field_comes_once(self) -> None:
        with pytest.raises(InvalidSchema, match="FieldsNotUniqueWithinIndex"):

            class Wrong(Document, table="wrong"):
                owner: str = indexed()
                by_owner = index(owner, owner)

    def test_an_index_comes_once(self) -> None:
        with pytest.raises(InvalidSchema, match="IndexNotUnique"):

            class Wrong(Document, table="wrong"):
                owner: str = indexed()
                by_owner = index(owner)
                by_owner_too = index(owner)

    @pytest.mark.parametrize("name", ["by_id", "by_creation_time", "_mine"])
    def test_some_names_are_reserved(self, name: str) -> None:
        marker = indexed()
        body = {"__module__": __name__, "__annotations__": {"a": "str"}, "a": marker}

        with pytest.raises(InvalidSchema, match="IndexNameReserved"):
            declare("Wrong", (Document,), body | {name: index(marker)}, table="wrong")

    @pytest.mark.parametrize(
        ("fields", "indexes", "rule"),
        [(17, 1, "IndexTooManyFields"), (65, 65, "TooManyIndexes")],
    )
    def test_numbers_are_limited(self, fields: int, indexes: int, rule: str) -> None:
        markers = {f"f{i}": indexed() for i in range(fields)}
        body: dict[str, Any] = {"__module__": __name__, "__annotations__": {}}
        body["__annotations__"] = dict.fromkeys(markers, "str")
        made = {
            f"by_{i}": index(*markers.values()) if indexes == 1 else index(markers[f"f{i}"])
            for i in range(indexes)
        }

        with pytest.raises(InvalidSchema, match=rule):
            declare("Wrong", (Document,), body | markers | made, table="wrong")


class TestTables:
    def test_are_collected_by_their_wire_names(self) -> None:
        found = tables(module_of(Team), module_of(Team, Task, Theme))

        assert found["teams"] == TableSchema("teams", Team, {"by_name": ("name",)})
        assert found["tasks"].indexes == indexes_of(Task)
        assert found["tasks"].validator()["value"]["rank"] == {
            "fieldType": {"type": "number"},
            "optional": True,
        }

    def test_leave_out_old_shapes(self) -> None:
        class TeamV1(Document, shape_of="teams"):
            title: str

        assert tables(module_of(TeamV1, Team))["teams"].document is Team

    def test_have_one_class_each(self) -> None:
        class OtherTeam(Document, table="teams"):
            title: str

        with pytest.raises(InvalidSchema, match=r"Team and .*OtherTeam"):
            tables(module_of(Team, OtherTeam))

    def test_are_no_more_than_10000(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert MAX_TABLES == 10_000
        monkeypatch.setattr(sys.modules[tables.__module__], "MAX_TABLES", 1)

        with pytest.raises(InvalidSchema, match="TooManyTables: the limit is 1 tables"):
            tables(module_of(Team, Task))

    def test_check_the_fields_of_indexes_and_the_types_of_fields(self) -> None:
        class Lost(Document, table="lost"):
            theme: Theme = indexed()
            by_nothing = index(theme.nothing)  # type: ignore[attr-defined]

        class Typeless(Document, table="typeless"):
            tags: set[str]

        found = tables(module_of(Lost, Typeless, Task))

        found["tasks"].check()
        with pytest.raises(InvalidSchema, match=r"there is no field theme\.nothing"):
            found["lost"].check()
        with pytest.raises(InvalidHint, match="tags"):
            found["typeless"].check()
