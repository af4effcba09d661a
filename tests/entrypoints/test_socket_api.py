"""The socket: the documented end for every bad message, through the engine and through app.py."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final

import pytest

import app
from chalicelib import bootstrap
from chalicelib.engine.limits import MAX_INBOX_FRAMES
from tests.entrypoints.deployment import OTHER_KEY, Place, token
from tests.trial import ADMIN_KEY, TRACES, Trial, add, remove, request

CONNECT: Final = {"type": "Connect", "sessionId": "s", "connectionCount": 0, "clientTs": 1}
Message = dict[str, Any] | str


def modify(base: int, *changes: dict[str, Any], new: int | None = None) -> dict[str, Any]:
    return {
        "type": "ModifyQuerySet",
        "baseVersion": base,
        "newVersion": base + 1 if new is None else new,
        "modifications": changes,
    }


def authenticate(
    kind: str, value: str | None = None, base: int = 0, **more: Any
) -> dict[str, Any]:
    message = {"type": "Authenticate", "baseVersion": base, "tokenType": kind, **more}
    return {**message, "value": value} if value is not None else message


BEGUN: Final = (CONNECT, modify(0))

FATAL: Final[dict[str, tuple[tuple[Message, ...], str]]] = {
    # what is wrong: (frames, how the FatalError begins)
    "no JSON": (("{",), "WSMessageInvalidJson: Received Invalid JSON on websocket: "),
    "no text": (("",), "WSMessageInvalidJson: "),
    "no object": (("[1]",), "WSMessageInvalidJson: "),
    "half a character": (('{"type":"Connect","sessionId":"\\ud800"}',), "WSMessageInvalidJson: "),
    "too deep": (('{"type":"Event","event":' + "[" * 50_000 + "]" * 50_000 + "}",), "WSMessageInvalidJson: "),
    "no type": (({"sessionId": "s"},), "WSMessageInvalidJson: "),
    "unknown type": (({"type": "Reboot"},), "WSMessageInvalidJson: "),
    "type of the server": (({"type": "Ping"},), "WSMessageInvalidJson: "),
    "forged answer": (
        (*BEGUN, {"type": "-ActionDone", "requestId": 0, "response": {"type": "Ping"}}),
        "WSMessageInvalidJson: ",
    ),
    "missing field": (({"type": "Connect"},), "WSMessageInvalidJson: "),
    "session without a name": (({**CONNECT, "sessionId": ""},), "BadMessage: Connect needs"),
    "session of a long name": (({**CONNECT, "sessionId": "x" * 300},), "WSMessageInvalidJson: "),
    "second Connect": ((CONNECT, CONNECT), "BadMessage: Connect was sent twice"),
    "mutation before Connect": (
        (request("Mutation", 0, "items:add"),),
        "BadMessage: a message builds on one that was never sent",
    ),
    "query set before Connect": (
        (modify(0),),
        "BadMessage: a message builds on one that was never sent",
    ),
    "token before Connect": (
        (authenticate("None"),),
        "BadMessage: a message builds on one that was never sent",
    ),
    "mutation before the first query set": (
        (CONNECT, request("Mutation", 0, "items:add", group="a", label="x")),
        "BadMessage: a message builds on one that was never sent",
    ),
    "action before the first query set": (
        (CONNECT, request("Action", 0, "calls:run", name="a")),
        "BadMessage: a message builds on one that was never sent",
    ),
    "stale query set": (
        (*BEGUN, modify(0)),
        "BaseVersionMismatch: Base version 0 passed up doesn't match the current version 1",
    ),
    "query set of the future": (
        (*BEGUN, modify(7)),
        "BadMessage: a message builds on one that was never sent",
    ),
    "stale identity": (
        (*BEGUN, authenticate("None"), authenticate("None")),
        "BaseVersionMismatch: Base version 0 passed up doesn't match the current version 1",
    ),
    "version that falls": ((*BEGUN, modify(1, new=1)), "BadMessage: newVersion of Modify"),
    "version below zero": ((CONNECT, modify(-1)), "WSMessageInvalidJson: "),
    "duplicate query": (
        (CONNECT, modify(0, add(0, "calls:constant")), modify(1, add(0, "calls:constant"))),
        "BadMessage: query 0 was added twice",
    ),
    "removal of an unknown query": (
        (CONNECT, modify(0, remove(4))),
        "BadMessage: query 4 was removed and is not in the set",
    ),
    "query id beyond 32 bits": (
        (CONNECT, modify(0, add(1 << 32, "calls:constant"))),
        "WSMessageInvalidJson: ",
    ),
    "request id beyond 32 bits": (
        (*BEGUN, request("Mutation", 1 << 70, "items:add")),
        "WSMessageInvalidJson: ",
    ),
    "query of a component": (
        (CONNECT, modify(0, {**add(0, "calls:constant"), "componentPath": "a"})),
        "BadMessage: there are no components here, and so none at 'a'",
    ),
    "mutation of a component": (
        (*BEGUN, {**request("Mutation", 0, "items:add"), "componentPath": "a"}),
        "BadMessage: there are no components here, and so none at 'a'",
    ),
    "action of a component": (
        (*BEGUN, {**request("Action", 0, "calls:run"), "componentPath": "a"}),
        "BadMessage: there are no components here, and so none at 'a'",
    ),
    "unknown tokenType": (
        (*BEGUN, authenticate("Root", "x")),
        "WSMessageInvalidJson: ",
    ),
    "token of a number": (
        (*BEGUN, {**authenticate("User"), "value": 5}),
        "WSMessageInvalidJson: ",
    ),
}  # fmt: skip

REFUSED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    # what is wrong: (the frame, what the AuthError says)
    "token that is none": (authenticate("User", "x.y.z"), "The token is not a JWT"),
    "no token": (authenticate("User"), "The token is not a JWT"),
    "expired token": (authenticate("User", token(lasts_s=-60)), "Token expired"),
    "forged token": (authenticate("User", token(key=OTHER_KEY)), "Could not decode token"),
    "token of a stranger": (
        authenticate("User", token(issuer="https://evil.example")),
        "No auth provider found",
    ),
    "wrong admin key": (
        authenticate("Admin", "trial|wrong"),
        "The admin key is not the one",
    ),
    "no admin key": (authenticate("Admin"), "The admin key is not the one"),
    "admin acting as nobody": (
        authenticate("Admin", ADMIN_KEY, actingAs={"name": "x"}),
        "The user to act as",
    ),
}

FAILED: Final = {
    # what is wrong: (kind, path, arguments, the reason)
    "unknown query": ("Add", "items:nope", {}, "Could not find public function for 'items:nope'."),
    "unknown mutation": ("Mutation", "nope:nope", {}, "Could not find public function for 'nope:nope'."),
    "unknown action": ("Action", "nope", {}, "Could not find public function for 'nope'."),
    "internal query": ("Add", "calls:secret", {}, "Could not find public function for 'calls:secret'."),
    "internal mutation": ("Mutation", "calls:erase", {}, "Could not find public function for 'calls:erase'."),
    "internal action": ("Action", "calls:hide", {}, "Could not find public function for 'calls:hide'."),
    "mutation as a query": ("Add", "items:add", {}, "Trying to execute items:add as query"),
    "query as a mutation": ("Mutation", "items:list", {}, "Trying to execute items:list as mutation"),
    "query as an action": ("Action", "items:list", {}, "Trying to execute items:list as action"),
    "missing argument": (
        "Add", "items:list", {},
        "ArgumentValidationError: Object is missing the required field `group`.",
    ),
    "extra argument": (
        "Mutation", "items:number", {"group": "a", "x": 1},
        "ArgumentValidationError: Object contains extra field `x` that is not in the validator.",
    ),
    "argument of a wrong type": (
        "Action", "calls:run", {"name": 1},
        "ArgumentValidationError: Value does not match validator.\nPath: .name\n",
    ),
    "argument that is no id": (
        "Add", "items:get", {"document": "x"},
        "ArgumentValidationError: Value does not match validator.\nPath: .document\n",
    ),
}  # fmt: skip

NO_OBJECTS: Final = [5, "x", None, [5], [{}, {}]]

Talk = Callable[..., list[dict[str, Any]]]


def through_the_engine(*, redacted: bool = False) -> tuple[Talk, Callable[[], Any]]:
    trial = Trial(redacted=redacted)
    socket = trial.socket()

    def talk(*messages: Message) -> list[dict[str, Any]]:
        for message in messages:
            socket.send(message.encode() if isinstance(message, str) else message)
        return trial.sockets.posted["c1"]

    return talk, trial.run_jobs


def ws_event(body: str, number: int, kind: str = "MESSAGE") -> dict[str, Any]:
    """The event of API Gateway's WebSocket API for one frame."""
    return {
        "requestContext": {
            "routeKey": "$default",
            "messageId": f"message-{number:06}",
            "eventType": kind,
            "requestTimeEpoch": int(time.time() * 1000),
            "requestId": f"request-{number}",
            "connectionId": "c1",
            "domainName": "socket.example",
            "stage": "api",
            "apiId": "api",
        },
        "body": body,
        "isBase64Encoded": False,
    }


