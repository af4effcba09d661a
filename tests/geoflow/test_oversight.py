"""What admins see of others: only after they have said why, and for a while."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chalicelib.engine.errors import ArgumentValidationError, Forbidden, Unauthenticated
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import (
    audit,
    executions,
    files,
    oversight,
    users,
    webhooks,
    workflows,
)
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes

PAGE = PaginationOptions(num_items=50, cursor=None)


@pytest.fixture
def root(backend: TestBackend) -> Client:
    who = backend.as_user("root")
    backend.system.mutation(users.grant_role, who.mutation(users.ensure), "admin")
    return who


LISTS: dict[str, Callable[[Client], object]] = {
    "workflows": lambda who: who.query(workflows.list_),
    "pages of workflows": lambda who: who.query(workflows.list_page, PAGE).page,
    "runs": lambda who: who.query(executions.list_),
    "files": lambda who: who.query(files.search, "", PAGE).page,
}


@pytest.mark.parametrize("listed", LISTS.values(), ids=LISTS.keys())
def test_lists_have_what_is_others_after_it_was_opened(
    backend: TestBackend, root: Client, listed: Callable[[Client], object]
) -> None:
    ann = backend.as_user("ann")
    ann.mutation(executions.start, ann.mutation(workflows.create, "a", nodes=nodes("a")))
    ann.http("POST", "/api/files/upload?name=a.txt", b"a")

    before = listed(root)
    root.mutation(oversight.open, "ticket 7")

    assert before == []
    assert listed(root) == listed(ann) != []


def test_what_is_watched_changes_with_it_and_it_ends_by_itself(
    backend: TestBackend, root: Client
) -> None:
    backend.as_user("ann").mutation(workflows.create, "LIDAR")
    watch = root.watch(workflows.list_)

    until = root.mutation(oversight.open, "ticket 7", 2)
    backend.advance(minutes=3)

    assert [[each.name for each in result] for result in watch.results] == [
        [],
        ["LIDAR"],
        [],
    ]
    assert until < backend.clock.now_ms()


def test_opened_anew_it_ends_later(backend: TestBackend, root: Client) -> None:
    root.mutation(oversight.open, "ticket 7", 1)
    second = root.mutation(oversight.open, "ticket 8", 5)
    backend.advance(minutes=2)

    me = root.query(users.me)

    assert me is not None
    assert me.opened_until == second


def test_it_can_be_closed_earlier(backend: TestBackend, root: Client) -> None:
    flow = backend.as_user("ann").mutation(workflows.create, "LIDAR")
    root.mutation(oversight.open, "ticket 7")
    during = root.query(workflows.get, flow)

    root.mutation(oversight.close)

    assert during is not None
    assert root.query(workflows.get, flow) is None


def test_it_is_for_admins_who_give_a_reason(backend: TestBackend, root: Client) -> None:
    with pytest.raises(Forbidden):
        backend.as_user("ann").mutation(oversight.open, "curious")
    with pytest.raises(Unauthenticated):
        backend.nobody.mutation(oversight.open, "curious")
    with pytest.raises(ArgumentValidationError):
        root.call("oversight:open", "mutation", reason="")
    with pytest.raises(ArgumentValidationError):
        root.call("oversight:open", "mutation", reason="why", minutes=61)


def test_it_is_worth_nothing_without_the_role(backend: TestBackend, root: Client) -> None:
    flow = backend.as_user("ann").mutation(workflows.create, "LIDAR")
    root.mutation(oversight.open, "ticket 7")

    backend.system.mutation(users.grant_role, root.mutation(users.ensure), "editor")

    assert root.query(workflows.get, flow) is None


def test_events_tell_what_documents_held_after_it_was_opened(
    backend: TestBackend, root: Client
) -> None:
    flow = backend.as_user("ann").mutation(workflows.create, "LIDAR")
    while backend.system.mutation(audit.follow):
        pass

    (before,) = root.query(audit.by_document, flow, PAGE).page
    root.mutation(oversight.open, "ticket 7")
    (opened,) = root.query(audit.by_document, flow, PAGE).page

    assert (before.operation, before.before, before.after) == ("insert", None, None)
    assert json.loads(opened.after or "")["name"] == "LIDAR"


def test_payloads_of_others_are_closed_with_their_webhooks(
    backend: TestBackend, root: Client
) -> None:
    ann = backend.as_user("ann")
    made = ann.action(webhooks.create, "w", "http://127.0.0.1:9999/a", ["file.processed"])
    delivery = ann.mutation(webhooks.send_test, made.webhook_id)

    before = root.query(webhooks.get_delivery, delivery)
    root.mutation(oversight.open, "ticket 7")

    assert before is None
    assert root.query(webhooks.get_delivery, delivery) is not None


def test_the_audit_has_who_opened_it_and_why(backend: TestBackend, root: Client) -> None:
    me = root.mutation(users.ensure)

    root.mutation(oversight.open, "ticket 7", 1)
    backend.advance(minutes=2)

    root.mutation(oversight.open, "to read this")
    events = root.query(audit.by_document, me, PAGE).page
    opened = [event for event in events if event.operation == "admin.open"][-1]
    changes = [event.path for event in events if "openedUntil" in (event.after or "")]
    assert (opened.detail, opened.actor) == ("ticket 7", "https://test.example|root")
    assert changes[:2] == ["oversight:end", "oversight:open"]
