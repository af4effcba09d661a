"""Members: a workflow is shared, seen, and taken away again, live."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.errors import (
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from chalicelib.engine.server import Id, PaginationOptions
from chalicelib.geoflow import (
    executions,
    members,
    removal,
    users,
    versions,
    workers,
    workflows,
)
from chalicelib.geoflow.schema import (
    Access,
    Execution,
    User,
    Workflow,
    WorkflowMember,
    WorkflowVersion,
)
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes


def shared(backend: TestBackend, access: Access) -> tuple[Client, Client, Id[Workflow]]:
    """Alice's workflow, which Bob may view or edit."""
    alice, bob = backend.as_user("alice"), backend.as_user("bob")
    workflow = alice.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
    alice.mutation(members.share, workflow, access, bob.mutation(users.ensure))
    return alice, bob, workflow


def accesses(who: Client, workflow: Id[Workflow]) -> list[tuple[str, str]]:
    return [(one.name, one.access) for one in who.query(members.list_, workflow)]


def opts(items: int = 10, cursor: str | None = None) -> PaginationOptions:
    return PaginationOptions(num_items=items, cursor=cursor)


class TestSharing:
    def test_lets_a_viewer_see_everything_and_change_nothing(
        self, backend: TestBackend
    ) -> None:
        alice, bob, workflow = shared(backend, "view")
        run = alice.mutation(executions.start, workflow)

        assert [one.id for one in bob.query(workflows.list_)] == [workflow]
        assert [one.id for one in bob.query(executions.list_by_workflow, workflow)] == [run]
        assert [one.version for one in bob.query(versions.list_, workflow)] == [1]
        for refused in (
            lambda: bob.mutation(workflows.update, workflow, name="mine"),
            lambda: bob.mutation(executions.start, workflow),
            lambda: bob.mutation(executions.cancel, run),
            lambda: bob.mutation(workflows.remove, workflow),
            lambda: bob.mutation(
                members.share, workflow, "edit", bob.mutation(users.ensure)
            ),
        ):
            with pytest.raises(Forbidden):
                refused()

    def test_lets_an_editor_draw_and_run_and_not_share(self, backend: TestBackend) -> None:
        alice, bob, workflow = shared(backend, "edit")

        bob.mutation(workflows.update, workflow, nodes=nodes("a b"))
        run = bob.mutation(executions.start, workflow)
        bob.mutation(executions.cancel, run)

        seen = alice.query(workflows.get, workflow)
        assert seen is not None
        assert seen.version == 2
        with pytest.raises(
            Forbidden, match=r"workflows\.share is not for an account that is editor and"
        ):
            bob.mutation(members.share, workflow, "view", bob.mutation(users.ensure))
        with pytest.raises(Forbidden):
            bob.mutation(workflows.remove, workflow)

    def test_again_changes_the_access(self, backend: TestBackend) -> None:
        alice, bob, workflow = shared(backend, "view")

        alice.mutation(members.share, workflow, "edit", bob.mutation(users.ensure))

        assert accesses(bob, workflow) == [("Alice", "owner"), ("Bob", "edit")]

    def test_with_the_owner_is_refused(self, backend: TestBackend) -> None:
        alice, _, workflow = shared(backend, "view")

        with pytest.raises(Conflict, match="the owner of a workflow has every access"):
            alice.mutation(members.share, workflow, "view", alice.mutation(users.ensure))

    def test_ends_at_five_hundred(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(members, "MAX_MEMBERS", 1)
        alice, _, workflow = shared(backend, "view")

        carol = backend.as_user("carol").mutation(users.ensure)

        with pytest.raises(RateLimited, match="at most 1 people"):
            alice.mutation(members.share, workflow, "view", carol)

    def test_shows_strangers_nobody(self, backend: TestBackend) -> None:
        _, _, workflow = shared(backend, "view")

        assert backend.as_user("eve").query(members.list_, workflow) == []
        assert backend.nobody.query(members.list_, workflow) == []
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(members.leave, workflow)


class TestTakingAway:
    def test_makes_the_workflow_vanish_from_what_is_watched(
        self, backend: TestBackend
    ) -> None:
        alice, bob, workflow = shared(backend, "edit")
        run = alice.mutation(executions.start, workflow)
        watches: list[Any] = [
            bob.watch(workflows.list_),
            bob.watch(workflows.get, workflow),
            bob.watch(executions.get, run),
            bob.watch(executions.list_by_workflow, workflow),
        ]

        alice.mutation(members.remove, workflow, bob.mutation(users.ensure))

        assert [watch.results[-1] for watch in watches] == [[], None, None, []]
        with pytest.raises(NotFound):
            bob.mutation(workflows.update, workflow, name="mine")

    def test_from_the_owner_is_refused(self, backend: TestBackend) -> None:
        alice, _, workflow = shared(backend, "view")

        with pytest.raises(Conflict, match="transfer the workflow"):
            alice.mutation(members.remove, workflow, alice.mutation(users.ensure))
        with pytest.raises(Conflict, match="transfer the workflow"):
            alice.mutation(members.leave, workflow)

    def test_is_what_a_member_may_do_to_themselves(self, backend: TestBackend) -> None:
        alice, bob, workflow = shared(backend, "view")

        bob.mutation(members.leave, workflow)

        assert bob.query(workflows.list_) == []
        assert accesses(alice, workflow) == [("Alice", "owner")]

    def test_from_somebody_who_has_none_is_refused(self, backend: TestBackend) -> None:
        alice, _, workflow = shared(backend, "view")
        eve = backend.as_user("eve").mutation(users.ensure)

        with pytest.raises(NotFound, match="is no member"):
            alice.mutation(members.remove, workflow, eve)


class TestTransfer:
    def test_makes_a_member_the_owner_and_the_owner_an_editor(
        self, backend: TestBackend
    ) -> None:
        alice, bob, workflow = shared(backend, "view")

        alice.mutation(members.transfer, workflow, bob.mutation(users.ensure))

        assert accesses(alice, workflow) == [("Alice", "edit"), ("Bob", "owner")]
        alice.mutation(workflows.update, workflow, name="still mine to draw")
        with pytest.raises(Forbidden):
            alice.mutation(workflows.remove, workflow)
        bob.mutation(workflows.remove, workflow)
        assert alice.query(workflows.list_) == []

    def test_to_a_stranger_is_refused(self, backend: TestBackend) -> None:
        alice, _, workflow = shared(backend, "view")
        eve = backend.as_user("eve").mutation(users.ensure)

        with pytest.raises(NotFound, match="is no member"):
            alice.mutation(members.transfer, workflow, eve)

    def test_to_one_with_the_role_of_a_viewer_is_refused(
        self, backend: TestBackend
    ) -> None:
        alice, bob, workflow = shared(backend, "view")
        bob_id: Id[User] = bob.mutation(users.ensure)
        backend.system.mutation(users.grant_role, bob_id, "viewer")

        with pytest.raises(Conflict, match="Bob has the role of a viewer"):
            alice.mutation(members.transfer, workflow, bob_id)


class TestLists:
    def test_are_in_the_order_in_which_workflows_were_made(
        self, backend: TestBackend
    ) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")
        first = alice.mutation(workflows.create, "first")
        bob.mutation(workflows.create, "second")
        alice.mutation(workflows.create, "not bob's")
        bob.mutation(workflows.create, "third")

        alice.mutation(members.share, first, "view", bob.mutation(users.ensure))

        names = [one.name for one in bob.query(workflows.list_)]
        assert names == ["third", "second", "first"]

    def test_have_pages_that_join(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        for number in range(5):
            alice.mutation(workflows.create, f"number {number}")

        first = alice.query(workflows.list_page, opts(3))
        second = alice.query(workflows.list_page, opts(3, first.continue_cursor))

        numbers = [one.name[-1] for page in (first, second) for one in page.page]
        assert (numbers, first.is_done, second.is_done) == (list("43210"), False, True)

    def test_are_empty_for_who_was_never_here(self, backend: TestBackend) -> None:
        page = backend.as_user("eve").query(workflows.list_page, opts())

        assert (page.page, page.is_done) == ([], True)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("LID", ["Lidar 2", "lidar 1"]),
            ("coast", ["Lidar 2"]),
            ("cafe\u0301", ["Caf\u00c9"]),
            ("strasse", ["Straße"]),
            ("nothing", []),
            ("", ["Straße", "Caf\u00c9", "Lidar 2", "lidar 1"]),
        ],
    )
    @pytest.mark.parametrize("role", ["editor", "admin"])
    def test_are_searched_by_name_and_tag(
        self, backend: TestBackend, text: str, found: list[str], role: Any
    ) -> None:
        alice = backend.as_user("alice")
        alice.mutation(workflows.create, "lidar 1")
        alice.mutation(workflows.create, "Lidar 2", tags=["Coastline"])
        alice.mutation(workflows.create, "Caf\u00c9")
        alice.mutation(workflows.create, "Straße")
        backend.system.mutation(users.grant_role, alice.mutation(users.ensure), role)

        page = alice.query(workflows.search, text, opts())

        assert [one.name for one in page.page] == found


