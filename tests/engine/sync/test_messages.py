"""Messages are what the stock clients send and expect, and nothing else gets in."""

from __future__ import annotations

import json

import msgspec
import pytest

from chalicelib.engine.errors import BadMessage
from chalicelib.engine.sync.messages import (
    ActionDone,
    ActionResponse,
    Add,
    Authenticate,
    AuthError,
    Connect,
    Event,
    ModifyQuerySet,
    Mutation,
    MutationResponse,
    Ping,
    QueryFailed,
    QueryUpdated,
    Remove,
    StateVersion,
    Transition,
    decode_client,
    decode_inbox,
    encode,
    ts_text,
    ts_value,
)


class TestDecodeClient:
    def test_reads_what_the_npm_client_opens_with(self) -> None:
        message = decode_client(
            b'{"type":"Connect","sessionId":"8fea","connectionCount":2,"lastCloseReason":null,'
            b'"clientTs":1795364479800,"maxObservedTimestamp":"AAAAAAAAAAA="}'
        )

        assert message == Connect(
            session_id="8fea",
            connection_count=2,
            client_ts=1_795_364_479_800,
            max_observed_timestamp="AAAAAAAAAAA=",
        )

    def test_reads_both_changes_of_a_query_set(self) -> None:
        message = decode_client(
            b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":['
            b'{"type":"Add","queryId":3,"udfPath":"m:f","args":[{}],"journal":"j"},'
            b'{"type":"Remove","queryId":1}]}'
        )

        assert isinstance(message, ModifyQuerySet)
        assert message.modifications == (
            Add(query_id=3, udf_path="m:f", args=msgspec.Raw(b"[{}]"), journal="j"),
            Remove(query_id=1),
        )

    @pytest.mark.parametrize("name", ["actingAs", "impersonating"])
    def test_reads_whom_an_admin_acts_as(self, name: str) -> None:
        text = {
            "type": "Authenticate",
            "baseVersion": 0,
            "tokenType": "Admin",
            "value": "key",
            name: {"subject": "ann"},
        }

        message = decode_client(json.dumps(text).encode())

        assert isinstance(message, Authenticate)
        assert (message.acting_as or message.impersonating) == {"subject": "ann"}

    def test_ignores_fields_that_it_does_not_know(self) -> None:
        assert decode_client(
            b'{"type":"Event","eventType":"x","event":1,"new":2}'
        ) == Event(event_type="x", event=1)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff\xfe",
            b"null",
            b"[]",
            b"{",
            b'{"type":"Ping"}',
            b'{"type":"-ActionDone","requestId":1,"response":{}}',
            b'{"type":5}',
            b'{"sessionId":"x"}',
            b'{"type":"Connect"}',
            b'{"type":"Connect","sessionId":5}',
            b'{"type":"Connect","sessionId":"' + b"x" * 257 + b'"}',
            b'{"type":"Connect","sessionId":"x","connectionCount":-1}',
            b'{"type":"Connect","sessionId":"x","clientTs":' + b"9" * 400 + b"}",
            b'{"type":"Mutation","requestId":1.5,"udfPath":"m:f","args":[]}',
            b'{"type":"Mutation","requestId":4294967296,"udfPath":"m:f","args":[]}',
            b'{"type":"Mutation","requestId":1,"args":[]}',
            b'{"type":"Mutation","requestId":1,"udfPath":"m:f"}',
            b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{}]}',
            (
                b'{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":'
                b'[{"type":"Remove","queryId":-1}]}'
            ),
            b'{"type":"Authenticate","baseVersion":0,"tokenType":"Root"}',
            b'{"type":"Authenticate","baseVersion":0,"tokenType":"User","value":5}',
            b'{"type":"Event","event":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ],
    )
    def test_refuses_what_is_not_of_the_protocol(self, body: bytes) -> None:
        with pytest.raises(BadMessage, match="Received Invalid JSON on websocket"):
            decode_client(body)


class TestDecodeInbox:
    def test_reads_answers_of_actions_too(self) -> None:
        done = ActionDone(request_id=1, response=msgspec.Raw(b"{}"))

        assert decode_inbox(encode(done)) == done

    def test_reads_what_a_client_sent(self) -> None:
        sent = Mutation(request_id=1, udf_path="m:f", args=msgspec.Raw(b"[{}]"))

        assert decode_inbox(encode(sent)) == sent


class TestEncode:
    def test_a_transition_has_every_field_that_clients_read(self) -> None:
        version = StateVersion(1, 0, ts_text(5))
        updated = QueryUpdated(query_id=1, value=msgspec.Raw(b"null"))

        written = json.loads(
            encode(
                Transition(
                    start_version=version, end_version=version, modifications=(updated,)
                )
            )
        )

        assert written == {
            "type": "Transition",
            "startVersion": {"querySet": 1, "identity": 0, "ts": "BQAAAAAAAAA="},
            "endVersion": {"querySet": 1, "identity": 0, "ts": "BQAAAAAAAAA="},
            "modifications": [
                {
                    "type": "QueryUpdated",
                    "queryId": 1,
                    "value": None,
                    "logLines": [],
                    "journal": None,
                }
            ],
            "clientClockSkew": None,
            "serverTs": None,
        }

    def test_error_data_is_there_when_it_is_null_and_not_there_when_there_is_none(
        self,
    ) -> None:
        failed = QueryFailed(query_id=1, error_message="", log_lines=(), journal=None)
        with_null = msgspec.structs.replace(failed, error_data=msgspec.Raw(b"null"))

        assert "errorData" not in msgspec.json.decode(msgspec.json.encode(failed))
        assert json.loads(msgspec.json.encode(with_null)) == {
            "type": "QueryFailed",
            "queryId": 1,
            "errorMessage": "",
            "logLines": [],
            "journal": None,
            "errorData": None,
        }

    @pytest.mark.parametrize(
        "message",
        [
            MutationResponse(request_id=1, success=True, result=msgspec.Raw(b"1"), ts="x"),
            ActionResponse(request_id=1, success=True, result=msgspec.Raw(b"1")),
        ],
    )
    def test_responses_always_have_log_lines(
        self, message: MutationResponse | ActionResponse
    ) -> None:
        written = json.loads(encode(message))

        assert written["logLines"] == []
        assert "errorData" not in written

    def test_a_failed_mutation_has_a_timestamp_of_null(self) -> None:
        failed = MutationResponse(
            request_id=1, success=False, result=msgspec.Raw(b'"no"'), ts=None
        )

        assert json.loads(encode(failed))["ts"] is None

    def test_small_messages_are_as_clients_know_them(self) -> None:
        refused = AuthError(error="no", base_version=0, auth_update_attempted=True)

        assert json.loads(encode(Ping())) == {"type": "Ping"}
        assert json.loads(encode(refused)) == {
            "type": "AuthError",
            "error": "no",
            "baseVersion": 0,
            "authUpdateAttempted": True,
        }


class TestTimestamps:
    @pytest.mark.parametrize("ts", [0, 1, 1 << 40, (1 << 63) - 1])
    def test_go_there_and_back(self, ts: int) -> None:
        assert ts_value(ts_text(ts)) == ts

    def test_are_base64_of_little_endian(self) -> None:
        assert (ts_text(0), ts_text(1)) == ("AAAAAAAAAAA=", "AQAAAAAAAAA=")

    @pytest.mark.parametrize(
        "text", ["", "1", "AAAA", "AAAAAAAAAAAA", "é", "A" * 1000, "*=="]
    )
    def test_that_are_malformed_are_refused(self, text: str) -> None:
        with pytest.raises(BadMessage, match="not a timestamp"):
            ts_value(text)
