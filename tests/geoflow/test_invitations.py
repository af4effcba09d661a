"""Invitations: by address, and without telling who is here."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.errors import Conflict, NotFound, RateLimited, Unauthenticated
from chalicelib.engine.server import Id
from chalicelib.geoflow import invitations, members, removal, users, workflows
from chalicelib.geoflow.schema import Workflow, WorkflowInvitation
from testing import Client, TestBackend

BOB = "bob@example.com"


def named(
    backend: TestBackend, name: str, *, verified: bool = True, **claims: Any
) -> Client:
    who = backend.as_user(
        name, **{"email": f"{name}@example.com", "emailVerified": verified, **claims}
    )
    who.mutation(users.ensure)
    return who


def drawn(who: Client) -> Id[Workflow]:
    return who.mutation(workflows.create, "LIDAR")


def seen(who: Client) -> list[tuple[str, str, str]]:
    found = who.query(invitations.list_)
    return [(each.workflow_name, each.access, each.invited_by) for each in found]


class TestInviting:
    def test_says_the_same_whether_somebody_has_the_address_or_not(
        self, backend: TestBackend
    ) -> None:
        alice, _ = named(backend, "alice"), named(backend, "bob")
        workflow = drawn(alice)

        made = [
            alice.mutation(invitations.create, workflow, address, "view")
            for address in (BOB, "nobody@example.com", "alice@example.com")
        ]

        waiting = alice.query(invitations.list_by_workflow, workflow)
        assert {each.invitation_id for each in waiting} == set(made)
        assert {each.access for each in waiting} == {"view"}
        assert [one.name for one in alice.query(members.list_, workflow)] == ["Alice"]

    def test_twice_changes_the_access(self, backend: TestBackend) -> None:
        alice = named(backend, "alice")
        workflow = drawn(alice)

        first = alice.mutation(invitations.create, workflow, BOB, "view")
        second = alice.mutation(invitations.create, workflow, BOB.upper(), "edit")

        (waiting,) = alice.query(invitations.list_by_workflow, workflow)
        assert (first, waiting.access, waiting.email) == (second, "edit", BOB)

    def test_ends_at_five_hundred(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(invitations, "MAX_MEMBERS", 1)
        alice = named(backend, "alice")
        workflow = drawn(alice)
        alice.mutation(invitations.create, workflow, BOB, "view")

        with pytest.raises(RateLimited):
            alice.mutation(invitations.create, workflow, "carol@example.com", "view")

    def test_is_seen_by_the_addressee_live(self, backend: TestBackend) -> None:
        alice, bob = named(backend, "alice"), named(backend, "bob")
        watch = bob.watch(invitations.list_)

        alice.mutation(invitations.create, drawn(alice), "Bob@Example.com", "edit")

        assert [len(result) for result in watch.results] == [0, 1]
        assert seen(bob) == [("LIDAR", "edit", "Alice")]

    def test_waits_for_who_comes_later(self, backend: TestBackend) -> None:
        alice = named(backend, "alice")
        workflow = drawn(alice)
        alice.mutation(invitations.create, workflow, BOB, "view")

        bob = named(backend, "bob")
        (waits,) = bob.query(invitations.list_)

        assert bob.mutation(invitations.accept, waits.invitation_id) == workflow
        assert [one.id for one in bob.query(workflows.list_)] == [workflow]

    def test_shows_nothing_to_who_merely_claims_the_address(
        self, backend: TestBackend
    ) -> None:
        alice, eve = (
            named(backend, "alice"),
            named(backend, "eve", email=BOB, verified=False),
        )
        made = alice.mutation(invitations.create, drawn(alice), BOB, "view")

        assert seen(eve) == []
        for who, error in ((eve, NotFound), (backend.nobody, Unauthenticated)):
            with pytest.raises(error):
                who.mutation(invitations.accept, made)
            with pytest.raises(error):
                who.mutation(invitations.remove, made)


class TestAccepting:
    def test_makes_a_member_and_ends_the_invitation(self, backend: TestBackend) -> None:
        alice, bob = named(backend, "alice"), named(backend, "bob")
        workflow = drawn(alice)
        made = alice.mutation(invitations.create, workflow, BOB, "edit")

        bob.mutation(invitations.accept, made)

        found = alice.query(members.list_, workflow)
        assert [(one.name, one.access) for one in found] == [
            ("Alice", "owner"),
            ("Bob", "edit"),
        ]
        assert (seen(bob), alice.query(invitations.list_by_workflow, workflow)) == ([], [])
        with pytest.raises(NotFound):
            bob.mutation(invitations.accept, made)

    def test_by_the_owner_is_refused(self, backend: TestBackend) -> None:
        alice = named(backend, "alice")
        made = alice.mutation(invitations.create, drawn(alice), "alice@example.com", "view")

        with pytest.raises(Conflict):
            alice.mutation(invitations.accept, made)

    def test_needs_a_host_who_may_still_share(self, backend: TestBackend) -> None:
        alice, bob, carol = (named(backend, name) for name in ("alice", "bob", "carol"))
        workflow = drawn(alice)
        made = alice.mutation(invitations.create, workflow, BOB, "edit")
        carol_id = carol.mutation(users.ensure)
        alice.mutation(members.share, workflow, "edit", carol_id)
        alice.mutation(members.transfer, workflow, carol_id)

        assert seen(bob) == []
        with pytest.raises(NotFound):
            bob.mutation(invitations.accept, made)
        carol.mutation(invitations.create, workflow, BOB, "view")
        assert seen(bob) == [("LIDAR", "view", "Carol")]

    @pytest.mark.parametrize("name", ["alice", "bob"])
    def test_can_be_undone_before_by_both_sides(
        self, backend: TestBackend, name: str
    ) -> None:
        alice, bob = named(backend, "alice"), named(backend, "bob")
        made = alice.mutation(invitations.create, drawn(alice), BOB, "view")

        named(backend, name).mutation(invitations.remove, made)

        assert seen(bob) == []
        with pytest.raises(NotFound):
            bob.mutation(invitations.accept, made)


def test_invitations_go_with_their_workflow(backend: TestBackend) -> None:
    alice = named(backend, "alice")
    workflow = drawn(alice)
    alice.mutation(invitations.create, workflow, BOB, "view")

    alice.mutation(workflows.remove, workflow)
    backend.system.mutation(removal.remove_rest, workflow)

    with backend.db() as db:
        assert db.query(WorkflowInvitation).first() is None
