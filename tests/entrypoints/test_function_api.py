"""The function API over HTTP: what good requests get, and the documented error for bad ones.

Each request goes twice: as API Gateway's event through the Chalice app, and to the handler.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

import app
from chalicelib import bootstrap
from chalicelib.engine.errors import (
    OptimisticConcurrencyControlFailure,
    OutcomeUnknown,
    StorageUnavailable,
)
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.sync.messages import ts_text, ts_value
from chalicelib.entrypoints import http
from tests.apps.trial.http import PNG
from tests.entrypoints.deployment import (
    OTHER_KEY,
    Answer,
    Place,
    call,
    rest_event,
    token,
)
from tests.trial import ADMIN_KEY, TRACES

HANDLERS: Final[Mapping[str, http.Handler]] = {
    "/api/query": http.query,
    "/api/mutation": http.mutation,
    "/api/action": http.action,
    "/api/function": http.function,
    "/api/query_ts": http.query_ts,
    "/api/query_at_ts": http.query_at_ts,
    "/api/query_batch": http.query_batch,
}
ADMIN: Final = {"Authorization": f"Convex {ADMIN_KEY}"}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request to one endpoint."""

    path: str
    body: str | bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)

    def through_chalice(self) -> Answer:
        return call("POST", self.path, self.body, headers=self.headers, query=self.query)

    def through_the_handler(self, place: Place) -> Answer:
        body = self.body.encode() if isinstance(self.body, str) else self.body
        request = http.Request(
            method="POST",
            path=self.path,
            query=self.query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        return place.handle(request, HANDLERS[self.path])


def sent(
    path: str,
    function: str = "calls:constant",
    args: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    **more: Any,
) -> Sent:
    body = {"path": function, "args": {} if args is None else args, **more}
    return Sent(path, json.dumps(body), headers or {}, query or {})


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


CALL_PATHS: Final = ("/api/query", "/api/mutation", "/api/action", "/api/function")

REFUSED: Final = {
    # what is wrong: (request, status, code, a part of the message)
    "bad JSON": (Sent("/api/query", "{"), 400, "BadJsonBody", "not what this endpoint takes"),
    "no body": (Sent("/api/mutation", ""), 400, "BadJsonBody", "not what this endpoint takes"),
    "not UTF-8": (Sent("/api/action", b"\xff\xfe"), 400, "BadJsonBody", ""),
    "half a character": (Sent("/api/query", '{"path":"\\ud800"}'), 400, "BadJsonBody", ""),
    "no object": (Sent("/api/query", "[]"), 400, "BadJsonBody", "Expected `object`"),
    "null": (Sent("/api/query", "null"), 400, "BadJsonBody", "Expected `object`"),
    "too deep": (Sent("/api/query", '{"path":"a:b","args":' + deep(99_999) + "}"), 400, "BadJsonBody", ""),
    "no path": (Sent("/api/query", '{"args":{}}'), 400, "BadJsonBody", "`path`"),
    "empty path": (sent("/api/query", ""), 400, "BadJsonBody", "`path` is missing"),
    "path of a number": (Sent("/api/query", '{"path":5}'), 400, "BadJsonBody", "$.path"),
    "a component": (sent("/api/query", componentPath="a"), 400, "BadMessage", "no components"),
    "unknown format": (sent("/api/query", format="xml"), 400, "BadFormat", "'xml'"),
    "malformed client": (
        sent("/api/query", headers={"Convex-Client": "npm1.0"}),
        400,
        "InvalidClientVersion",
        "write it like npm-1.48.0",
    ),
    "no token": (sent("/api/query", headers={"Authorization": "Bearer"}), 401, "InvalidAuthHeader", ""),
    "another scheme": (
        sent("/api/query", headers={"Authorization": "Basic YTpi"}),
        401,
        "InvalidAuthHeader",
        "'Bearer <token>'",
    ),
    "token that is none": (
        sent("/api/mutation", headers=bearer("x.y.z")),
        401,
        "InvalidAuthHeader",
        "not a JWT",
    ),
    "expired token": (
        sent("/api/action", headers=bearer(token(lasts_s=-60))),
        401,
        "InvalidAuthHeader",
        "Token expired",
    ),
    "forged token": (
        sent("/api/query", headers=bearer(token(key=OTHER_KEY))),
        401,
        "InvalidAuthHeader",
        "Could not decode token",
    ),
    "token of a stranger": (
        sent("/api/query", headers=bearer(token(issuer="https://evil.example"))),
        401,
        "NoAuthProvider",
        "No auth provider found",
    ),
    "wrong admin key": (
        sent("/api/query", headers={"Authorization": "Convex trial|wrong"}),
        403,
        "BadDeployKey",
        "not the one of this deployment",
    ),
    "wrong admin key in the query": (
        sent("/api/query", query={"adminKey": "wrong"}),
        403,
        "BadDeployKey",
        "not the one of this deployment",
    ),
    "admin acting as nobody": (
        sent("/api/query", headers={"Authorization": f"Convex {ADMIN_KEY}:e30="}),
        401,
        "InvalidAuthHeader",
        "The user to act as",
    ),
    "function of nobody": (sent("/api/function"), 403, "BadDeployKey", ""),
    "function of a user": (
        sent("/api/function", headers=bearer(token())),
        403,
        "BadDeployKey",
        "",
    ),
    "ts missing": (sent("/api/query_at_ts"), 400, "BadMessage", "not a timestamp"),
    "ts malformed": (sent("/api/query_at_ts", ts="*"), 400, "BadMessage", "not a timestamp"),
    "ts of a number": (sent("/api/query_at_ts", ts=5), 400, "BadJsonBody", "$.ts"),
    "ts too old": (
        sent("/api/query_at_ts", ts=ts_text(1)),
        503,
        "OutOfRetention",
        "that timestamp is",
    ),
    "batch of a number": (Sent("/api/query_batch", '{"queries":5}'), 400, "BadJsonBody", ""),
    "batch without paths": (Sent("/api/query_batch", '{"queries":[{}]}'), 400, "BadJsonBody", ""),
}  # fmt: skip

FAILED: Final = {
    # what is wrong: (request, the reason after the line that names the request)
    "unknown function": (
        sent("/api/query", "items:nope"),
        "Could not find public function for 'items:nope'.",
    ),
    "unknown function with a suffix": (
        sent("/api/mutation", "items.js:nope"),
        "Could not find public function for 'items:nope'.",
    ),
    "unknown function for the admin": (
        sent("/api/function", "items:nope", headers=ADMIN),
        "Could not find function for 'items:nope'. Did you forget to run `npx convex dev`?",
    ),
    "internal query": (
        sent("/api/query", "calls:secret"),
        "Could not find public function for 'calls:secret'.",
    ),
    "internal mutation of a user": (
        sent("/api/mutation", "calls:erase", headers=bearer(token())),
        "Could not find public function for 'calls:erase'.",
    ),
    "internal action": (
        sent("/api/action", "calls:hide"),
        "Could not find public function for 'calls:hide'.",
    ),
    "mutation as a query": (
        sent("/api/query", "items:add"),
        "Trying to execute items:add as query, but it is defined as mutation.",
    ),
    "query as an action": (
        sent("/api/action", "items:list"),
        "Trying to execute items:list as action, but it is defined as query.",
    ),
    "missing argument": (
        sent("/api/query", "items:list"),
        "ArgumentValidationError: Object is missing the required field `group`.",
    ),
    "extra argument": (
        sent("/api/query", "items:list", {"group": "a", "x": 1}),
        "ArgumentValidationError: Object contains extra field `x` that is not in the validator.",
    ),
    "argument of a wrong type": (
        sent("/api/mutation", "items:add", {"group": "a", "label": 1}),
        "ArgumentValidationError: Value does not match validator.\nPath: .label\n",
    ),
    "argument that is no id": (
        sent("/api/query", "items:get", {"document": "x"}),
        'ArgumentValidationError: Value does not match validator.\nPath: .document\nValue: "x"',
    ),
    "arguments that are no object": (
        sent("/api/query", args=5),
        "Arguments must be an object, or an array that holds just one object.",
    ),
    "arguments that are two objects": (
        sent("/api/query", args=[{}, {}]),
        "Arguments must be an object, or an array that holds just one object.",
    ),
    "argument of an unknown form": (
        sent("/api/query", "items:list", {"group": {"$set": []}}),
        "",
    ),
    "argument nested too deeply": (
        Sent("/api/query", '{"path":"items:list","args":{"group":' + deep(70) + "}}"),
        "value is nested too deeply",
    ),
    "document too large": (
        sent("/api/mutation", "items:add", {"group": "a", "label": "x" * 1_100_000}),
        "value of 1100019 bytes is too large: the limit is 1048576",
    ),
}


@pytest.fixture
def place(every_log: Persistence) -> Iterator[Place]:
    """The trial app, deployed over a log of each adapter."""
    yield Place(persistence=every_log)
    bootstrap._in_use.clear()


@pytest.mark.parametrize("what", REFUSED)
class TestABadRequest:
    def test_gets_its_status_and_code_from_both_doors(
        self, place: Place, what: str
    ) -> None:
        request, status, code, part = REFUSED[what]

        for answer in (request.through_chalice(), request.through_the_handler(place)):
            assert (answer.status, answer.json["code"]) == (status, code)
            assert part in answer.json["message"]
            assert not any(trace in answer.body for trace in TRACES)
            assert set(answer.json) == {"code", "message"}


@pytest.mark.parametrize("what", FAILED)
class TestABadCall:
    def test_is_answered_200_with_the_reason_from_both_doors(
        self, place: Place, what: str
    ) -> None:
        request, reason = FAILED[what]

        for answer in (request.through_chalice(), request.through_the_handler(place)):
            first, _, rest = answer.json["errorMessage"].partition("\n")
            assert (answer.status, answer.json["status"]) == (200, "error")
            assert first.startswith("[Request ID: ")
            assert first.endswith("] Server Error")
            assert rest.startswith(reason)
            assert "errorData" not in answer.json
            assert not any(trace in answer.body for trace in TRACES)

    def test_is_answered_with_the_first_line_alone_where_errors_are_redacted(
        self, redacted: Place, what: str
    ) -> None:
        message = FAILED[what][0].through_chalice().json["errorMessage"]

        assert message.startswith("[Request ID: ")
        assert message.endswith("] Server Error")


class TestAnId:
    def test_of_another_table_is_refused(self, place: Place) -> None:
        diary = sent(
            "/api/mutation", "items:writeDiary", {"text": "x"}, headers=bearer(token())
        )
        made = diary.through_chalice().json["value"]

        answer = sent("/api/query", "items:get", {"document": made}).through_chalice()

        assert "from table `diaries`, which does not match" in answer.json["errorMessage"]


class TestFailures:
    def test_carry_the_data_of_an_application_error_even_redacted(
        self, redacted: Place
    ) -> None:
        request = sent("/api/mutation", "calls:writeAndRefuse", {"group": "a"})

        answer = request.through_chalice()

        assert answer.json["errorData"] == {
            "code": "CONFLICT",
            "message": "not today",
            "details": {"group": "a"},
        }
        assert answer.json["errorMessage"].endswith("] Server Error")

    def test_carry_data_that_is_null(self, place: Place) -> None:
        answer = sent("/api/query", "calls:refuseWithNull").through_chalice()

        assert answer.json["errorData"] is None

    def test_that_are_bugs_say_so_without_a_stack(self, place: Place) -> None:
        message = sent("/api/query", "calls:crash").through_chalice().json["errorMessage"]

        assert message.endswith("\nUncaught ZeroDivisionError: password=hunter2")
        assert "Traceback" not in message

    def test_that_are_bugs_say_nothing_where_errors_are_redacted(
        self, redacted: Place
    ) -> None:
        for name in ("query", "mutation", "action"):
            path = {"query": "calls:crash", "mutation": "calls:writeAndCrash"}.get(
                name, "calls:nope"
            )
            answer = sent(
                f"/api/{name}", path, {"group": "a"} if name == "mutation" else {}
            )
            body = answer.through_chalice().body
            assert not any(trace in body for trace in (*TRACES, "ZeroDivision"))

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (OptimisticConcurrencyControlFailure("items:add kept conflicting"), 503),
            (OutcomeUnknown("no answer"), 503),
            (StorageUnavailable("the disk is gone"), 503),
            (RuntimeError("hunter2 in app.py"), 500),
        ],
    )
    def test_of_the_engine_have_a_status_and_a_code_and_bugs_are_opaque(
        self, place: Place, error: Exception, status: int
    ) -> None:
        def fail(deployment: object, request: object) -> http.Response:
            raise error

        answer = place.handle(http.Request(method="POST", path="/x"), fail)

        code = getattr(error, "code", "InternalServerError")
        assert (answer.status, answer.json["code"]) == (status, code)
        assert not any(trace in answer.body for trace in TRACES)


