"""The audit: who did what to which document, from where, in a chain that tells of tampering."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from chalicelib.engine.database.history import followed_up_to
from chalicelib.engine.errors import (
    ArgumentValidationError,
    Forbidden,
    NotFound,
    Unauthenticated,
    WrongFunctionKind,
)
from chalicelib.engine.server import PaginationOptions
from chalicelib.geoflow import (
    accesses,
    audit,
    audit_pen,
    credentials,
    executions,
    oversight,
    portable,
    users,
    workflows,
)
from chalicelib.geoflow.limits import AUDIT_KEPT_MS
from chalicelib.geoflow.model.audit_chain import FACTS, Anchor, Verdict, link, walk
from chalicelib.geoflow.model.audit_facts import REDACTED
from chalicelib.geoflow.schema import AuditEvent, AuditHead, Credential, SensitiveAccess
from testing import Client, TestBackend
from tests.geoflow.drawings import nodes

PAGE = PaginationOptions(num_items=100, cursor=None)


def admin(backend: TestBackend) -> Client:
    root = backend.as_user("root")
    backend.system.mutation(users.grant_role, root.mutation(users.ensure), "admin")
    root.mutation(oversight.open, "a test")
    return root


def caught_up(backend: TestBackend) -> list[AuditEvent]:
    """Let the audit follow the log, and return its events, oldest first."""
    while backend.system.mutation(audit.follow):
        pass
    with backend.db() as db:
        return db.query(AuditEvent.by_seq.gt(0)).collect()


def verdict(backend: TestBackend, *anchors: Anchor) -> Verdict:
    """Walk along the chain as the command does: over what is stored."""
    chain = backend.system.query(audit.chain)
    events, after = [], chain.base_seq
    while page := backend.system.call("audit:links", "query", after=after):
        events += page
        after = int(page[-1]["seq"])
    return walk(
        events,
        base=Anchor(chain.base_seq, chain.base_hash),
        head=Anchor(chain.seq, chain.hash),
        anchors=anchors,
    )


def told(event: AuditEvent) -> tuple[Any, Any]:
    before, after = (
        None if text is None else json.loads(text) for text in (event.before, event.after)
    )
    return before, after


class TestEvents:
    def test_say_who_did_what_to_which_document(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        workflow = ann.mutation(workflows.create, "LIDAR")
        ann.mutation(workflows.update, workflow, name="Coast")
        ann.mutation(workflows.remove, workflow)

        found = [event for event in caught_up(backend) if event.document == workflow]

        assert [(e.operation, e.path, e.table) for e in found] == [
            ("insert", "workflows:create", "workflows"),
            ("update", "workflows:update", "workflows"),
            ("remove", "workflows:remove", "workflows"),
        ]
        assert {(e.actor, e.via) for e in found} == {("https://test.example|ann", "user")}
        assert told(found[0])[1]["name"] == "LIDAR"
        assert told(found[1]) == ({"name": "LIDAR"}, {"name": "Coast"})
        assert told(found[2])[0]["name"] == "Coast"

    def test_tell_jobs_the_admin_key_and_users_apart(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        me = ann.mutation(users.ensure)
        backend.system.mutation(users.grant_role, me, "admin")
        workflow = ann.mutation(workflows.create, "LIDAR")
        ann.mutation(workflows.remove, workflow)
        backend.run_jobs()

        events = caught_up(backend)

        assert {(e.path, e.via, e.actor) for e in events if e.operation != "insert"} == {
            ("users:grantRole", "admin key", None),
            ("workflows:remove", "user", "https://test.example|ann"),
            ("removal:removeRest", "system", None),
        }

    def test_come_by_themselves_and_each_once(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        workflow = ann.mutation(workflows.create, "LIDAR")

        backend.advance(seconds=31)
        before = caught_up(backend)
        backend.advance(seconds=61)

        assert [e.document for e in before].count(workflow) == 1
        assert caught_up(backend) == before
        assert verdict(backend).broken is None

    def test_of_large_entries_are_written_in_several_steps(
        self, backend: TestBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_pen, "AUDITED_AT_ONCE", 3)
        ann = backend.as_user("ann")
        owner = ann.mutation(users.ensure)
        with backend.db() as db:
            for n in range(10):
                db.insert(Credential(owner=owner, service="s", name=str(n)))

        steps = []
        while written := backend.system.mutation(audit.follow):
            steps.append(written)
            assert written <= 3

        events = caught_up(backend)
        assert len(steps) > 3
        assert [told(e)[1]["name"] for e in events if e.table == "credentials"] == [
            *map(str, range(10))
        ]
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert verdict(backend).broken is None

    def test_are_none_of_what_workers_report_all_the_time(
        self, backend: TestBackend
    ) -> None:
        ann, worker = backend.as_user("ann"), backend.as_user("pdal", role="worker")
        workflow = ann.mutation(workflows.create, "LIDAR", nodes=nodes("a"))
        run = ann.mutation(executions.start, workflow)
        worker.call("workers:claim", "mutation", workerId="w1")
        for done in (0.1, 0.2, 0.3):
            worker.call(
                "workers:progress",
                "mutation",
                executionId=run,
                workerId="w1",
                nodeId="a",
                state="running",
                progress=done,
            )
        worker.call(
            "workers:complete", "mutation", executionId=run, workerId="w1", outputs={}
        )

        found = [event for event in caught_up(backend) if event.document == run]

        assert [(e.operation, e.path) for e in found] == [
            ("insert", "executions:start"),
            ("update", "workers:claim"),
            ("update", "workers:complete"),
        ]

    def test_tell_long_values_by_their_digest(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        workflow = ann.mutation(workflows.create, "LIDAR", "d" * 9000)

        (event,) = [e for e in caught_up(backend) if e.document == workflow]

        assert set(told(event)[1]["description"]["$cut"]) == {"bytes", "sha256"}
        assert told(event)[1]["name"] == "LIDAR"

    def test_hold_no_secrets(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        made = ann.action(credentials.create, "aws", "bucket", "planted")
        key = ann.call("apiKeys:create", "action", name="k", scopes=["workflows:read"])
        ann.action(credentials.rotate, made, "planted again")

        events = caught_up(backend)

        of_secret = [told(e) for e in events if e.document == made]
        assert of_secret[-1][0]["sealed"] == of_secret[-1][1]["sealed"] == REDACTED
        (of_key,) = [told(e)[1] for e in events if e.document == key["apiKeyId"]]
        assert of_key["digest"] == REDACTED
        assert b"planted" not in msgspec.json.encode(events)


class TestAccesses:
    def test_are_events_and_leave_no_note_behind(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        made = ann.action(credentials.create, "aws", "bucket", "s")
        backend.system.mutation(
            accesses.record, "export", "workflows", "some-id", "as a file"
        )

        events = [e for e in caught_up(backend) if e.operation == "export"]

        assert [(e.table, e.document, e.detail) for e in events] == [
            ("workflows", "some-id", "as a file")
        ]
        with backend.db() as db:
            assert db.query(SensitiveAccess).first() is None
        assert made

    def test_by_any_export_of_a_workflow_are_events(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        flow = ann.mutation(workflows.create, "LIDAR")

        with pytest.raises(WrongFunctionKind):
            ann.call("portable:exportWorkflow", "query", workflowId=flow)
        ann.call("portable:exportWorkflow", "mutation", workflowId=flow)
        ann.http("GET", f"/api/workflows/{flow}/export")
        with pytest.raises(NotFound):
            backend.as_user("bob").mutation(portable.export_workflow, flow)

        events = [e for e in caught_up(backend) if e.operation == "export"]
        assert [(e.table, e.document, e.actor) for e in events] == [
            ("workflows", flow, "https://test.example|ann")
        ] * 2

    def test_by_admins_of_what_is_anothers_are_recorded_with_the_reason(
        self, backend: TestBackend
    ) -> None:
        root, ann = admin(backend), backend.as_user("ann")
        made = ann.action(credentials.create, "aws", "bucket", "s")

        shown = root.mutation(audit.inspect, made, "ticket 7")
        nothing = root.mutation(audit.inspect, "no-such-id", "ticket 7")
        with pytest.raises(Forbidden):
            ann.mutation(audit.inspect, made, "curious")

        assert json.loads(shown or "")["name"] == "bucket"
        assert json.loads(shown or "")["sealed"] == REDACTED
        assert nothing is None
        (event,) = [e for e in caught_up(backend) if e.operation == "admin.read"]
        assert (event.document, event.detail, event.actor) == (
            made,
            "ticket 7",
            "https://test.example|root",
        )


class TestQueries:
    def test_find_by_document_actor_and_time(self, backend: TestBackend) -> None:
        root, ann = admin(backend), backend.as_user("ann")
        workflow = ann.mutation(workflows.create, "LIDAR")
        backend.clock.wait_ms(10_000)
        since = backend.clock.now_ms()
        ann.mutation(workflows.update, workflow, name="Coast")
        caught_up(backend)
        actor = "https://test.example|ann"

        by_document = root.query(audit.by_document, workflow, PAGE).page
        recent = root.query(audit.by_document, workflow, PAGE, since=since).page
        older = root.query(audit.by_document, workflow, PAGE, until=since).page
        by_actor = root.query(audit.by_actor, actor, PAGE).page
        by_time = root.query(audit.by_time, PAGE, since=since).page

        assert [e.operation for e in by_document] == ["update", "insert"]
        assert (recent, older) == (by_document[:1], by_document[1:])
        assert {e.actor for e in by_actor} == {actor}
        assert by_time[-1] == by_document[0]
        assert root.query(audit.head).seq == max(e.seq for e in by_time)

    @pytest.mark.parametrize("time", [float("nan"), float("inf"), -1.0, 1e300])
    def test_take_times_that_can_be(self, backend: TestBackend, time: float) -> None:
        root = admin(backend)

        with pytest.raises(ArgumentValidationError):
            root.query(audit.by_time, PAGE, since=time)
        with pytest.raises(ArgumentValidationError):
            root.query(audit.by_time, PAGE, until=time)

    def test_are_for_admins_alone(self, backend: TestBackend) -> None:
        ann = backend.as_user("ann")
        ann.mutation(users.ensure)
        caught_up(backend)

        calls: tuple[Callable[[Client], Any], ...] = (
            lambda who: who.query(audit.by_time, PAGE),
            lambda who: who.query(audit.by_actor, None, PAGE),
            lambda who: who.query(audit.by_document, "x", PAGE),
            lambda who: who.query(audit.head),
        )
        for call in calls:
            with pytest.raises(Forbidden):
                call(ann)
            with pytest.raises(Unauthenticated):
                call(backend.nobody)


def _change(event: AuditEvent, db: Any) -> None:
    db.patch(event.id, actor="somebody else")


def _change_and_rehash(event: AuditEvent, db: Any) -> None:
    facts = {name: getattr(event, name) for name in FACTS} | {"actor": "somebody else"}
    db.patch(event.id, actor="somebody else", hash=link(event.previous, facts))


def _remove(event: AuditEvent, db: Any) -> None:
    db.delete(event.id)


class TestChain:
    def test_holds_when_nobody_has_touched_it(self, backend: TestBackend) -> None:
        chain_of(backend, 5)

        found = verdict(backend)

        assert (found.broken, found.end.seq) == (
            None,
            backend.system.query(audit.chain).seq,
        )

    @pytest.mark.parametrize("number", [1, 3])
    @pytest.mark.parametrize(
        ("tamper", "says"),
        [
            (_change, "event {0} was changed"),
            (_change_and_rehash, "event {1} does not follow"),
            (_remove, "event {0} is missing"),
        ],
    )
    def test_breaks_where_an_event_was_tampered_with(
        self,
        backend: TestBackend,
        number: int,
        tamper: Callable[[AuditEvent, Any], None],
        says: str,
    ) -> None:
        events = chain_of(backend, 5)
        with backend.db() as db:
            tamper(events[number - 1], db)

        found = verdict(backend)

        assert found.broken is not None
        assert found.broken.startswith(says.format(number, number + 1))

    def test_breaks_where_events_have_changed_places(self, backend: TestBackend) -> None:
        events = chain_of(backend, 5)
        with backend.db() as db:
            first, second = (db.require(event.id) for event in events[1:3])
            first.seq, second.seq = second.seq, first.seq
            db.replace(events[1].id, first)
            db.replace(events[2].id, second)

        assert verdict(backend).broken is not None

    def test_breaks_where_an_event_was_slipped_in(self, backend: TestBackend) -> None:
        events = chain_of(backend, 5)
        with backend.db() as db:
            forged = db.require(events[2].id)
            forged.actor = "somebody else"
            db.insert(msgspec.structs.replace(forged, seq=events[-1].seq + 1))

        assert verdict(backend).broken is not None

    def test_that_was_cut_off_shows_by_its_head(self, backend: TestBackend) -> None:
        events = chain_of(backend, 5)
        with backend.db() as db:
            db.delete(events[-1].id)

        assert "missing" in (verdict(backend).broken or "")

    def test_that_was_cut_off_with_its_head_shows_by_an_anchor(
        self, backend: TestBackend
    ) -> None:
        events = chain_of(backend, 5)
        anchor = Anchor(events[-1].seq, events[-1].hash)
        with backend.db() as db:
            db.delete(events[-1].id)
            head = db.query(AuditHead).first()
            assert head is not None
            db.patch(head.id, seq=events[-2].seq, hash=events[-2].hash)

        assert verdict(backend).broken is None
        assert "missing" in (verdict(backend, anchor).broken or "")

    def test_that_was_computed_anew_shows_by_an_anchor(self, backend: TestBackend) -> None:
        events = chain_of(backend, 5)
        anchor = Anchor(events[-1].seq, events[-1].hash)
        with backend.db() as db:
            previous = events[0].previous
            for event in events:
                forged = db.require(event.id)
                forged.actor = "somebody else"
                forged.previous = previous
                facts = {name: getattr(forged, name) for name in FACTS}
                forged.hash = previous = link(previous, facts)
                db.replace(event.id, forged)
            head = db.query(AuditHead).first()
            assert head is not None
            db.patch(head.id, hash=previous)

        assert verdict(backend).broken is None
        assert "computed anew" in (verdict(backend, anchor).broken or "")


def chain_of(backend: TestBackend, length: int) -> list[AuditEvent]:
    ann = backend.as_user("ann")
    for n in range(length):
        ann.mutation(workflows.create, str(n))
    return caught_up(backend)


class TestRetention:
    def test_removes_old_events_and_the_rest_of_the_chain_holds(
        self, backend: TestBackend
    ) -> None:
        old = chain_of(backend, 3)
        backend.clock.wait_ms(AUDIT_KEPT_MS)
        chain_of(backend, 3)

        removed = backend.system.mutation(audit.prune)

        left = caught_up(backend)
        assert removed == len(old)
        assert left[0].seq == len(old) + 1
        assert verdict(backend).broken is None
        assert verdict(backend, Anchor(old[-1].seq, old[-1].hash)).broken is None
        assert verdict(backend, Anchor(old[-1].seq, "0" * 64)).broken is not None
        assert backend.system.mutation(audit.prune) == 0

    def test_the_log_is_not_trimmed_before_the_audit_has_read_it(
        self, backend: TestBackend
    ) -> None:
        caught_up(backend)
        engine, day_ms = backend.engine, 24 * 3_600_000
        followed = position(backend)
        for n in range(3):
            backend.as_user("ann").mutation(workflows.create, str(n))
        for _ in range(6):
            engine.upkeep.keep_house()
            backend.clock.wait_ms(4 * day_ms)
        engine.upkeep.keep_house()
        kept = backend._persistence.marks().horizon

        events = caught_up(backend)
        for _ in range(6):
            engine.upkeep.keep_house()
            backend.clock.wait_ms(4 * day_ms)
        engine.upkeep.keep_house()

        assert kept == followed
        assert [told(e)[1]["name"] for e in events if e.table == "workflows"] == [*"012"]
        assert backend._persistence.marks().horizon > followed


def position(backend: TestBackend) -> int:
    found = followed_up_to(backend._persistence, backend.engine.runner._tail)
    assert found is not None
    return found


def test_events_say_from_where(backend: TestBackend) -> None:
    ann = backend.as_user("ann")
    workflow = ann.mutation(workflows.create, "LIDAR")
    run = ann.mutation(executions.start, workflow)

    response = ann.http(
        "POST",
        f"/api/executions/{run}/cancel",
        headers={"User-Agent": "curl/8"},
        source="203.0.113.7",
    )

    (event,) = [
        e for e in caught_up(backend) if e.document == run and e.operation == "update"
    ]
    assert response.status == 200
    assert (event.address, event.agent) == ("203.0.113.7", "curl/8")
