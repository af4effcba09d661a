"""Webhooks: told of what concerns their owners, by signed requests to a real receiver."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from itertools import pairwise
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
from chalicelib.engine.server import Id, PaginationOptions
from chalicelib.geoflow import (
    credentials,
    deliveries,
    executions,
    file_facts,
    files,
    keys,
    oversight,
    users,
    webhooks,
    workers,
    workflows,
)
from chalicelib.geoflow.limits import DELIVERY_PAUSES_MS, MAX_WEBHOOKS_PER_USER
from chalicelib.geoflow.schema import Webhook, WebhookDelivery, WebhookEvent
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes
from tests.receiver import Received, Receiver, receiving

ALL: list[WebhookEvent] = [
    "workflow.started",
    "workflow.completed",
    "workflow.failed",
    "file.processed",
    "user.created",
]
HOUR_MS = 3_600_000


def leap(backend: TestBackend, hours: float = 0, ms: float = 0) -> None:
    """Let time pass at once, so that what recurs in it runs once and not a thousand times."""
    backend.clock.wait_ms(hours * HOUR_MS + ms)
    backend.engine.send_sweep()
    backend.run_jobs()


def try_to_the_end(backend: TestBackend) -> None:
    """Let all attempts of a delivery be made."""
    backend.run_jobs()
    for pause_ms in DELIVERY_PAUSES_MS:
        leap(backend, ms=pause_ms * 1.1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def admin(backend: TestBackend) -> Client:
    root = backend.as_user("root")
    backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
    root.mutation(oversight.open, "a test")
    return root


def hooked(who: Client, receiver: Receiver, **more: Any) -> webhooks.Made:
    return who.action(webhooks.create, "mine", receiver.url, ALL, **more)


def delivered(who: Client, webhook: Id[Webhook]) -> list[WebhookDelivery]:
    opts = PaginationOptions(num_items=100, cursor=None)
    return who.query(webhooks.deliveries, webhook, opts).page


def told(receiver: Receiver) -> list[tuple[str, Any]]:
    bodies = (json.loads(each.body) for each in receiver.received)
    return [(body["type"], body["data"]) for body in bodies]


def is_signed(secret: str, received: Received) -> bool:
    parts = dict(p.split("=") for p in received.headers["x-webhook-signature"].split(","))
    assert parts["t"] == received.headers["x-webhook-timestamp"]
    wanted = hmac.new(
        secret.encode(), parts["t"].encode() + b"." + received.body, hashlib.sha256
    )
    return hmac.compare_digest(parts["v1"], wanted.hexdigest())


class TestCreate:
    def test_shows_the_secret_once_and_keeps_it_sealed(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")

        made = hooked(ann, receiver)

        assert made.secret.startswith("whsec_")
        (shown,) = ann.call("webhooks:list", "query")
        assert set(shown) == {
            *("webhookId", "owner", "name", "url", "events", "enabled", "credentialId"),
            *("created", "rotated", "failingSince", "disabledReason"),
        }
        assert made.secret not in json.dumps(shown)
        with backend.db() as db:
            assert made.secret.encode() not in (db.require(made.webhook_id).sealed or b"")

    @pytest.mark.parametrize(
        "url",
        [
            "https://10.0.0.1/hook",
            "https://169.254.169.254/latest/meta-data",
            "ftp://127.0.0.1/",
            "http://ann:pw@127.0.0.1/",
            "nonsense",
            "https://nowhere.invalid/",
        ],
    )
    def test_refuses_addresses_to_which_nothing_is_sent(
        self, backend: TestBackend, url: str
    ) -> None:
        ann = backend.as_user("ann")

        with pytest.raises(ValidationFailed) as refused:
            ann.action(webhooks.create, "mine", url, ALL)

        assert refused.value.details == {"field": "url"}
        assert ann.query(webhooks.list_) == []

    def test_is_not_for_viewers_and_strangers_and_limited_for_others(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann, vic = backend.as_user("ann"), backend.as_user("vic")
        backend.system.mutation(users.grant_role, vic.mutation(users.ensure), "viewer")

        with pytest.raises(Forbidden):
            hooked(vic, receiver)
        with pytest.raises(Unauthenticated):
            hooked(backend.nobody, receiver)
        for _ in range(MAX_WEBHOOKS_PER_USER):
            hooked(ann, receiver)
        with pytest.raises(RateLimited):
            hooked(ann, receiver)


class TestDelivery:
    def test_is_signed_over_time_and_body(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)

        delivery = ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        (received,) = receiver.received
        assert (received.method, received.path) == ("POST", "/hook")
        assert received.headers["content-type"] == "application/json"
        assert received.headers["x-webhook-event"] == "test"
        assert json.loads(received.body)["id"] == received.headers["x-webhook-id"]
        assert is_signed(made.secret, received)
        assert not is_signed("whsec_other", received)
        found = ann.query(webhooks.get_delivery, delivery)
        assert found is not None
        assert (found.status, [each.status for each in found.attempts]) == (
            "succeeded",
            [200],
        )

    def test_never_keeps_what_was_answered(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        receiver.status, receiver.body = 500, b"planted in an answer"
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)

        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        (found,) = ann.call(
            "webhooks:deliveries",
            "query",
            webhookId=made.webhook_id,
            paginationOpts={"numItems": 5, "cursor": None},
        )["page"]
        assert found["attempts"][0]["status"] == 500
        assert "planted" not in json.dumps(found)

    def test_is_tried_again_after_longer_and_longer_pauses(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        receiver.statuses = [500, 503, 302]
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)

        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()
        for pause_ms in DELIVERY_PAUSES_MS[:3]:
            leap(backend, ms=pause_ms - 1000)
            leap(backend, ms=pause_ms * 0.1 + 1000)

        (found,) = delivered(ann, made.webhook_id)
        assert (found.status, [each.status for each in found.attempts]) == (
            "succeeded",
            [500, 503, 302, 200],
        )
        assert [each.headers["x-webhook-attempt"] for each in receiver.received] == [
            *"1234"
        ]
        assert len({each.headers["x-webhook-id"] for each in receiver.received}) == 1
        pauses = [b.at - a.at for a, b in pairwise(found.attempts)]
        for pause, wanted in zip(pauses, DELIVERY_PAUSES_MS, strict=False):
            assert wanted <= pause <= wanted * 1.1 + 1000

    def test_fails_for_good_after_eight_attempts_in_a_day(
        self, backend: TestBackend
    ) -> None:
        with receiving() as gone:
            ann = backend.as_user("ann")
            made = hooked(ann, gone)
            gone_url = gone.url
        ann.mutation(webhooks.send_test, made.webhook_id)

        try_to_the_end(backend)

        (found,) = delivered(ann, made.webhook_id)
        assert gone_url == ann.query(webhooks.list_)[0].url
        assert (found.status, len(found.attempts), found.next_attempt) == (
            "failed",
            8,
            None,
        )
        assert found.attempts[0].error == "it refused the connection"
        assert (
            23 * 3_600_000 < found.attempts[-1].at - found.attempts[0].at < 26 * 3_600_000
        )

    def test_refuses_an_address_that_has_become_private(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        with backend.db() as db:
            db.patch(made.webhook_id, url="http://10.1.2.3/hook")

        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        (found,) = delivered(ann, made.webhook_id)
        assert found.attempts[0].status is None
        assert "not public" in (found.attempts[0].error or "")
        assert receiver.received == []

    def test_carries_a_credential_of_the_owner_as_bearer_token(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann, bob = backend.as_user("ann"), backend.as_user("bob")
        mine = ann.action(credentials.create, "hooks", "token", "bearer-secret")
        his = bob.action(credentials.create, "hooks", "token", "bob's")
        with pytest.raises(NotFound):
            hooked(ann, receiver, credential_id=his)
        made = hooked(ann, receiver, credential_id=mine)

        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()
        ann.mutation(credentials.remove, mine)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        (received,) = receiver.received
        assert received.headers["authorization"] == "Bearer bearer-secret"
        assert "cannot be used" in (
            delivered(ann, made.webhook_id)[0].attempts[0].error or ""
        )

    def test_whose_job_was_lost_is_found_and_made(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        with backend.db() as db:
            db.insert(
                WebhookDelivery(
                    webhook_id=made.webhook_id,
                    owner=db.require(made.webhook_id).owner,
                    event="test",
                    event_id="evt_1",
                    payload={"id": "evt_1", "type": "test", "data": {}},
                    attempts=[],
                    next_attempt=backend.clock.now_ms(),
                )
            )

        leap(backend, hours=2)
        leap(backend, hours=2)

        assert len(receiver.received) == 1
        assert delivered(ann, made.webhook_id)[0].status == "succeeded"

    def test_is_recorded_once_however_often_its_job_runs(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        delivery = ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        backend.system.action(deliveries.deliver, delivery, 1)
        backend.system.action(deliveries.deliver, delivery, 2)

        assert len(receiver.received) == 1
        assert len(delivered(ann, made.webhook_id)[0].attempts) == 1


class TestDisabling:
    def test_comes_by_itself_after_days_of_failures_with_a_reason(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        receiver.status = 500
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        for _ in range(4):
            ann.mutation(webhooks.send_test, made.webhook_id)
            backend.run_jobs()
            leap(backend, hours=20)

        with pytest.raises(Conflict):
            ann.mutation(webhooks.send_test, made.webhook_id)

        (shown,) = ann.query(webhooks.list_)
        assert not shown.enabled
        assert "days failed" in (shown.disabled_reason or "")
        tries = len(receiver.received)
        leap(backend, hours=30)
        assert len(receiver.received) == tries
        assert {each.status for each in delivered(ann, made.webhook_id)} >= {"cancelled"}

    def test_does_not_come_when_one_attempt_in_between_succeeded(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        for _ in range(4):
            receiver.statuses = [500, 500, 200]
            ann.mutation(webhooks.send_test, made.webhook_id)
            try_to_the_end(backend)

        (shown,) = ann.query(webhooks.list_)
        assert (shown.enabled, shown.failing_since) == (True, None)

    def test_by_hand_cancels_what_is_under_way_until_it_is_enabled(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        receiver.statuses = [500]
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        ann.mutation(webhooks.disable, made.webhook_id)
        leap(backend, hours=1)
        ann.mutation(webhooks.enable, made.webhook_id)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        assert [each.status for each in delivered(ann, made.webhook_id)] == [
            "succeeded",
            "cancelled",
        ]


class TestChanges:
    def test_update_changes_what_is_given_and_checks_the_address(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)

        ann.action(webhooks.update, made.webhook_id, name="other", events=["user.created"])
        with pytest.raises(ValidationFailed):
            ann.action(webhooks.update, made.webhook_id, url="http://10.0.0.1/")

        (shown,) = ann.query(webhooks.list_)
        assert (shown.name, shown.events, shown.url) == (
            "other",
            ["user.created"],
            receiver.url,
        )

    def test_rotation_signs_with_the_new_secret(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)

        anew = ann.action(webhooks.rotate_secret, made.webhook_id)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        (received,) = receiver.received
        assert anew.secret != made.secret
        assert is_signed(anew.secret, received)

    def test_a_change_of_keys_changes_no_signature(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        with backend.db() as db:
            before = db.require(made.webhook_id).sealed

        backend.system.action(keys.reseal)
        backend.run_jobs()
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        assert is_signed(made.secret, receiver.received[0])
        with backend.db() as db:
            assert db.require(made.webhook_id).sealed != before

    def test_removal_takes_the_deliveries_along(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()

        ann.mutation(webhooks.remove, made.webhook_id)
        backend.run_jobs()

        with backend.db() as db:
            assert db.query(Webhook).first() is None
            assert db.query(WebhookDelivery).first() is None

    def test_are_for_the_owner_and_admins_see_and_remove(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann, bob, root = backend.as_user("ann"), backend.as_user("bob"), admin(backend)
        made = hooked(ann, receiver)
        webhook = made.webhook_id
        delivery = ann.mutation(webhooks.send_test, webhook)
        backend.run_jobs()

        for call in (
            lambda: bob.action(webhooks.rotate_secret, webhook),
            lambda: bob.action(webhooks.update, webhook, name="his"),
            lambda: bob.mutation(webhooks.disable, webhook),
            lambda: bob.mutation(webhooks.remove, webhook),
            lambda: bob.mutation(webhooks.send_test, webhook),
            lambda: bob.mutation(webhooks.replay, delivery),
        ):
            with pytest.raises(NotFound):
                call()
        assert bob.query(webhooks.get, webhook) is None
        assert bob.query(webhooks.get_delivery, delivery) is None
        assert delivered(bob, webhook) == []
        assert len(delivered(root, webhook)) == 1
        root.mutation(webhooks.remove, webhook)

    def test_old_deliveries_are_removed(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        ann.mutation(webhooks.send_test, made.webhook_id)
        backend.run_jobs()
        backend.clock.wait_ms(31 * 24 * 3_600_000)
        ann.mutation(webhooks.send_test, made.webhook_id)

        backend.system.mutation(deliveries.prune)

        assert len(delivered(ann, made.webhook_id)) == 1


class TestReplay:
    def test_sends_the_same_event_as_a_delivery_of_its_own(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        made = hooked(ann, receiver)
        first = ann.mutation(webhooks.send_test, made.webhook_id)
        with pytest.raises(Conflict, match="still being tried"):
            ann.mutation(webhooks.replay, first)
        backend.run_jobs()

        second = ann.mutation(webhooks.replay, first)
        backend.run_jobs()

        one, other = receiver.received
        assert one.body == other.body
        assert one.headers["x-webhook-id"] == other.headers["x-webhook-id"]
        assert [each.replay_of for each in delivered(ann, made.webhook_id)] == [first, None]
        assert second != first


class TestEvents:
    def test_of_a_run_go_to_the_owner_of_the_workflow(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann, bob = backend.as_user("ann"), backend.as_user("bob")
        worker = backend.as_user("pdal", role="worker")
        hooked(ann, receiver)
        with receiving() as his:
            hooked(bob, his)
            workflow = ann.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
            good = ann.mutation(executions.start, workflow)
            bad = ann.mutation(executions.start, workflow)
            for _ in (good, bad):
                assert worker.mutation(workers.claim, "w1") is not None
            worker.mutation(workers.complete, good, "w1", {})
            worker.mutation(workers.fail, bad, "w1", "no such file")
            backend.run_jobs()

            assert his.received == []
        events = told(receiver)
        assert sorted(event for event, _ in events) == [
            "workflow.completed",
            "workflow.failed",
            "workflow.started",
            "workflow.started",
        ]
        (failed,) = [data for event, data in events if event == "workflow.failed"]
        assert (failed["executionId"], failed["error"], failed["workflowId"]) == (
            bad,
            "no such file",
            workflow,
        )

    def test_of_new_users_go_to_admins(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        root, ann = admin(backend), backend.as_user("ann")
        hooked(root, receiver)

        new = ann.mutation(users.ensure)
        ann.mutation(users.ensure)
        backend.run_jobs()

        assert told(receiver) == [
            (
                "user.created",
                {"userId": new, "name": "Ann", "email": "ann@example.com"},
            )
        ]

    def test_tell_the_owner_of_a_file_what_was_found_in_it(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        ann = backend.as_user("ann")
        hooked(ann, receiver)
        stored = backend.upload(ann.mutation(files.generate_upload_url), b"{}")
        file_id = ann.mutation(files.upload, stored, "a.geojson")

        backend.system.mutation(file_facts.record, file_id, None, "damaged", None)
        backend.run_jobs()

        assert told(receiver) == [
            (
                "file.processed",
                {
                    "fileId": file_id,
                    "name": "a.geojson",
                    "workflowId": None,
                    "state": "unreadable",
                    "reason": "damaged",
                    "format": None,
                },
            )
        ]

    def test_exist_only_if_what_they_tell_of_was_committed(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        root, ann = admin(backend), backend.as_user("ann")
        made = hooked(root, receiver)

        with pytest.raises(ValidationFailed):
            ann.mutation(workflows.create, "LIDAR", nodes=nodes("a a"))
        backend.run_jobs()

        assert receiver.received == []
        assert delivered(root, made.webhook_id) == []

    def test_go_to_those_alone_who_asked_for_them_and_are_enabled(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        root = admin(backend)
        root.action(webhooks.create, "a", receiver.url, ["user.created"])
        root.action(webhooks.create, "b", receiver.url, ["file.processed"])
        off = hooked(root, receiver)
        root.mutation(webhooks.disable, off.webhook_id)

        backend.as_user("ann").mutation(users.ensure)
        backend.run_jobs()

        assert len(receiver.received) == 1


class TestASecretThatGoesAlong:
    """A webhook may send a credential: where it goes is for whoever may use the credential."""

    def test_is_not_sent_elsewhere_by_an_admin(self, backend: TestBackend) -> None:
        alice, root = backend.as_user("alice"), backend.as_user("root")
        backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
        root.mutation(oversight.open, "a test")
        secret = alice.action(credentials.create, "chat", "bot", "hush")
        made = alice.action(
            webhooks.create, "c", "http://127.0.0.1:9999/a", ["workflow.failed"], secret
        )

        with pytest.raises(Forbidden, match=r"credentials\.use"):
            root.action(webhooks.update, made.webhook_id, url="http://127.0.0.1:9999/mine")
        root.action(webhooks.update, made.webhook_id, name="renamed")
        root.action(
            webhooks.update,
            made.webhook_id,
            url="http://127.0.0.1:9999/mine",
            credential_id=None,
        )

    def test_is_not_sent_anywhere_by_a_key_without_the_scope(
        self, backend: TestBackend
    ) -> None:
        alice = backend.as_user("alice")
        secret = alice.action(credentials.create, "chat", "bot", "hush")
        key = backend.as_user("alice", apiKeyScopes=["webhooks:read", "webhooks:write"])

        with pytest.raises(Forbidden, match="credentials:write"):
            key.action(
                webhooks.create, "c", "http://127.0.0.1:9999/a", ["file.processed"], secret
            )


class TestAKeyThatIsTold:
    """An API key learns by a webhook nothing that its scopes do not let it look at."""

    def key(self, backend: TestBackend, *more: str) -> Client:
        scopes = ["webhooks:write", *more]
        return backend.as_user("root", apiKeyScopes=scopes)

    @pytest.mark.parametrize(
        ("event", "scope"),
        [
            ("workflow.failed", "executions:read"),
            ("file.processed", "files:read"),
            ("user.created", "users:read"),
        ],
    )
    def test_of_an_event_needs_the_scope(
        self, backend: TestBackend, receiver: Receiver, event: WebhookEvent, scope: str
    ) -> None:
        admin(backend)

        with pytest.raises(Forbidden, match=scope):
            self.key(backend).action(webhooks.create, "k", receiver.url, [event])
        self.key(backend, scope).action(webhooks.create, "k", receiver.url, [event])

    def test_by_a_webhook_that_is_there_needs_it_too(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        root = admin(backend)
        made = root.action(webhooks.create, "k", receiver.url, ["user.created"])
        backend.as_user("ann").mutation(users.ensure)
        backend.run_jobs()
        (delivery,) = delivered(root, made.webhook_id)
        key = self.key(backend, "files:read")

        with pytest.raises(Forbidden, match="users:read"):
            key.action(webhooks.update, made.webhook_id, url=receiver.url)
        with pytest.raises(Forbidden, match="users:read"):
            key.mutation(webhooks.replay, delivery.id)
        key.action(webhooks.update, made.webhook_id, name="renamed")
        key.action(webhooks.update, made.webhook_id, events=["file.processed"])
        with pytest.raises(Forbidden, match="users:read"):
            key.mutation(webhooks.replay, delivery.id)

    def test_is_shown_by_deliveries_no_more_than_its_scopes_let_it_read(
        self, backend: TestBackend, receiver: Receiver
    ) -> None:
        root = admin(backend)
        made = root.action(webhooks.create, "k", receiver.url, ["user.created"])
        backend.as_user("ann").mutation(users.ensure)
        (whole,) = delivered(root, made.webhook_id)
        test = root.mutation(webhooks.send_test, made.webhook_id)

        for scope, data in (("files:read", None), ("users:read", whole.payload["data"])):
            key = self.key(backend, scope)
            _, listed = delivered(key, made.webhook_id)
            alone = key.query(webhooks.get_delivery, whole.id)
            tested = key.query(webhooks.get_delivery, test)

            assert alone == listed
            assert listed.payload == {**whole.payload, "data": data}
            assert listed.event == "user.created"
            assert tested is not None
            assert tested.payload["data"] == {"webhookId": made.webhook_id}
        assert whole.payload["data"]["name"] == "Ann"