class TestCalls:
    @pytest.mark.parametrize("args", [{}, [{}], []])
    def test_take_arguments_in_both_forms(self, place: Place, args: Any) -> None:
        assert sent("/api/query", args=args).through_chalice().json == {
            "status": "success",
            "value": 42,
        }

    def test_of_every_kind_are_run_in_the_name_of_the_caller(self, place: Place) -> None:
        mine = bearer(token("ann"))
        sent(
            "/api/mutation", "items:writeDiary", {"text": "x"}, headers=mine
        ).through_chalice()

        told = [
            sent(f"/api/{kind}", path, headers=mine).through_chalice().json["value"]
            for kind, path in (("query", "calls:diaries"), ("action", "calls:author"))
        ]

        assert told == [["x"], "ann"]

    def test_by_get_have_it_all_in_the_query_string(self, place: Place) -> None:
        answer = call(
            "GET", "/api/query", query={"path": "items:list", "args": '{"group":"a"}'}
        )

        assert answer.json == {"status": "success", "value": []}

    @pytest.mark.parametrize("args", ["{", "5", "", "null"])
    def test_by_get_with_bad_arguments_are_answered(self, place: Place, args: str) -> None:
        answer = call("GET", "/api/query", query={"path": "items:list", "args": args})

        assert (answer.status, answer.json["status"]) == (200, "error")

    def test_by_get_without_a_path_are_refused(self, place: Place) -> None:
        assert call("GET", "/api/query").json["code"] == "BadJsonBody"

    def test_carry_log_lines_unless_redacted(self, place: Place) -> None:
        shown = sent("/api/query", "calls:log").through_chalice().json

        assert shown["logLines"][1] == "[INFO] 'hi' null true"
        assert "logLines" not in sent("/api/query", "calls:constant").through_chalice().json

    def test_carry_no_log_lines_where_they_are_redacted(self, redacted: Place) -> None:
        assert "logLines" not in sent("/api/query", "calls:log").through_chalice().json

    def test_by_run_name_the_function_by_slashes(self, place: Place) -> None:
        assert call("POST", "/api/run/calls/constant", "").json["value"] == 42
        assert (
            call("POST", "/api/run/items/list", '{"args":{"group":"a"}}').json["value"]
            == []
        )

    def test_by_run_do_not_reach_internal_functions(self, place: Place) -> None:
        answer = call("POST", "/api/run/calls/secret", "{}")

        assert "Could not find function for 'calls:secret'." in answer.json["errorMessage"]

    @pytest.mark.parametrize(
        ("path", "value"), [("calls:secret", "the secret"), ("calls:nothing", "nothing")]
    )
    def test_by_function_run_anything_for_the_admin(
        self, place: Place, path: str, value: str
    ) -> None:
        assert (
            sent("/api/function", path, headers=ADMIN).through_chalice().json["value"]
            == value
        )

    def test_of_the_admin_may_act_as_a_user(self, place: Place) -> None:
        attributes = (
            "eyJpc3N1ZXIiOiJodHRwczovL2kiLCJzdWJqZWN0IjoiY2FybCJ9"  # carl of https://i
        )
        headers = {"Authorization": f"Convex {ADMIN_KEY}:{attributes}"}

        assert (
            sent("/api/query", "calls:whoami", headers=headers)
            .through_chalice()
            .json["value"]
            == "carl"
        )

    def test_of_the_admin_may_name_the_key_in_the_query(self, place: Place) -> None:
        request = sent("/api/function", "calls:secret", query={"adminKey": ADMIN_KEY})

        assert request.through_chalice().json["value"] == "the secret"

    def test_in_a_batch_are_answered_one_by_one(self, place: Place) -> None:
        body = {
            "queries": [{"path": "calls:constant"}, {"path": "calls:nope", "args": [{}]}]
        }

        results = call("POST", "/api/query_batch", json.dumps(body)).json["results"]

        assert [result["status"] for result in results] == ["success", "error"]


