"""What is sent fits into the gateway's messages."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from chalicelib.engine.errors import ConnectionGone
from chalicelib.engine.functions.outcome import Failure, Outcome
from chalicelib.engine.sync.messages import (
    Ping,
    QueryUpdated,
    StateVersion,
    Transition,
    encode,
    ts_text,
)
from chalicelib.engine.sync.outbox import (
    RESPONSE_ENVELOPE_BYTES,
    Outbox,
    action_response,
    mutation_response,
)
from tests.backend import BEGINNING_MS, VirtualClock
from tests.trial import LimitedSockets

MAX_BYTES = 4_000
ALPHABETS = ["x", "é", "汉", "😀", '"', "\\", "\x01", "a😀\n"]


def transition(value: Any) -> Transition:
    updated = QueryUpdated(query_id=0, value=msgspec.Raw(msgspec.json.encode(value)))
    return Transition(
        start_version=StateVersion(0, 0, ts_text(0)),
        end_version=StateVersion(1, 0, ts_text(7)),
        modifications=(updated,),
    )


def outbox(sockets: LimitedSockets, max_bytes: int = MAX_BYTES) -> Outbox:
    return Outbox(sockets, VirtualClock(), "c", max_bytes)


class TestTransitions:
    def test_that_fit_are_sent_whole(self) -> None:
        sockets = LimitedSockets(MAX_BYTES)

        outbox(sockets).post_transition(transition("x" * 3_000), chunked=True)

        assert [m["type"] for m in sockets.posted["c"]] == ["Transition"]

    @pytest.mark.parametrize("alphabet", ALPHABETS)
    def test_that_do_not_fit_come_in_chunks_that_join_to_the_same_text(
        self, alphabet: str
    ) -> None:
        sockets = LimitedSockets(MAX_BYTES)  # refuses a chunk that is too long
        sent = transition(alphabet * 9_001)

        outbox(sockets).post_transition(sent, chunked=True)

        chunks = sockets.posted["c"]
        assert "".join(chunk["chunk"] for chunk in chunks) == encode(sent).decode()
        assert [chunk["partNumber"] for chunk in chunks] == list(range(len(chunks)))
        assert {chunk["totalParts"] for chunk in chunks} == {len(chunks)}
        assert len({chunk["transitionId"] for chunk in chunks}) == 1

    def test_are_not_cut_for_a_client_that_cannot_join_them(self) -> None:
        sockets = LimitedSockets(1 << 20)

        outbox(sockets).post_transition(transition("x" * 9_000), chunked=False)

        assert [m["type"] for m in sockets.posted["c"]] == ["Transition"]


class TestMutationResponse:
    def test_of_a_success_has_value_timestamp_and_log_lines(self) -> None:
        response = mutation_response(
            3,
            Outcome(7, b"[1]", log_lines=("[INFO] 1",)),
            redacted=False,
            max_bytes=MAX_BYTES,
        )

        assert json.loads(encode(response)) == {
            "type": "MutationResponse",
            "requestId": 3,
            "success": True,
            "result": [1],
            "ts": ts_text(7),
            "logLines": ["[INFO] 1"],
        }

    def test_of_a_failure_has_the_message_and_the_data(self) -> None:
        failed = Outcome(7, failure=Failure("1f", "Uncaught ConvexError: 5", b"5"))

        response = mutation_response(3, failed, redacted=False, max_bytes=MAX_BYTES)

        assert json.loads(encode(response)) == {
            "type": "MutationResponse",
            "requestId": 3,
            "success": False,
            "result": "[Request ID: 1f] Server Error\nUncaught ConvexError: 5",
            "ts": None,
            "logLines": [],
            "errorData": 5,
        }

    def test_redacted_keeps_reasons_and_log_lines_back_but_not_the_data(self) -> None:
        failed = Outcome(7, failure=Failure("1f", "secret", b"5"), log_lines=("[INFO] 1",))

        response = json.loads(
            encode(mutation_response(3, failed, redacted=True, max_bytes=MAX_BYTES))
        )

        assert (response["result"], response["errorData"], response["logLines"]) == (
            "[Request ID: 1f] Server Error",
            5,
            [],
        )

    def test_leaves_out_log_lines_that_do_not_fit(self) -> None:
        room = MAX_BYTES - RESPONSE_ENVELOPE_BYTES
        outcome = Outcome(7, b'"' + b"x" * (room - 200) + b'"', log_lines=("y" * 50,) * 9)

        response = mutation_response(3, outcome, redacted=False, max_bytes=MAX_BYTES)

        assert (response.success, len(response.log_lines)) == (True, 3)
        assert len(encode(response)) <= MAX_BYTES

    @pytest.mark.parametrize(
        "failure",
        [
            Failure("1f", "no", b'"' + b"x" * MAX_BYTES + b'"'),
            Failure("1f", "\x01" * (MAX_BYTES // 4)),
        ],
    )
    def test_says_that_an_error_was_too_long_and_still_names_the_request(
        self, failure: Failure
    ) -> None:
        outcome = Outcome(7, failure=failure)

        response = mutation_response(3, outcome, redacted=False, max_bytes=MAX_BYTES)

        assert len(encode(response)) <= MAX_BYTES
        assert bytes(response.result).startswith(
            b'"[Request ID: 1f] Server Error\\nthe error has'
        )


class TestActionResponse:
    def test_of_a_success_has_no_timestamp(self) -> None:
        response = action_response(
            3, Outcome(7, b"[1]", log_lines=("x",)), redacted=False, max_bytes=MAX_BYTES
        )

        assert json.loads(encode(response)) == {
            "type": "ActionResponse",
            "requestId": 3,
            "success": True,
            "result": [1],
            "logLines": ["x"],
        }

    def test_of_data_that_is_null_has_data(self) -> None:
        failed = Outcome(7, failure=Failure("1f", "no", b"null"))

        response = action_response(3, failed, redacted=True, max_bytes=MAX_BYTES)

        assert json.loads(encode(response))["errorData"] is None

    def test_of_a_value_that_is_too_long_is_an_error(self) -> None:
        outcome = Outcome(7, b'"' + b"x" * MAX_BYTES + b'"')

        response = action_response(3, outcome, redacted=False, max_bytes=MAX_BYTES)

        assert not response.success
        assert b"the value has 4002 bytes" in bytes(response.result)


class TestSentMs:
    def test_is_when_something_was_last_sent(self) -> None:
        box = outbox(LimitedSockets(MAX_BYTES))
        before = box.sent_ms

        box.post(Ping())

        assert (before, box.sent_ms) == (0.0, BEGINNING_MS)

    def test_does_not_move_when_the_gateway_refuses(self) -> None:
        class Gone(LimitedSockets):
            @override
            def post(self, connection: str, data: bytes) -> None:
                raise ConnectionGone("closed")

        box = outbox(Gone(MAX_BYTES))
        with pytest.raises(ConnectionGone):
            box.post(Ping())

        assert box.sent_ms == 0.0
