"""What a session becomes with each message, and what is to be done then."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.engine.errors import BadMessage, BaseVersionMismatch, Overloaded
from chalicelib.engine.persistence import Interval
from chalicelib.engine.sync.messages import (
    Action,
    ActionDone,
    Add,
    Authenticate,
    Connect,
    Event,
    InboxMessage,
    ModifyQuerySet,
    Mutation,
    Remove,
)
from chalicelib.engine.sync.session import (
    JS_PATIENCE_MS,
    MAX_ACTIONS,
    RUST_PATIENCE_MS,
    Answer,
    Enlist,
    LiveQuery,
    Run,
    Session,
    Start,
    Step,
    Verify,
    receive,
    signed_in,
)
from tests.trial import user

ARGS = msgspec.Raw(b"[{}]")
CONNECT = Connect(session_id="s", client_ts=1_000)


def after(*messages: InboxMessage) -> Session:
    session = Session()
    for message in messages:
        session = step(session, message).session
    return session


def step(session: Session, message: InboxMessage) -> Step:
    return receive(session, message, received_ms=400.0, give_up_ms=5_000.0)


def modify(base: int, *changes: Add | Remove, new: int | None = None) -> ModifyQuerySet:
    return ModifyQuerySet(
        base_version=base,
        new_version=base + 1 if new is None else new,
        modifications=changes,
    )


def add(query_id: int, journal: str | None = None, component: str | None = None) -> Add:
    return Add(
        query_id=query_id,
        udf_path="m:f",
        args=ARGS,
        journal=journal,
        component_path=component,
    )


class TestConnect:
    def test_names_the_session_and_has_it_enlisted(self) -> None:
        connected = step(Session(), Connect(session_id="s", connection_count=3))

        assert (connected.session.id, connected.session.number) == ("s", 3)
        assert (connected.effects, connected.due) == ((Enlist(),), False)

    def test_from_a_client_with_a_clock_tells_how_far_it_is_off(self) -> None:
        assert after(CONNECT).clock_skew_ms == 600

    def test_from_a_client_without_a_clock_is_one_of_less_patience(self) -> None:
        rust = after(Connect(session_id="s", client_ts=0))

        assert (rust.is_js, rust.clock_skew_ms, rust.patience_ms) == (
            False,
            None,
            RUST_PATIENCE_MS,
        )
        assert after(CONNECT).patience_ms == JS_PATIENCE_MS

    def test_is_refused_a_second_time(self) -> None:
        with pytest.raises(BadMessage, match="sent twice"):
            after(CONNECT, CONNECT)

    def test_is_refused_without_a_name(self) -> None:
        with pytest.raises(BadMessage, match="needs a session id"):
            after(Connect(session_id=""))


class TestModifyQuerySet:
    def test_adds_and_removes_in_one_step(self) -> None:
        session = after(CONNECT, modify(0, add(1), add(2)))

        changed = step(session, modify(1, Remove(query_id=1), add(5)))

        assert sorted(changed.session.queries) == [2, 5]
        assert (changed.session.query_set, changed.due) == (2, True)

    def test_of_nothing_moves_the_version(self) -> None:
        assert after(CONNECT, modify(0)).query_set == 1

    def test_may_skip_versions(self) -> None:
        assert after(CONNECT, modify(0, new=7)).query_set == 7

    def test_carries_the_journal_into_the_query(self) -> None:
        session = after(CONNECT, modify(0, add(1, journal="page 2")))

        assert session.queries[1] == LiveQuery("m:f", b"[{}]", "page 2")

    def test_keeps_what_a_removed_query_read_until_the_next_transition(self) -> None:
        reads = (Interval(1, b"a", b"b"),)
        session = after(CONNECT, modify(0, add(1)))
        ran = msgspec.structs.replace(session.queries[1], reads=reads, ran=True)
        session = msgspec.structs.replace(session, queries={1: ran})

        removed = step(session, modify(1, Remove(query_id=1))).session

        assert (removed.queries, removed.dropped) == ({}, {1: reads})

    @pytest.mark.parametrize("base", [0, 2])
    def test_refuses_another_base_and_reports_both_versions(self, base: int) -> None:
        session = after(CONNECT, modify(0))

        with pytest.raises(BaseVersionMismatch) as refused:
            step(session, modify(base))

        assert (refused.value.expected, refused.value.received) == (1, base)

    @pytest.mark.parametrize("new", [0, 1])
    def test_refuses_a_version_that_does_not_rise(self, new: int) -> None:
        with pytest.raises(BadMessage, match="must be above its baseVersion"):
            step(after(CONNECT, modify(0)), modify(1, new=new))

    def test_refuses_an_id_that_is_in_the_set(self) -> None:
        with pytest.raises(BadMessage, match="query 1 was added twice"):
            after(CONNECT, modify(0, add(1)), modify(1, add(1)))

    def test_refuses_one_id_twice_in_one_step(self) -> None:
        with pytest.raises(BadMessage, match="query 1 was added twice"):
            after(CONNECT, modify(0, add(1), add(1)))

    def test_refuses_to_remove_what_is_not_there(self) -> None:
        with pytest.raises(BadMessage, match="query 9 was removed and is not in the set"):
            after(CONNECT, modify(0, Remove(query_id=9)))

    @pytest.mark.parametrize(
        ("component", "allowed"), [(None, True), ("", True), ("a", False)]
    )
    def test_knows_no_component_but_the_root(
        self, component: str | None, allowed: bool
    ) -> None:
        if allowed:
            assert 1 in after(CONNECT, modify(0, add(1, component=component))).queries
        else:
            with pytest.raises(BadMessage, match="there are no components here"):
                after(CONNECT, modify(0, add(1, component=component)))


class TestAuthenticate:
    MESSAGE = Authenticate(base_version=0, token_type="User", value="jwt")

    def test_moves_the_identity_and_has_the_token_verified(self) -> None:
        authenticated = step(after(CONNECT, modify(0)), self.MESSAGE)

        assert authenticated.session.identity == 1
        assert authenticated.effects == (Verify(self.MESSAGE),)
        assert authenticated.due

    def test_waits_with_the_transition_for_the_first_query_set(self) -> None:
        assert not step(after(CONNECT), self.MESSAGE).due
        assert step(after(CONNECT, self.MESSAGE), modify(0)).due

    def test_refuses_another_base(self) -> None:
        with pytest.raises(BaseVersionMismatch):
            after(CONNECT, self.MESSAGE, self.MESSAGE)

    def test_names_the_caller_once_the_token_is_verified(self) -> None:
        assert signed_in(after(CONNECT), user("ann")).caller == user("ann")


class TestRequests:
    def test_a_mutation_is_run_and_followed_by_a_transition(self) -> None:
        message = Mutation(request_id=4, udf_path="m:f", args=ARGS)

        requested = step(after(CONNECT), message)

        assert (requested.effects, requested.due) == ((Run(message),), True)
        assert requested.session.next_request == 5

    def test_an_action_is_started_and_given_up_some_time(self) -> None:
        message = Action(request_id=4, udf_path="m:f", args=ARGS)

        requested = step(after(CONNECT), message)

        assert requested.effects == (Start(message),)
        assert requested.session.actions == {4: 5_000.0}

    def test_an_action_that_is_done_is_answered_once(self) -> None:
        session = after(CONNECT, Action(request_id=4, udf_path="m:f", args=ARGS))
        done = ActionDone(request_id=4, response=msgspec.Raw(b"{}"))

        first = step(session, done)
        second = step(first.session, done)

        assert (first.effects, first.due) == ((Answer(done),), True)
        assert (second.effects, second.due) == ((), False)

    def test_actions_under_way_are_bounded(self) -> None:
        full = msgspec.structs.replace(
            after(CONNECT), actions=dict.fromkeys(range(MAX_ACTIONS), 0.0)
        )

        with pytest.raises(Overloaded, match="too many actions"):
            step(full, Action(request_id=MAX_ACTIONS, udf_path="m:f", args=ARGS))

    @pytest.mark.parametrize("kind", [Mutation, Action])
    def test_know_no_component_but_the_root(self, kind: type[Mutation | Action]) -> None:
        message = kind(request_id=0, udf_path="m:f", args=ARGS, component_path="a")

        with pytest.raises(BadMessage, match="there are no components here"):
            step(after(CONNECT), message)


def test_an_event_changes_nothing() -> None:
    session = after(CONNECT)

    assert step(session, Event(event_type="ClientConnect")) == Step(session)


def test_a_message_does_not_change_the_session_that_it_came_to() -> None:
    session = after(CONNECT, modify(0, add(1)))
    before = msgspec.msgpack.encode(session)

    step(session, modify(1, Remove(query_id=1), add(2)))

    assert msgspec.msgpack.encode(session) == before