class TestTimestamps:
    def test_are_those_of_the_log_and_can_be_asked_about(self, place: Place) -> None:
        before = call("POST", "/api/query_ts", "").json["ts"]
        sent("/api/mutation", "items:add", {"group": "a", "label": "x"}).through_chalice()
        after = call("POST", "/api/query_ts", "").json["ts"]

        seen = [
            sent("/api/query_at_ts", "items:list", {"group": "a"}, ts=ts).through_chalice()
            for ts in (before, after)
        ]

        assert ts_value(after) == ts_value(before) + 1
        assert [answer.json["value"] for answer in seen] == [[], ["x"]]

    def test_of_a_call_that_fails_say_why(self, place: Place) -> None:
        now = call("POST", "/api/query_ts", "").json["ts"]

        answer = sent("/api/query_at_ts", "calls:secret", ts=now).through_chalice()

        assert "Could not find public function" in answer.json["errorMessage"]


class TestFormats:
    def echoed(self, **headers_and_format: Any) -> Any:
        headers = headers_and_format.pop("headers", {})
        args = {"group": "a", "count": 3}
        request = sent(
            "/api/query", "items:first", args, headers=headers, **headers_and_format
        )
        return request.through_chalice().json

    @pytest.mark.parametrize(
        "name",
        ["json", "convex_clean_json", "convex_encoded_json", "convex_json", "export_json"],
    )
    def test_that_are_known_are_taken(self, place: Place, name: str) -> None:
        assert self.echoed(format=name) == {"status": "success", "value": []}

    @pytest.mark.parametrize(
        ("client", "name", "text"),
        [
            (None, None, "42"),
            (None, "export_json", "42.0"),
            ("npm-1.48.0", "convex_encoded_json", "42"),
            ("python-0.8.1", "convex_encoded_json", "42.0"),
        ],
    )
    def test_write_a_number_as_the_client_reads_it(
        self, place: Place, client: str | None, name: str | None, text: str
    ) -> None:
        more: dict[str, Any] = {"format": name} if name else {}
        headers = {"Convex-Client": client} if client else {}

        answer = sent("/api/query", headers=headers, **more).through_chalice()

        assert f'"value":{text}' in answer.body


