"""Users: made at first sight, seen by themselves."""

from __future__ import annotations

import pytest

from chalicelib.engine.errors import FunctionNotFound, Unauthenticated
from chalicelib.geoflow import api_keys, oversight, users, workflows
from chalicelib.geoflow.schema import Preferences
from testing import TestBackend


class TestFirstSight:
    def test_a_query_makes_nobody(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        assert alice.query(users.me) is None
        assert alice.query(workflows.list_) == []
        assert alice.query(users.me) is None

    def test_the_first_change_makes_the_user_of_the_token(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice", pictureUrl="https://pictures.example/alice")

        alice.mutation(workflows.create, name="LIDAR")

        me = alice.query(users.me)
        assert me is not None
        assert (me.name, me.email, me.role) == ("Alice", "alice@example.com", "editor")
        assert me.avatar == "https://pictures.example/alice"

    def test_everybody_is_made_once(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")

        made = [who.mutation(users.ensure) for who in (alice, alice, bob)]

        assert made[0] == made[1] != made[2]

    def test_an_api_key_says_nothing_of_an_email_and_removes_none(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice", email="a@example.com", email_verified=True)
        key = alice.action(api_keys.create, "ci", ["users:write"]).key

        response = backend.nobody.http("POST", "/api/users/me", headers={"X-API-Key": key})

        me = alice.query(users.me)
        assert response.status == 200
        assert me is not None
        assert (me.email, me.verified_email) == ("a@example.com", "a@example.com")

    def test_a_token_without_a_name_still_names_somebody(
        self, backend: TestBackend
    ) -> None:
        robot = backend.as_user("robot-7", name=None, email=None, pictureUrl=5)

        robot.mutation(users.ensure)

        me = robot.query(users.me)
        assert me is not None
        assert (me.name, me.email, me.avatar) == ("robot-7", None, None)

    def test_overlong_claims_do_not_lock_their_bearer_out(
        self, backend: TestBackend
    ) -> None:
        wordy = backend.as_user("wordy", name="n" * 999, pictureUrl="p" * 9999)

        wordy.mutation(users.ensure)

        me = wordy.query(users.me)
        assert me is not None
        assert (len(me.name), me.avatar) == (200, None)

    def test_a_role_in_the_token_is_not_a_role_of_the_user(
        self, backend: TestBackend
    ) -> None:
        mallory = backend.as_user("mallory", role="admin")

        mallory.mutation(users.ensure)

        me = mallory.query(users.me)
        assert me is not None
        assert me.role == "editor"

    def test_nobody_is_not_made_a_user(self, backend: TestBackend) -> None:
        with pytest.raises(Unauthenticated):
            backend.nobody.mutation(users.ensure)

        assert backend.nobody.query(users.me) is None


class TestProfile:
    def test_changes_only_what_is_given(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice", pictureUrl="https://pictures.example/alice")
        alice.mutation(users.ensure)

        alice.mutation(users.update_profile, preferences=Preferences(theme="dark"))
        alice.mutation(users.update_profile, avatar=None)

        me = alice.query(users.me)
        assert me is not None
        assert (me.name, me.avatar, me.preferences.theme) == ("Alice", None, "dark")

    def test_is_told_to_its_owner_live(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        watch = alice.watch(users.me)

        alice.mutation(users.update_profile, name="Alice A.")

        assert [me and me.name for me in watch.results] == [None, "Alice A."]


class TestRoles:
    def test_are_granted_by_who_runs_the_deployment_alone(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        alice_id = alice.mutation(users.ensure)

        with pytest.raises(FunctionNotFound):
            alice.mutation(users.grant_role, alice_id, "admin")
        backend.system.mutation(users.grant_role, alice_id, "admin")

        me = alice.query(users.me)
        assert me is not None
        assert me.role == "admin"

    def test_an_admin_sees_and_changes_what_others_made(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), backend.as_user("root")
        workflow = alice.mutation(workflows.create, name="LIDAR")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")

        root.mutation(workflows.update, workflow, name="Lidar")

        assert [each.name for each in root.query(workflows.list_)] == ["Lidar"]

    def test_an_editor_again_no_longer_does(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), backend.as_user("root")
        workflow = alice.mutation(workflows.create, name="LIDAR")
        root_id = root.mutation(users.ensure)
        backend.system.mutation(users.grant_role, root_id, "admin")
        root.mutation(oversight.open, "a test")
        watch = root.watch(workflows.get, workflow)

        backend.system.mutation(users.grant_role, root_id, "editor")

        assert [seen and seen.name for seen in watch.results] == ["LIDAR", None]
