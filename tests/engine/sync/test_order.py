"""Frames are taken up in the order of their counters, and of the gateway where there are none."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from chalicelib.engine.ports import Frame
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
    encode,
)
from chalicelib.engine.sync.order import (
    AROUND_AUTHENTICATE_MS,
    GAP_SETTLE_MS,
    NEW_CONNECTION_MS,
    Choice,
    Received,
    Timing,
    choose,
    place,
)
from chalicelib.engine.sync.session import Session

ARGS = msgspec.Raw(b"[{}]")
SETTLE_MS = 100.0
READY = Session(id="s", query_set=1)
CONNECT = Connect(session_id="s")


def mutation(request_id: int) -> Mutation:
    return Mutation(request_id=request_id, udf_path="m:f", args=ARGS)


def authenticate(base: int) -> Authenticate:
    return Authenticate(base_version=base, token_type="None")


def modify(base: int, *changes: Add) -> ModifyQuerySet:
    return ModifyQuerySet(base_version=base, new_version=base + 1, modifications=changes)


def received(message: InboxMessage, stamp_ms: float = 0, name: str = "1") -> Received:
    return Received(Frame(name, stamp_ms, encode(message)), message)


def pick(session: Session, *waiting: Received, **timing: Any) -> Choice:
    """Choose long after the connection was made, unless told otherwise."""
    defaults: dict[str, Any] = {
        "now_ms": 100_000.0,
        "looked_ms": 100_000.0,
        "born_ms": 0.0,
        "settle_ms": SETTLE_MS,
    }
    return choose(session, sorted(waiting, key=place), Timing(**(defaults | timing)))


def taken(choice: Choice) -> InboxMessage | None:
    return choice.ready.message if choice.ready is not None else None


class TestBeforeConnect:
    @pytest.mark.parametrize("message", [modify(0), mutation(0), authenticate(0)])
    def test_everything_waits(self, message: InboxMessage) -> None:
        assert pick(Session(), received(message)) == Choice()

    def test_connect_itself_and_events_do_not(self) -> None:
        assert taken(pick(Session(), received(CONNECT))) == CONNECT
        assert taken(pick(Session(), received(Event()))) == Event()


class TestAnOpeningBurst:
    def test_of_one_stamp_is_taken_up_as_clients_send_it(self) -> None:
        burst: list[InboxMessage] = [CONNECT, authenticate(0), modify(0), mutation(0)]
        for order in permutations(burst):
            frames = [received(m, 5, name=str(n)) for n, m in enumerate(order)]

            assert [r.message for r in sorted(frames, key=place)] == burst


class TestQuerySets:
    def test_are_taken_up_by_their_base(self) -> None:
        later, next_ = received(modify(2), 1), received(modify(1), 2)

        assert taken(pick(READY, later, next_)) == modify(1)

    def test_with_a_gap_before_them_wait(self) -> None:
        assert pick(READY, received(modify(2))) == Choice()

    def test_on_an_old_base_are_taken_up_to_be_refused(self) -> None:
        assert taken(pick(READY, received(modify(0)))) == modify(0)


class TestRequests:
    def test_wait_for_the_first_query_set(self) -> None:
        assert pick(Session(id="s"), received(mutation(0))) == Choice()

    def test_are_taken_up_by_their_id(self) -> None:
        session = Session(id="s", query_set=1, next_request=3)

        choice = pick(session, received(mutation(4), 1), received(mutation(3), 2))

        assert taken(choice) == mutation(3)

    def test_of_a_first_connection_wait_for_the_one_before(self) -> None:
        assert pick(READY, received(mutation(1))) == Choice()

    def test_of_a_later_connection_may_have_gaps_once_the_one_before_was_answered(
        self,
    ) -> None:
        later = Session(id="s", query_set=1, number=1)

        choice = pick(later, received(mutation(7), 1), answered=lambda i: i == 6)

        assert taken(choice) == mutation(7)

    def test_of_a_later_connection_wait_a_while_for_one_that_may_be_under_way(self) -> None:
        later = Session(id="s", query_set=1, number=1)

        choice = pick(later, received(mutation(7), 100_000.0))

        assert choice == Choice(wait_ms=GAP_SETTLE_MS)

    def test_settle_while_a_connection_is_new(self) -> None:
        frame = received(mutation(0), 1_000.0)
        new = {"born_ms": 900.0, "now_ms": 1_010.0, "looked_ms": 1_010.0}

        assert pick(READY, frame, **new) == Choice(wait_ms=SETTLE_MS - 10)

    def test_settle_no_more_once_it_is_old(self) -> None:
        at = 1_000.0 + NEW_CONNECTION_MS
        frame = received(mutation(0), at)

        assert taken(
            pick(READY, frame, born_ms=1_000.0, now_ms=at, looked_ms=at)
        ) == mutation(0)

    def test_settle_after_an_authenticate(self) -> None:
        session = Session(id="s", query_set=1, authenticated_ms=99_000.0)

        assert pick(session, received(mutation(0), 100_000.0)) == Choice(wait_ms=SETTLE_MS)
        late = 99_000.0 + AROUND_AUTHENTICATE_MS
        choice = pick(session, received(mutation(0), late), now_ms=late, looked_ms=late)
        assert taken(choice) == mutation(0)

    def test_wait_for_an_authenticate_before_them(self) -> None:
        choice = pick(READY, received(authenticate(0), 1), received(mutation(0), 2))

        assert taken(choice) == authenticate(0)


class TestAuthenticate:
    def test_waits_for_requests_before_it(self) -> None:
        choice = pick(READY, received(mutation(0), 1), received(authenticate(0), 2))

        assert taken(choice) == mutation(0)

    def test_settles_always(self) -> None:
        choice = pick(READY, received(authenticate(0), 99_990.0))

        assert choice == Choice(wait_ms=SETTLE_MS - 10)

    def test_waits_for_the_one_before_it(self) -> None:
        assert pick(READY, received(authenticate(1))) == Choice()


class TestAnswersOfActions:
    def test_never_wait(self) -> None:
        done = ActionDone(request_id=1, response=msgspec.Raw(b"{}"))

        assert taken(pick(READY, received(done, 100_000.0), born_ms=100_000.0)) == done

    def test_nor_hold_anything_back(self) -> None:
        action = Action(request_id=0, udf_path="m:f", args=ARGS)

        assert taken(pick(READY, received(action))) == action


class TestAnOrderedGateway:
    def test_lets_nothing_settle(self) -> None:
        new = {"born_ms": 100_000.0, "settle_ms": 0.0}

        for message in (authenticate(0), mutation(0)):
            assert taken(pick(READY, received(message, 100_000.0), **new)) == message

    def test_lets_ids_have_gaps(self) -> None:
        assert taken(pick(READY, received(mutation(9)), settle_ms=0.0)) == mutation(9)