class TestPages:
    def test_of_any_origin_may_read_answers_and_errors(self, place: Place) -> None:
        headers = {"Origin": "https://page.example"}
        good = sent("/api/query", headers=headers).through_chalice()
        bad = Sent("/api/query", "{", headers).through_chalice()

        for answer in (good, bad):
            assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"

    def test_ask_first_and_are_allowed(self, place: Place) -> None:
        answer = call(
            "OPTIONS",
            "/api/query",
            headers={
                "Origin": "https://page.example",
                "Access-Control-Request-Headers": "authorization,convex-client",
            },
        )

        assert answer.status in {200, 204}
        assert (
            answer.headers["Access-Control-Allow-Headers"] == "authorization,convex-client"
        )
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert answer.headers["Access-Control-Max-Age"] == "86400"


class TestPlainEndpoints:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/version", "c0de"),
            ("/instance_version", "c0de"),
            ("/instance_name", "trial"),
            ("/health", '{"status":"ok"}'),
            ("/ready", '{"status":"ready"}'),
        ],
    )
    def test_answer_anybody(self, place: Place, path: str, text: str) -> None:
        answer = call("GET", path)

        assert (answer.status, answer.body) == (200, text)

    def test_echo_bytes(self, place: Place) -> None:
        event = rest_event("POST", "/echo", b"\x00\xff", {"Accept": "*/*"}, None)

        answered = app.app(event, None)

        assert (answered["isBase64Encoded"], answered["body"]) == (True, "AP8=")

    @pytest.mark.parametrize("kind", ["image/png", "application/x-own; v=1", "text/plain"])
    def test_echo_bytes_of_any_type(self, place: Place, kind: str) -> None:
        event = rest_event("POST", "/echo", b"\x00\xff", {"Content-Type": kind}, None)

        answered = app.app(event, None)

        assert (answered["statusCode"], answered["body"]) == (200, "AP8=")