def through_the_app(place: Place) -> tuple[Talk, Callable[[], Any]]:
    numbers = count()

    def talk(*messages: Message) -> list[dict[str, Any]]:
        for message in messages:
            body = message if isinstance(message, str) else json.dumps(message)
            event = ws_event(body, next(numbers))
            assert app.websocket_message(event, None) == {"statusCode": 200}
        return place.sockets.posted["c1"]

    def run_jobs() -> None:
        for body in place.jobs.due():
            place.deployment.backend.job(body)

    return talk, run_jobs


@pytest.fixture(params=["engine", "app"])
def door(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both ways in, one after the other."""
    if request.param == "engine":
        yield through_the_engine()
        return
    yield through_the_app(Place())
    bootstrap._in_use.clear()


@pytest.mark.parametrize("what", FATAL)
class TestABadMessage:
    def test_gets_a_fatal_error_and_the_end(self, door: Any, what: str) -> None:
        messages, beginning = FATAL[what]

        *_, error, closed = door[0](*messages)

        assert error["type"] == "FatalError"
        assert error["error"].startswith(beginning)
        assert (closed["type"], closed["code"]) == ("closed", 1000)
        assert not any(trace in error["error"] for trace in TRACES)


@pytest.mark.parametrize("what", REFUSED)
class TestABadToken:
    def test_gets_an_auth_error_and_the_end(self, place: Place, what: str) -> None:
        message, part = REFUSED[what]

        *_, error, closed = through_the_app(place)[0](*BEGUN, message)

        assert (error["type"], error["authUpdateAttempted"]) == ("AuthError", True)
        assert error["baseVersion"] == 0
        assert part in error["error"]
        assert not any(trace in error["error"] for trace in TRACES)
        assert closed["type"] == "closed"


def answer_to(kind: str, path: str, args: Any, door: Any) -> tuple[str, Any]:
    """Send one call; return the error message that answered it, and the posts since."""
    talk, run_jobs = door
    talk(*BEGUN)
    call = {"udfPath": path, "args": args}
    if kind == "Add":
        posted = talk(modify(1, {"type": "Add", "queryId": 0, **call}))
    else:
        posted = talk({"type": kind, "requestId": 0, **call})
    run_jobs()
    for message in posted:
        for change in message.get("modifications", ()):
            if change["type"] == "QueryFailed":
                return change["errorMessage"], posted
        if message.get("success") is False:
            return message["result"], posted
    raise AssertionError(posted)


@pytest.mark.parametrize("what", FAILED)
class TestABadCall:
    def test_is_answered_with_the_reason_and_the_socket_lives(
        self, door: Any, what: str
    ) -> None:
        kind, path, arguments, reason = FAILED[what]

        message, posted = answer_to(kind, path, [arguments], door)

        first, _, rest = message.partition("\n")
        assert first.startswith("[Request ID: ")
        assert first.endswith("] Server Error")
        assert rest.startswith(reason)
        assert not any(trace in json.dumps(posted) for trace in TRACES)
        assert posted[-1]["type"] == "Transition"

    def test_is_answered_with_the_first_line_alone_where_errors_are_redacted(
        self, what: str
    ) -> None:
        kind, path, arguments, _ = FAILED[what]

        message, _ = answer_to(kind, path, [arguments], through_the_engine(redacted=True))

        assert message.startswith("[Request ID: ")
        assert message.endswith("] Server Error")


class TestArguments:
    @pytest.mark.parametrize("args", NO_OBJECTS)
    @pytest.mark.parametrize("kind", ["Add", "Mutation", "Action"])
    def test_that_are_no_object_are_answered(self, kind: str, args: Any) -> None:
        path = {"Add": "items:list", "Mutation": "items:number", "Action": "calls:run"}[
            kind
        ]

        message, _ = answer_to(kind, path, args, through_the_engine())

        assert (
            "Arguments must be an object, or an array that holds just one object."
            in message
        )

    def test_that_are_missing_are_fatal(self, door: Any) -> None:
        bare = {"type": "Mutation", "requestId": 0, "udfPath": "items:number"}

        *_, error, _ = door[0](*BEGUN, bare)

        assert "missing required field `args`" in error["error"]


class TestBugs:
    @pytest.mark.parametrize(
        ("kind", "path"), [("Add", "calls:crash"), ("Mutation", "calls:writeAndCrash")]
    )
    def test_of_functions_say_nothing_where_errors_are_redacted(
        self, kind: str, path: str
    ) -> None:
        args = [{"group": "a"}] if kind == "Mutation" else [{}]

        message, posted = answer_to(kind, path, args, through_the_engine(redacted=True))

        assert message.endswith("] Server Error")
        assert not any(trace in json.dumps(posted) for trace in (*TRACES, "ZeroDivision"))

    def test_of_ours_end_the_socket_and_are_answered_200(self, place: Place) -> None:
        def fail(_: object) -> None:
            raise RuntimeError("hunter2 in app.py")

        talk, _ = through_the_app(place)
        talk(*BEGUN)
        place.sockets.on_post = fail

        posted = talk(modify(1))

        assert posted[-1]["type"] == "closed"
        assert not any(trace in json.dumps(posted) for trace in TRACES)

    def test_a_full_inbox_ends_the_socket_so_that_the_client_comes_back(
        self, place: Place
    ) -> None:
        talk, _ = through_the_app(place)
        talk(*BEGUN)
        now_ms = time.time() * 1000
        place.sessions.acquire("c1", "slow", now_ms=now_ms, deadline_ms=now_ms + 60_000)

        posted = talk(*(modify(n) for n in range(1, MAX_INBOX_FRAMES + 3)))

        closed = next(m for m in posted if m["type"] == "closed")
        assert closed["code"] == 1013


class TestTheApp:
    def test_serves_a_conversation(self, place: Place) -> None:
        talk, run_jobs = through_the_app(place)

        talk(*BEGUN, authenticate("User", token("ann")), modify(1, add(0, "calls:whoami")))
        talk(request("Mutation", 0, "items:writeDiary", text="x"))
        posted = talk(request("Action", 1, "calls:run", name="a"))
        run_jobs()

        values = [
            c["value"] for m in posted for c in m.get("modifications", ()) if "value" in c
        ]
        assert values == ["ann"]
        assert [m["type"] for m in posted if m["type"].endswith("Response")] == [
            "MutationResponse",
            "ActionResponse",
        ]

    def test_forgets_a_socket_that_is_closed(self, place: Place) -> None:
        talk, _ = through_the_app(place)
        talk(CONNECT, modify(0, add(0, "items:list", group="a")))

        answered = app.websocket_disconnect(ws_event("", 9, "DISCONNECT"), None)

        assert answered == {"statusCode": 200}
        assert [m["type"] for m in talk(modify(1))][-1] == "closed"

    def test_answers_200_to_the_end_of_a_socket_that_it_never_knew(
        self, place: Place
    ) -> None:
        answered = app.websocket_disconnect(ws_event("", 9, "DISCONNECT"), None)

        assert answered == {"statusCode": 200}
