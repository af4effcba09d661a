"""API keys: shown once, limited to their scopes, ended at once."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.engine.errors import (
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.functions.http_messages import Response
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.server import Id, PaginationOptions
from chalicelib.geoflow import (
    api_keys,
    audit,
    key_holders,
    oversight,
    users,
    workers,
    workflows,
)
from chalicelib.geoflow.api_keys import NewApiKey
from chalicelib.geoflow.limits import MAX_KEYS_PER_USER
from chalicelib.geoflow.model.permissions import has_scope
from chalicelib.geoflow.schema import ALL_SCOPES, KEY_CLAIM, SCOPES_CLAIM, ApiKey, User
from testing import Client, TestBackend

READ, WRITE = "workflows:read", "workflows:write"
DAY_S = 86_400


def made(client: Client, *scopes: str, **more: Any) -> NewApiKey:
    return client.action(api_keys.create, "ci", list(scopes or (READ,)), **more)


def asked(
    backend: TestBackend,
    key: str,
    method: str = "GET",
    path: str = "/api/workflows",
    **more: Any,
) -> Response:
    return backend.nobody.http(method, path, headers={"X-API-Key": key}, **more)


def refusal(response: Response) -> tuple[int, str, str]:
    error = json.loads(response.body)["error"]
    return response.status, error["code"], error["message"]


def admin(backend: TestBackend, name: str = "root") -> Client:
    client = backend.as_user(name)
    backend.system.mutation(users.grant_role, client.mutation(users.ensure), "admin")
    client.mutation(oversight.open, "a test")
    return client


class TestAKey:
    def test_lets_a_program_act_as_its_owner(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        mine = alice.mutation(workflows.create, "LIDAR")
        backend.as_user("bob").mutation(workflows.create, "not hers")

        response = asked(backend, made(alice).key)

        (item,) = json.loads(response.body)["data"]["items"]
        assert (response.status, item["_id"]) == (200, mine)

    def test_is_chance_of_256_bits_behind_a_prefix_that_may_be_shown(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")

        first, second = made(alice), made(alice)

        assert first.key.startswith("gf_")
        assert len(first.key) == 3 + 43
        assert first.key.startswith(first.prefix)
        assert len(first.prefix) == 3 + 8
        assert first.key != second.key

    def test_is_kept_nowhere_but_as_a_digest(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        new = made(alice)
        asked(backend, new.key)
        secret = new.key.removeprefix(new.prefix)

        with backend.db() as db:
            (kept,) = db.query(ApiKey).take(2)
        entries = backend._persistence.tail(ORIGIN, 10_000).entries

        assert kept.digest == sha256(new.key.encode()).hexdigest()
        written = repr(entries) + repr(kept) + str(alice.call("apiKeys:list", "query"))
        assert secret not in written
        assert b64encode(secret.encode()).decode() not in written

    def test_is_named_in_lists_without_its_digest(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        new = made(alice, READ, lifetime_days=1)

        listed = alice.query(api_keys.list_)
        page = alice.query(api_keys.list_page, PaginationOptions(num_items=5, cursor=None))

        assert listed == page.page
        assert (listed[0].api_key_id, listed[0].prefix) == (new.api_key_id, new.prefix)
        assert listed[0].expires == new.expires
        assert not hasattr(listed[0], "digest")

    def test_of_somebody_else_is_not_to_be_seen(self, backend: TestBackend) -> None:
        new, bob = made(backend.as_user("alice")), backend.as_user("bob")
        bob.mutation(users.ensure)

        assert bob.query(api_keys.list_) == []
        assert bob.query(api_keys.get, new.api_key_id) is None
        with pytest.raises(NotFound):
            bob.mutation(api_keys.revoke, new.api_key_id)
        with pytest.raises(NotFound):
            bob.mutation(api_keys.remove, new.api_key_id)

    def test_may_be_ended_by_an_admin(self, backend: TestBackend) -> None:
        new = made(backend.as_user("alice"))

        admin(backend).mutation(api_keys.revoke, new.api_key_id)

        assert asked(backend, new.key).status == 401


class TestAKeyThatDoesNotHold:
    def test_is_refused_when_it_is_unknown(self, backend: TestBackend) -> None:
        new = made(backend.as_user("alice"))

        for wrong in ("", "gf_", new.prefix, new.key[:-1], new.key + "x", new.key.lower()):
            assert refusal(asked(backend, wrong)) == (
                401,
                "AUTHENTICATION_ERROR",
                "this API key is unknown",
            )

    def test_is_refused_from_the_moment_it_expires(self, backend: TestBackend) -> None:
        new = made(backend.as_user("alice"), READ, lifetime_days=1)
        assert new.expires is not None
        left_ms = new.expires - backend.clock.now_ms()

        backend.clock.wait_ms(left_ms - 2)
        before = asked(backend, new.key)
        backend.clock.wait_ms(1)
        after = asked(backend, new.key)

        assert before.status == 200
        assert refusal(after) == (401, "AUTHENTICATION_ERROR", "this API key has expired")

    def test_is_refused_at_once_when_it_is_revoked(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        new = made(alice)
        assert asked(backend, new.key).status == 200

        alice.mutation(api_keys.revoke, new.api_key_id)

        assert refusal(asked(backend, new.key)) == (
            401,
            "AUTHENTICATION_ERROR",
            "this API key was revoked",
        )
        info = alice.query(api_keys.get, new.api_key_id)
        assert info is not None
        assert info.revoked is not None
        with pytest.raises(Conflict):
            alice.mutation(api_keys.revoke, new.api_key_id)

    def test_is_refused_when_it_or_its_owner_is_gone(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        removed, orphan = made(alice), made(backend.as_user("bob"))
        alice.mutation(api_keys.remove, removed.api_key_id)
        with backend.db() as db:
            (bob,) = [user for user in db.query(User).take(9) if user.name == "Bob"]
            db.delete(bob.id)

        assert [asked(backend, key.key).status for key in (removed, orphan)] == [401, 401]

    def test_is_not_told_from_one_that_does_by_preflights(
        self, backend: TestBackend
    ) -> None:
        new = made(backend.as_user("alice"))

        answers = [asked(backend, key, "OPTIONS") for key in (new.key, "gf_wrong")]

        assert [answer.status for answer in answers] == [204, 204]
        info = backend.as_user("alice").query(api_keys.get, new.api_key_id)
        assert info is not None
        assert info.last_used is None

    def test_is_refused_beside_a_token(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        headers = {"X-API-Key": made(alice).key, "Authorization": "Bearer x"}

        response = alice.http("GET", "/api/workflows", headers=headers)

        assert refusal(response)[:2] == (400, "VALIDATION_ERROR")


class TestScopes:
    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [
            ("GET", "/api/workflows", READ),
            ("POST", "/api/workflows", WRITE),
            ("GET", "/api/users/me", "users:read"),
            ("GET", "/api/keys", "apiKeys:read"),
            ("GET", "/api/credentials", "credentials:read"),
        ],
    )
    def test_let_nothing_through_that_they_do_not_name(
        self, backend: TestBackend, method: str, path: str, scope: str
    ) -> None:
        other = [each for each in ALL_SCOPES if not has_scope([each], scope)]
        every_other = [each for each in other if each != "workers"]
        key = made(backend.as_user("alice"), *every_other).key

        response = asked(
            backend, key, method, path, json={"name": "x"} if method == "POST" else None
        )

        error = json.loads(response.body)["error"]
        assert (response.status, error["code"]) == (403, "AUTHORIZATION_ERROR")
        assert error["details"] == {"scope": scope}

    def test_do_not_reach_further_than_the_owner(self, backend: TestBackend) -> None:
        workflow = backend.as_user("bob").mutation(workflows.create, "his")
        key = made(backend.as_user("alice"), READ, WRITE).key

        response = asked(backend, key, "DELETE", f"/api/workflows/{workflow}")

        assert response.status == 404

    def test_must_be_scopes_and_one_at_least(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        with pytest.raises(ValidationFailed) as unknown:
            made(alice, READ, "workflows:fly")
        assert unknown.value.details["unknown"] == ["workflows:fly"]
        response = alice.http("POST", "/api/keys", json={"name": "ci", "scopes": []})
        assert refusal(response)[:2] == (400, "VALIDATION_ERROR")

    def test_of_workers_are_for_admins_to_give(self, backend: TestBackend) -> None:
        with pytest.raises(Forbidden):
            made(backend.as_user("alice"), "workers")

        assert made(admin(backend), "workers").scopes == ["workers"]

    def test_of_workers_go_when_their_owner_is_no_admin_any_more(
        self, backend: TestBackend
    ) -> None:
        root, second = admin(backend), admin(backend, "second")
        root_id = root.mutation(users.ensure)
        new = made(root, "workers", READ)
        second.mutation(users.set_role, root_id, "editor")

        holder = backend.system.query(
            key_holders.holder, sha256(new.key.encode()).hexdigest()
        )

        assert holder is not None
        assert holder.scopes == [READ]

    def test_of_an_admins_key_are_needed_to_work(self, backend: TestBackend) -> None:
        admin(backend)
        reader = backend.as_user("root", **{SCOPES_CLAIM: [READ]})
        worker = backend.as_user("root", **{SCOPES_CLAIM: ["workers"]})

        with pytest.raises(Forbidden):
            reader.mutation(workers.claim, "w1")
        assert worker.mutation(workers.claim, "w1") is None

    def test_of_a_key_bound_the_keys_that_it_makes(self, backend: TestBackend) -> None:
        key = made(backend.as_user("alice"), READ, "apiKeys:write").key
        body = {"name": "more", "scopes": [READ, WRITE]}

        more = asked(backend, key, "POST", "/api/keys", json=body)
        fewer = asked(backend, key, "POST", "/api/keys", json={**body, "scopes": [READ]})

        assert refusal(more)[:2] == (403, "AUTHORIZATION_ERROR")
        assert json.loads(more.body)["error"]["details"] == {"missing": [WRITE]}
        assert fewer.status == 201

    def test_to_change_users_give_no_roles(self, backend: TestBackend) -> None:
        root, mallory = admin(backend), backend.as_user("mallory")
        path = f"/api/users/{mallory.mutation(users.ensure)}/role"
        few = made(root, "users:write").key
        more = made(root, "users:write", "users:grant").key

        answers = [
            asked(backend, key, "PUT", path, json={"role": "admin"}) for key in (few, more)
        ]

        assert [answer.status for answer in answers] == [403, 200]

    def test_to_change_workflows_publish_them(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")

        response = asked(
            backend, made(alice, WRITE).key, "POST", f"/api/workflows/{workflow}/versions"
        )

        assert (response.status, json.loads(response.body)["data"]) == (201, 1)


class TestAKeyThatMakesKeys:
    @pytest.mark.parametrize(("days", "status"), [(None, 403), (10, 403), (9, 201)])
    def test_makes_none_that_outlive_it(
        self, backend: TestBackend, days: int | None, status: int
    ) -> None:
        key = made(backend.as_user("alice"), "apiKeys:write", lifetime_days=10).key
        body = {"name": "more", "scopes": ["apiKeys:write"], "lifetimeDays": days}

        response = asked(backend, key, "POST", "/api/keys", json=body)

        assert response.status == status

    def test_and_holds_for_good_may_make_any(self, backend: TestBackend) -> None:
        key = made(backend.as_user("alice"), "apiKeys:write").key
        body = {"name": "more", "scopes": ["apiKeys:write"]}

        assert asked(backend, key, "POST", "/api/keys", json=body).status == 201

    def test_takes_them_along_when_it_is_revoked(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        first, other = made(alice, "apiKeys:write"), made(alice)
        second = made_by(backend, first.key)
        third = made_by(backend, second["key"])
        assert asked(backend, third["key"], path="/api/keys").status == 200

        alice.mutation(api_keys.revoke, first.api_key_id)

        keys = (first.key, second["key"], third["key"], other.key)
        assert [asked(backend, key).status for key in keys] == [401, 401, 401, 200]
        told = {key.api_key_id: key for key in alice.query(api_keys.list_)}
        ended = told[third["apiKeyId"]]
        assert (ended.made_by, ended.revoked) == (
            second["apiKeyId"],
            told[first.api_key_id].revoked,
        )

    def test_takes_them_along_when_it_is_removed(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        first = made(alice, "apiKeys:write")
        second = made_by(backend, first.key)

        alice.mutation(api_keys.remove, first.api_key_id)

        assert asked(backend, second["key"]).status == 401
        (left,) = alice.query(api_keys.list_)
        assert left.revoked is not None

    def test_makes_none_once_it_was_revoked(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        key = made(alice, "apiKeys:write")
        claims = {SCOPES_CLAIM: ["apiKeys:write"], KEY_CLAIM: key.api_key_id}
        calling, mallory = (
            backend.as_user(name, **claims) for name in ("alice", "mallory")
        )
        assert made(calling, "apiKeys:read").scopes == ["apiKeys:read"]

        with pytest.raises(Unauthenticated):
            made(mallory, "apiKeys:read")  # it is not hers
        alice.mutation(api_keys.revoke, key.api_key_id)
        with pytest.raises(Unauthenticated):
            made(calling, "apiKeys:read")

    def test_is_in_the_audit_with_them(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), admin(backend)
        first = made(alice, "apiKeys:write")
        second = made_by(backend, first.key)["apiKeyId"]
        alice.mutation(api_keys.revoke, first.api_key_id)
        backend.advance(seconds=31)

        page = PaginationOptions(num_items=5, cursor=None)
        newest, oldest = root.query(audit.by_document, second, page).page

        assert json.loads(oldest.after or "")["madeBy"] == first.api_key_id
        assert (newest.path, newest.operation) == ("apiKeys:revoke", "update")
        assert set(json.loads(newest.after or "")) == {"revoked"}


def made_by(backend: TestBackend, key: str) -> Any:
    body = {"name": "more", "scopes": ["apiKeys:write"]}
    return json.loads(asked(backend, key, "POST", "/api/keys", json=body).body)["data"]


class TestUse:
    def test_is_noted_to_the_hour(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        new = made(alice)

        def last_used() -> float | None:
            info = alice.query(api_keys.get, new.api_key_id)
            assert info is not None
            return info.last_used

        never = last_used()
        asked(backend, new.key)
        first = last_used()
        head = backend.engine.head()
        for _ in range(5):
            asked(backend, new.key)
        committed = backend.engine.head() - head
        backend.clock.wait_ms(3_600_000)
        asked(backend, new.key)

        assert never is None
        assert first == pytest.approx(backend.clock.now_ms() - 3_600_006)
        assert committed == 0
        assert last_used() == backend.clock.now_ms()

    def test_counts_for_the_rate_of_the_owner(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        key = made(alice).key

        by_token = alice.http("GET", "/api/workflows")
        by_key = asked(backend, key)

        assert by_token.headers["X-RateLimit-Limit"] == "1000"
        assert by_token.headers["X-RateLimit-Remaining"] == "999"
        assert by_key.headers["X-RateLimit-Remaining"] == "998"


def test_a_user_has_at_most_a_hundred_keys(backend: TestBackend) -> None:
    alice = backend.as_user("alice")
    me: Id[User] = alice.mutation(users.ensure)
    with backend.db() as db:
        for number in range(MAX_KEYS_PER_USER):
            db.insert(
                ApiKey(owner=me, name="k", prefix="gf_", digest=str(number), scopes=[READ])
            )

    with pytest.raises(RateLimited) as refused:
        made(alice)

    assert refused.value.details == {"limit": MAX_KEYS_PER_USER}