class TestRemoval:
    def test_takes_all_that_belongs_to_the_workflow(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(removal, "REMOVED_AT_ONCE", 3)
        alice, bob, workflow = shared(backend, "view")
        other = alice.mutation(workflows.create, "other")
        runs = [alice.mutation(executions.start, workflow) for _ in range(5)]
        watch = bob.watch(workflows.list_)

        alice.mutation(workflows.remove, workflow)
        backend.run_jobs()

        assert [len(listed) for listed in watch.results] == [1, 0]
        assert alice.query(executions.get, runs[-1]) is None
        assert [one.id for one in alice.query(workflows.list_)] == [other]
        with backend.db() as db:
            left = [db.query(table).count() for table in _TABLES]
        assert left == [1, 0, 0]


_TABLES: tuple[Any, ...] = (
    WorkflowMember,
    WorkflowVersion,
    Execution,
)


class TestRunsOfWhoLostAccess:
    """A run is its owner's: it needs that they may run the workflow when a worker takes it."""

    @pytest.mark.parametrize("way", ["removed", "left", "may only look"])
    def test_that_wait_are_cancelled_at_once(self, backend: TestBackend, way: str) -> None:
        alice, bob, workflow = shared(backend, "edit")
        bob_id = bob.mutation(users.ensure)
        waits = bob.mutation(executions.start, workflow)
        hers = alice.mutation(executions.start, workflow)
        elsewhere = bob.mutation(executions.start, bob.mutation(workflows.create, "his"))

        if way == "removed":
            alice.mutation(members.remove, workflow, bob_id)
        elif way == "left":
            bob.mutation(members.leave, workflow)
        else:
            alice.mutation(members.share, workflow, "view", bob_id)

        assert [state(alice, run) for run in (waits, hers)] == [
            ("cancelled", "Bob may no longer run this workflow"),
            ("queued", None),
        ]
        assert state(bob, elsewhere) == ("queued", None)

    def test_go_on_if_a_worker_has_them_and_not_again(self, backend: TestBackend) -> None:
        alice, bob, workflow = shared(backend, "edit")
        worker = backend.as_user("pdal", role="worker")
        run = bob.mutation(executions.start, workflow)
        worker.mutation(workers.claim, "w1")

        alice.mutation(members.remove, workflow, bob.mutation(users.ensure))
        during = state(alice, run)
        worker.mutation(workers.give_back, run, "w1")
        given = worker.mutation(workers.claim, "w1")

        assert (during[0], given) == ("running", None)
        assert state(alice, run)[0] == "cancelled"

    @pytest.mark.parametrize("way", ["became a viewer", "was deleted"])
    def test_are_cancelled_when_a_worker_comes_to_them(
        self, backend: TestBackend, way: str
    ) -> None:
        alice, bob, workflow = shared(backend, "edit")
        bob_id = bob.mutation(users.ensure)
        his = bob.mutation(executions.start, workflow)
        hers = alice.mutation(executions.start, workflow)

        if way == "was deleted":
            with backend.db() as db:
                db.delete(bob_id)
        else:
            backend.system.mutation(users.grant_role, bob_id, "viewer")
        given = backend.as_user("pdal", role="worker").mutation(workers.claim, "w1")

        assert given is not None
        assert (given.execution_id, state(alice, his)[0]) == (hers, "cancelled")


def state(who: Client, run: Id[Execution]) -> tuple[str, str | None]:
    found = who.query(executions.get, run)
    assert found is not None
    return found.status, found.error
