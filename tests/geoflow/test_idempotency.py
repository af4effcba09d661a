"""``Idempotency-Key``: once is once, whatever happens to who asks and who answers."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import pytest

from chalicelib.engine.errors import OutcomeUnknown
from chalicelib.engine.functions.http_messages import Response
from chalicelib.engine.log import ORIGIN
from chalicelib.geoflow import api_keys, executions, idempotency, workflows
from chalicelib.geoflow.schema import KeptRequest
from testing import Client, TestBackend

KEY = {"Idempotency-Key": "5b6f-1"}
DAY_MS = 86_400_000


def create(client: Client, name: str = "LIDAR", **headers: str) -> Response:
    sent = {**KEY, **{n.replace("_", "-"): text for n, text in headers.items()}}
    return client.http("POST", "/api/workflows", json={"name": name}, headers=sent)


def data(response: Response) -> Any:
    return json.loads(response.body)["data"]


def refusal(response: Response) -> tuple[int, str]:
    return response.status, json.loads(response.body)["error"]["code"]


def names(client: Client) -> list[str]:
    return [workflow.name for workflow in client.query(workflows.list_)]


class TestARepeatedMutation:
    def test_has_its_effect_once_and_the_same_answer(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        first, second = create(alice), create(alice)

        assert (first.status, second.status) == (201, 201)
        assert data(first) == data(second)
        assert names(alice) == ["LIDAR"]

    def test_without_a_key_or_with_another_has_it_again(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        create(alice)

        other = create(alice, Idempotency_Key="5b6f-2")
        none = alice.http("POST", "/api/workflows", json={"name": "LIDAR"})

        assert (other.status, none.status) == (201, 201)
        assert len(names(alice)) == 3

    def test_of_another_caller_is_another_request(self, backend: TestBackend) -> None:
        alice, bob = backend.as_user("alice"), backend.as_user("bob")

        assert data(create(alice)) != data(create(bob))
        assert (names(alice), names(bob)) == (["LIDAR"], ["LIDAR"])

    def test_may_be_sent_by_token_and_by_key_of_one_user(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        key = alice.action(api_keys.create, "ci", ["workflows:write"]).key

        by_token = create(alice)
        by_key = create(backend.nobody, X_API_Key=key)

        assert data(by_token) == data(by_key)

    def test_with_another_body_path_or_method_is_refused(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        workflow = data(create(alice))

        body = create(alice, "other")
        path = alice.http("DELETE", f"/api/workflows/{workflow}", headers=KEY)
        method = alice.http(
            "PATCH", f"/api/workflows/{workflow}", json={"name": "x"}, headers=KEY
        )

        assert [refusal(each) for each in (body, path, method)] == [
            (422, "PROCESSING_ERROR")
        ] * 3
        assert names(alice) == ["LIDAR"]

    def test_that_was_refused_may_be_sent_again(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        workflow = alice.mutation(workflows.create, "LIDAR")
        alice.mutation(workflows.archive, workflow)
        path = f"/api/workflows/{workflow}/executions"

        refused = alice.http("POST", path, headers=KEY)
        alice.mutation(workflows.restore, workflow)
        done = alice.http("POST", path, headers=KEY)

        assert refusal(refused) == (409, "CONFLICT")
        assert done.status == 201
        assert len(alice.query(executions.list_by_workflow, workflow)) == 1

    def test_is_new_again_after_a_day(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        first = create(alice)

        backend.clock.wait_ms(DAY_MS - 2)
        within = create(alice)
        backend.clock.wait_ms(1)
        after = create(alice)

        assert data(within) == data(first)
        assert data(after) != data(first)

    def test_of_many_at_once_is_done_once(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        create(alice, "first", Idempotency_Key="other")

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: create(alice), range(16)))

        assert {answer.status for answer in answers} == {201}
        assert len({data(answer) for answer in answers}) == 1
        assert sorted(names(alice)) == ["LIDAR", "first"]

    def test_finds_what_was_committed_by_an_invocation_that_died(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = backend.as_user("alice")
        dying(backend, monkeypatch, after=True)

        lost = create(alice)
        monkeypatch.undo()
        found = create(alice)

        assert lost.status == 503
        assert found.status == 201
        assert names(alice) == ["LIDAR"]

    def test_finds_nothing_of_an_invocation_that_died_before_it_committed(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alice = backend.as_user("alice")
        dying(backend, monkeypatch, after=False)

        lost = create(alice)
        monkeypatch.undo()
        found = create(alice)

        assert (lost.status, found.status) == (503, 201)
        assert names(alice) == ["LIDAR"]


def dying(backend: TestBackend, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Let the invocation die right before or right after its commit."""
    persistence: Any = backend._persistence
    append: Callable[[Any], Any] = persistence.append

    def dies(entry: Any) -> Any:
        if after:
            append(entry)
        raise OutcomeUnknown("the process died")

    monkeypatch.setattr(persistence, "append", dies)


