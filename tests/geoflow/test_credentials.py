"""Credentials: kept sealed, used by actions for those whom they belong to, never shown."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import geoflow
from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    Forbidden,
    FunctionNotFound,
    NotFound,
    RateLimited,
    SecretRefused,
    Unauthenticated,
    ValidationFailed,
)
from chalicelib.engine.server import Id, PaginationOptions
from chalicelib.geoflow import credentials, keys, oversight, users
from chalicelib.geoflow.limits import MAX_CREDENTIALS_PER_USER, MAX_SECRET_CHARS
from chalicelib.geoflow.schema import Credential, SensitiveAccess
from testing import Client, TestBackend
from tests.apps import vault
from tests.apps.vault import opening

SECRET = "hunter2-correct-horse"


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend(geoflow, vault)


def admin(backend: TestBackend) -> Client:
    root = backend.as_user("root")
    backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
    root.mutation(oversight.open, "a test")
    return root


def kept(who: Client, name: str = "bucket", secret: str = SECRET) -> Id[Credential]:
    return who.action(credentials.create, "aws", name, secret)


def stored(backend: TestBackend, credential: Id[Credential]) -> Credential:
    with backend.db() as db:
        return db.require(credential)


class TestCreate:
    def test_keeps_a_secret_sealed(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")

        credential = kept(ann)

        found = stored(backend, credential)
        assert found.sealed is not None
        assert SECRET.encode() not in found.sealed
        assert (found.service, found.name, found.key_id) == ("aws", "bucket", "memory")
        assert ann.action(opening.secret, credential) == SECRET

    def test_tells_everything_but_the_secret(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        credential = kept(ann)

        told = ann.call("credentials:get", "query", credentialId=credential)

        assert set(told) == {
            *("credentialId", "owner", "service", "name"),
            *("created", "lastUsed", "rotated"),
        }
        assert ann.call("credentials:list", "query") == [told]

    def test_refuses_a_second_of_the_same_name(self, backend: TestBackend) -> None:
        ann, bob = backend.as_user("ann"), backend.as_user("bob")
        kept(ann)

        with pytest.raises(Conflict, match="rotate it"):
            kept(ann)

        kept(bob)
        ann.action(credentials.create, "gcp", "bucket", SECRET)
        assert len(ann.query(credentials.list_)) == 2

    @pytest.mark.parametrize("secret", ["", "x" * (MAX_SECRET_CHARS + 1)])
    def test_refuses_secrets_of_no_length_and_too_long_ones(
        self, backend: TestBackend, secret: str
    ) -> None:
        ann = backend.as_user("ann")

        with pytest.raises(ValidationFailed):
            kept(ann, secret=secret)

        assert ann.query(credentials.list_) == []

    def test_is_limited_for_each_user(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        owner = ann.mutation(users.ensure)
        with backend.db() as db:
            for n in range(MAX_CREDENTIALS_PER_USER):
                db.insert(Credential(owner=owner, service="s", name=str(n), sealed=b"x"))

        with pytest.raises(RateLimited):
            kept(ann)

    def test_is_not_for_viewers_and_strangers(self, backend: TestBackend) -> None:
        vic = backend.as_user("vic")
        backend.system.mutation(users.grant_role, vic.mutation(users.ensure), "viewer")

        with pytest.raises(Forbidden):
            kept(vic)
        with pytest.raises(Unauthenticated):
            kept(backend.nobody)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"service": 1, "name": "n", "secret": SECRET},
            {"service": "s", "name": "n", "secrt": SECRET},
            {"service": "s", "secret": SECRET},
            {"service": "s", "name": "n", "secret": [SECRET]},
            {"service": "s", "name": "n" * 1000, "secret": SECRET},
        ],
    )
    def test_does_not_repeat_a_secret_in_what_it_says_of_wrong_arguments(
        self, backend: TestBackend, arguments: dict[str, Any]
    ) -> None:
        ann = backend.as_user("ann")

        with pytest.raises(ArgumentValidationError) as refused:
            ann.call("credentials:create", "action", **arguments)

        assert SECRET not in str(refused.value)

    def test_that_died_before_it_sealed_leaves_nothing(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        reserved = ann.action(opening.reserve_only, "aws", "half")

        before = ann.query(credentials.list_), ann.query(credentials.get, reserved)
        backend.advance(minutes=16)

        assert before == ([], None)
        with backend.db() as db:
            assert db.get(reserved) is None
        kept(ann, "half")


class TestUse:
    def test_is_noted_with_its_time(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        credential = kept(ann)
        backend.advance(seconds=5)

        ann.action(opening.secret, credential)

        found = ann.query(credentials.get, credential)
        assert found is not None
        assert found.last_used is not None
        assert backend.clock.now_ms() - found.last_used < 1000
        with backend.db() as db:
            (access,) = db.query(SensitiveAccess).collect()
            assert (access.kind, access.table, access.document) == (
                "secret.use",
                "credentials",
                credential,
            )

    def test_is_for_the_owner_alone_not_even_for_admins(self, backend: TestBackend) -> None:
        ann, bob, root = backend.as_user("ann"), backend.as_user("bob"), admin(backend)
        credential = kept(ann)

        for who, refusal in ((bob, NotFound), (root, Forbidden)):
            with pytest.raises(refusal):
                who.action(opening.secret, credential)
        with pytest.raises(Unauthenticated):
            backend.nobody.action(opening.secret, credential)

    def test_by_a_job_says_for_whom(self, backend: TestBackend) -> None:
        ann, bob = backend.as_user("ann"), backend.as_user("bob")
        mine, credential = ann.mutation(users.ensure), kept(ann)
        other = bob.mutation(users.ensure)

        assert backend.system.action(opening.secret_for, credential, mine) == len(SECRET)
        with pytest.raises(NotFound):
            backend.system.action(opening.secret_for, credential, other)
        backend.system.mutation(users.grant_role, mine, "viewer")
        with pytest.raises(NotFound):
            backend.system.action(opening.secret_for, credential, mine)

    def test_is_refused_when_the_sealed_bytes_are_those_of_another(
        self, backend: TestBackend
    ) -> None:
        ann, bob = backend.as_user("ann"), backend.as_user("bob")
        hers, his, second = kept(ann), kept(bob, secret="other"), kept(ann, "second")
        for stolen, into in ((hers, his), (hers, second)):
            sealed = stored(backend, stolen).sealed
            with backend.db() as db:
                db.patch(into, sealed=sealed)

        with pytest.raises(SecretRefused):
            bob.action(opening.secret, his)
        with pytest.raises(SecretRefused):
            ann.action(opening.secret, second)

    @pytest.mark.parametrize("kind", ["query", "mutation"])
    def test_is_not_offered_to_queries_and_mutations(
        self, backend: TestBackend, kind: Any
    ) -> None:
        assert backend.as_user("ann").call("opening:isOffered", "action") is True
        name = f"opening:{kind}Is"

        assert backend.as_user("ann").call(name, kind) is False

    def test_has_no_function_that_clients_reach(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        credential = kept(ann)

        for path in ("secrets:use", "keys:held", "credentials:keep"):
            for kind in ("query", "mutation"):
                with pytest.raises(FunctionNotFound):
                    ann.call(path, kind, credentialId=credential)


class TestRotate:
    def test_puts_another_secret_in_its_place(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        credential = kept(ann)
        before = stored(backend, credential)

        ann.action(credentials.rotate, credential, "another")

        after = stored(backend, credential)
        assert ann.action(opening.secret, credential) == "another"
        assert before.rotated is None
        assert after.rotated is not None
        assert before.sealed != after.sealed

    def test_is_for_the_owner(self, backend: TestBackend) -> None:
        ann, bob, root = backend.as_user("ann"), backend.as_user("bob"), admin(backend)
        credential = kept(ann)

        for who, refusal in ((bob, NotFound), (root, Forbidden)):
            with pytest.raises(refusal):
                who.action(credentials.rotate, credential, "mine now")

        assert ann.action(opening.secret, credential) == SECRET


class TestChanges:
    def test_rename_refuses_a_name_that_is_taken(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        first, second = kept(ann, "a"), kept(ann, "b")

        ann.mutation(credentials.rename, first, "c")
        ann.mutation(credentials.rename, second, "b")
        with pytest.raises(Conflict):
            ann.mutation(credentials.rename, first, "b")

        assert [each.name for each in ann.query(credentials.list_)] == ["b", "c"]

    def test_remove_is_for_the_owner_and_for_admins(self, backend: TestBackend) -> None:
        ann, bob, root = backend.as_user("ann"), backend.as_user("bob"), admin(backend)
        first, second = kept(ann, "a"), kept(ann, "b")

        with pytest.raises(NotFound):
            bob.mutation(credentials.remove, first)
        ann.mutation(credentials.remove, first)
        root.mutation(credentials.remove, second)

        assert ann.query(credentials.list_) == []
        with pytest.raises(NotFound):
            ann.action(opening.secret, first)

    def test_are_seen_live_without_the_secret(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        ann.mutation(users.ensure)
        watch = ann.watch(credentials.list_)

        credential = kept(ann)
        ann.mutation(credentials.remove, credential)

        assert [[each.name for each in seen] for seen in watch.results] == [
            [],
            ["bucket"],
            [],
        ]

    def test_pages_hold_what_the_list_holds(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        for n in range(5):
            kept(ann, str(n))

        page = ann.query(credentials.list_page, PaginationOptions(num_items=3, cursor=None))
        rest = ann.query(
            credentials.list_page,
            PaginationOptions(num_items=3, cursor=page.continue_cursor),
        )

        assert page.page + rest.page == ann.query(credentials.list_)


class TestReseal:
    def test_seals_all_with_the_newest_key_and_passes_what_does_not_open(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "RESEALED_AT_ONCE", 2)
        ann = backend.as_user("ann")
        made = [kept(ann, str(n), f"secret {n}") for n in range(5)]
        before = [stored(backend, each).sealed for each in made]
        with backend.db() as db:
            db.patch(made[1], sealed=b"broken")

        first = backend.system.action(keys.reseal)
        backend.advance(seconds=1)

        assert (first.resealed, first.refused, first.is_done) == (1, 1, False)
        assert backend.errors == []
        after = [stored(backend, each).sealed for each in made]
        assert [a != b for a, b in zip(after, before, strict=True)] == [True] * 5
        assert after[1] == b"broken"
        assert [ann.action(opening.secret, each) for each in made[2:]] == [
            "secret 2",
            "secret 3",
            "secret 4",
        ]