class TestHttpFunctions:
    @pytest.mark.parametrize(("path", "body"), [("picture", PNG), ("blank", b"")])
    def test_answer_with_bytes_of_a_binary_type(
        self, place: Place, path: str, body: bytes
    ) -> None:
        event = rest_event("GET", f"/http/{path}", None, {"Accept": "image/png"}, None)

        answered = app.app(event, None)

        assert (answered["statusCode"], answered["isBase64Encoded"]) == (200, True)
        assert base64.b64decode(answered["body"]) == body

    def test_answer_bytes_to_who_names_no_type_it_accepts(self, place: Place) -> None:
        answered = app.app(rest_event("GET", "/http/picture", None, {}, None), None)

        assert (answered["statusCode"], answered["isBase64Encoded"]) == (200, True)
        assert base64.b64decode(answered["body"]) == PNG

    def test_that_fail_say_nothing_where_errors_are_redacted(self, redacted: Place) -> None:
        answer = call("GET", "/http/crash")

        assert answer.status == 500
        assert not any(trace in answer.body for trace in (*TRACES, "ZeroDivision"))

    def test_that_are_not_there_are_404(self, place: Place) -> None:
        answer = call("GET", "/http/nope")

        assert (answer.status, answer.body) == (404, "No HttpAction routed for /nope")


def test_an_unknown_caller_is_nobody(place: Place) -> None:
    assert sent("/api/query", "calls:whoami").through_chalice().json["value"] is None