NEW_KEY = {"name": "ci", "scopes": ["workflows:read"]}


class TestARepeatedAction:
    def credential(self, client: Client, name: str = "one") -> Response:
        body = {"service": "s3", "name": name, "secret": "hunter2"}
        return client.http("POST", "/api/credentials", json=body, headers=KEY)

    def test_is_run_once_and_answered_the_same(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        first, second = self.credential(alice), self.credential(alice)

        assert (first.status, second.status) == (201, 201)
        assert data(first) == data(second)
        assert len(alice.call("credentials:list", "query")) == 1

    def test_whose_answer_was_a_secret_is_a_conflict_and_no_second_key(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")

        first, second = (
            alice.http("POST", "/api/keys", json=NEW_KEY, headers=KEY) for _ in range(2)
        )

        assert (first.status, refusal(second)) == (201, (409, "CONFLICT"))
        assert json.loads(second.body)["error"]["details"] == {"state": "done"}
        assert len(alice.query(api_keys.list_)) == 1
        secret = data(first)["key"]
        assert secret not in repr(backend._persistence.tail(ORIGIN, 10_000).entries)

    def test_that_runs_still_or_has_died_is_a_conflict(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        self.credential(alice)
        with backend.db() as db:
            (kept,) = db.query(KeptRequest).take(2)
            db.patch(kept.id, state="running", data=None)

        again = self.credential(alice)

        assert refusal(again) == (409, "CONFLICT")
        assert json.loads(again.body)["error"]["details"] == {"state": "running"}
        assert len(alice.call("credentials:list", "query")) == 1

    def test_that_was_refused_may_be_sent_again(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        body = {"name": "ci", "scopes": ["no:such"]}

        refused = alice.http("POST", "/api/keys", json=body, headers=KEY)
        done = alice.http("POST", "/api/keys", json=NEW_KEY, headers=KEY)

        assert (refused.status, done.status) == (400, 201)

    def test_leaves_no_secret_and_nothing_to_guess_one_by(
        self, backend: TestBackend
    ) -> None:
        self.credential(backend.as_user("alice"))

        with backend.db() as db:
            (kept,) = db.query(KeptRequest).take(2)

        assert "hunter2" not in repr(kept)
        assert KEY["Idempotency-Key"] not in repr(kept)


class TestARepeatedUpload:
    def upload(self, client: Client, content: bytes = b"abc", **more: str) -> Response:
        headers = {**KEY, "Content-Type": "text/plain", **more}
        return client.http("POST", "/api/files/upload?name=a.txt", content, headers=headers)

    def test_is_stored_once(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        first, second = self.upload(alice), self.upload(alice)

        assert (first.status, second.status) == (201, 201)
        assert data(first) == data(second)
        me = alice.call("users:me", "query")["_id"]
        assert len(alice.call("files:listByUser", "query", userId=me)) == 1

    def test_of_another_digest_is_refused(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")
        digests = [
            {"Content-Digest": f"sha-256=:{b64encode(sha256(each).digest()).decode()}:"}
            for each in (b"abc", b"xyz")
        ]

        first = self.upload(alice, b"abc", **digests[0])
        other = self.upload(alice, b"xyz", **digests[1])

        assert (first.status, refusal(other)) == (201, (422, "PROCESSING_ERROR"))

    def test_that_was_refused_may_be_sent_again(self, backend: TestBackend) -> None:
        alice = backend.as_user("alice")

        wrong = {"Content-Type": "application/x-msdownload"}
        refused = self.upload(alice, b"abc", **wrong)
        done = self.upload(alice)

        assert (refusal(refused), done.status) == ((400, "VALIDATION_ERROR"), 201)


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 256, "a\tb"])
def test_a_key_that_is_none_is_refused(backend: TestBackend, key: str) -> None:
    response = create(backend.as_user("alice"), Idempotency_Key=key)

    assert refusal(response) == (400, "VALIDATION_ERROR")


def test_a_read_needs_no_key_and_takes_any(backend: TestBackend) -> None:
    alice = backend.as_user("alice")

    response = alice.http("GET", "/api/workflows", headers={"Idempotency-Key": "a b"})

    assert response.status == 200


def test_what_may_no_longer_be_repeated_is_removed(backend: TestBackend) -> None:
    alice = backend.as_user("alice")
    for number in range(3):
        create(alice, Idempotency_Key=str(number))

    backend.clock.wait_ms(DAY_MS - 2)
    create(alice, Idempotency_Key="3")
    removed = backend.system.mutation(idempotency.sweep)

    with backend.db() as db:
        assert (removed, len(db.query(KeptRequest).take(9))) == (2, 2)
