"""Workflows: kept if sound, seen by their owners, versioned as they change."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import Any

import pytest

from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    NotFound,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import users, workflows
from chalicelib.geoflow.schema import Role, Workflow
from testing import Client, TestBackend
from tests.geoflow.drawings import edges, node, nodes


def stored(who: Client, workflow_id: Any) -> Workflow:
    found = who.query(workflows.get, workflow_id)
    assert found is not None
    return found


class TestCreate:
    def test_keeps_a_draft_of_the_callers_own(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        made = alice.mutation(
            workflows.create,
            name="Shoreline",
            tags=["coast"],
            nodes=[node("a", "read", file="coast.shp"), node("b")],
            edges=edges("a>b"),
        )

        found = stored(alice, made)
        assert (found.status, found.version, found.tags) == ("draft", 1, ["coast"])
        assert found.nodes[0].config == {"file": "coast.shp"}
        assert (found.edges[0].source, found.edges[0].target) == ("a", "b")

    def test_has_its_fixed_name_and_arguments(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        made = alice.call("workflows:create", "mutation", name="LIDAR")

        found = alice.call("workflows:get", "query", workflowId=made)
        assert (found["_id"], found["name"], found["description"]) == (made, "LIDAR", None)
        assert alice.call("workflows:list", "query") == [found]

    def test_needs_somebody(self, backend: TestBackend) -> None:
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(workflows.create, name="LIDAR")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "n" * 201},
            {"name": "LIDAR", "tags": ["t"] * 51},
            {"name": "LIDAR", "status": "active"},
            {"name": "LIDAR", "owner": "somebody"},
            {"name": "LIDAR", "nodes": [{"id": "a"}]},
            {},
        ],
    )
    def test_refuses_arguments_out_of_bounds(
        self, backend: TestBackend, wrong: dict[str, Any]
    ) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(ArgumentValidationError):
            alice.call("workflows:create", "mutation", **wrong)

        assert alice.query(workflows.list_) == []


class TestDefinitions:
    @pytest.mark.parametrize(
        ("names", "arrows", "message", "fault"),
        [
            (
                "a b a",
                "",
                "node id 'a' is used 2 times",
                {"kind": "repeatedNode", "node": "a", "times": 2},
            ),
            (
                "a",
                "a>x",
                "edge 'a' → 'x' names node 'x', which does not exist",
                {
                    "kind": "missingNode",
                    "node": "x",
                    "edge": {"source": "a", "target": "x"},
                },
            ),
            (
                "a",
                "a>a",
                "nodes form a cycle: 'a' → 'a'",
                {"kind": "cycle", "nodes": ["a", "a"]},
            ),
        ],
    )
    def test_that_are_unsound_are_refused_by_name(
        self,
        backend: TestBackend,
        names: str,
        arrows: str,
        message: str,
        fault: dict[str, Any],
    ) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(ValidationFailed) as refused:
            alice.mutation(
                workflows.create, "LIDAR", nodes=nodes(names), edges=edges(arrows)
            )

        assert message in refused.value.message
        assert refused.value.details == {"faults": [fault]}
        assert alice.query(workflows.list_) == []

    def test_with_a_long_cycle_are_told_its_way(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(ValidationFailed) as refused:
            alice.mutation(
                workflows.create,
                "LIDAR",
                nodes=nodes("a b c d"),
                edges=edges("a>b b>c c>a c>d"),
            )

        (fault,) = refused.value.details["faults"]
        way = fault["nodes"]
        assert (way[0], set(way), len(way)) == (way[-1], {"a", "b", "c"}, 4)
        assert set(pairwise(way)) == {("a", "b"), ("b", "c"), ("c", "a")}

    def test_tell_all_their_faults_at_once(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(ValidationFailed) as refused:
            alice.mutation(
                workflows.create, "LIDAR", nodes=nodes("a a"), edges=edges("a>x a>a")
            )

        kinds = [fault["kind"] for fault in refused.value.details["faults"]]
        assert kinds == ["repeatedNode", "missingNode", "cycle"]

    def test_tell_no_more_faults_than_people_read(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        arrows = " ".join(f"a>x{number}" for number in range(500))

        with pytest.raises(ValidationFailed) as refused:
            alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"), edges=edges(arrows))

        assert len(refused.value.details["faults"]) == 20

    def test_may_join_and_part(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        made = alice.mutation(
            workflows.create,
            "LIDAR",
            nodes=nodes("a b c d"),
            edges=edges("a>b a>c b>d c>d"),
        )

        assert len(stored(alice, made).edges) == 4


class TestList:
    def test_has_the_callers_own_newest_first(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        for name in ("first", "second", "third"):
            alice.mutation(workflows.create, name)
        bob.mutation(workflows.create, "bob's")

        listed = alice.query(workflows.list_)

        assert [each.name for each in listed] == ["third", "second", "first"]

    def test_ends_at_a_hundred(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        for number in range(101):
            alice.mutation(workflows.create, f"number {number}")

        listed = alice.query(workflows.list_)

        assert (len(listed), listed[-1].name) == (100, "number 1")

    def test_needs_somebody(self, backend: TestBackend) -> None:
        with pytest.raises(Unauthenticated):
            backend.nobody.query(workflows.list_)

    def test_is_told_live(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        watch = alice.watch(workflows.list_)

        alice.mutation(workflows.create, "LIDAR")
        bob.mutation(workflows.create, "bob's")

        assert [[each.name for each in listed] for listed in watch.results] == [
            [],
            ["LIDAR"],
        ]


class TestListPage:
    @pytest.mark.parametrize("role", ["editor", "admin"])
    def test_has_as_many_bytes_as_an_answer_may(
        self, backend: TestBackend, role: Role
    ) -> None:
        alice = backend.as_user("alice")
        for number in range(20):
            large = node("a", text="x" * 900_000)
            alice.mutation(workflows.create, f"{number}", nodes=[large])
        backend.system.mutation(users.grant_role, alice.mutation(users.ensure), role)

        pages, cursor = [], None
        while cursor != "":
            opts = PaginationOptions(num_items=100, cursor=cursor)
            page = alice.query(workflows.list_page, opts)
            pages.append([workflow.name for workflow in page.page])
            cursor = "" if page.is_done else page.continue_cursor

        assert max(map(len, pages)) == 5  # the last one crosses the limit
        assert list(chain.from_iterable(pages)) == [
            str(number) for number in reversed(range(20))
        ]


class TestStrangers:
    def test_see_nothing(self, backend: TestBackend) -> None:
        made = backend.as_user("alice").mutation(workflows.create, "LIDAR")

        assert backend.as_user("bob").query(workflows.get, made) is None
        assert backend.nobody.query(workflows.get, made) is None

    def test_change_nothing(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        made = alice.mutation(workflows.create, "LIDAR")
        changes = workflows.archive, workflows.activate, workflows.restore

        for change in changes:
            with pytest.raises(NotFound):
                bob.mutation(change, made)
        with pytest.raises(NotFound):
            bob.mutation(workflows.update, made, name="mine")
        with pytest.raises(NotFound):
            bob.mutation(workflows.duplicate, made)

        assert stored(alice, made).name == "LIDAR"


class TestUpdate:
    def test_changes_what_is_given_and_no_more(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR", description="scan", tags=["a"])

        alice.mutation(workflows.update, made, description=None)

        found = stored(alice, made)
        assert (found.name, found.description, found.tags) == ("LIDAR", None, ["a"])

    def test_replaces_lists_whole(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR", tags=["a", "b"])

        alice.mutation(workflows.update, made, tags=["c"])

        assert stored(alice, made).tags == ["c"]

    def test_counts_versions_of_the_definition_only(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))

        alice.mutation(workflows.update, made, name="Lidar", nodes=nodes("a"))
        unchanged = stored(alice, made).version
        alice.mutation(workflows.update, made, nodes=nodes("a b"))

        assert (unchanged, stored(alice, made).version) == (1, 2)

    def test_checks_new_nodes_against_old_edges(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(
            workflows.create, "LIDAR", nodes=nodes("a b"), edges=edges("a>b")
        )

        with pytest.raises(ValidationFailed, match="names node 'b'"):
            alice.mutation(workflows.update, made, nodes=nodes("a"))

        assert len(stored(alice, made).nodes) == 2


class TestStatus:
    def test_goes_from_draft_to_active_to_archived_and_back(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR")
        seen = [stored(alice, made).status]

        for change in (workflows.activate, workflows.archive, workflows.restore):
            alice.mutation(change, made)
            seen.append(stored(alice, made).status)

        assert seen == ["draft", "active", "archived", "draft"]

    def test_of_what_is_archived_forbids_changes(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(workflows.archive, made)

        with pytest.raises(Conflict) as refused:
            alice.mutation(workflows.update, made, name="Lidar")
        with pytest.raises(Conflict, match="archived cannot become active"):
            alice.mutation(workflows.activate, made)

        assert refused.value.details == {"status": "archived"}

    def test_archived_twice_is_archived(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        made = alice.mutation(workflows.create, "LIDAR")

        for _ in range(2):
            alice.mutation(workflows.archive, made)

        assert stored(alice, made).status == "archived"


def test_a_duplicate_is_a_draft_with_the_same_definition(backend: TestBackend) -> None:
    alice = backend.as_user("alice")
    made = alice.mutation(
        workflows.create, "LIDAR", tags=["a"], nodes=nodes("a b"), edges=edges("a>b")
    )
    alice.mutation(workflows.archive, made)

    copy = stored(alice, alice.mutation(workflows.duplicate, made))

    original = stored(alice, made)
    assert (copy.name, copy.status, copy.version) == ("LIDAR (copy)", "draft", 1)
    assert (copy.nodes, copy.edges, copy.tags) == (
        original.nodes,
        original.edges,
        ["a"],
    )
