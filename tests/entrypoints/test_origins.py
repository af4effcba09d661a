"""Entries of the log say from where somebody called, by whichever door."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

import app
from chalicelib.engine.log import (
    MAX_AGENT_CHARS,
    ORIGIN,
    Entry,
    Origin,
    decode_entry,
    encode_entry,
)
from chalicelib.entrypoints import http
from tests.entrypoints.deployment import Place, token
from tests.trial import ADMIN_KEY

ARGS = {"group": "a", "label": "x"}


def newest(place: Place, path: str = "items:add") -> Entry:
    entries = place.persistence.tail(ORIGIN, 10_000).entries
    return [entry for entry in entries if entry.path == path][-1]


def post(place: Place, path: str, body: Any, **headers: str) -> None:
    request = http.Request(
        method="POST",
        path=path,
        headers={"content-type": "application/json", **headers},
        body=json.dumps(body).encode(),
        peer="203.0.113.7",
    )
    handler = http.action if path.endswith("action") else http.mutation
    assert place.handle(request, handler).status == 200


def test_a_call_over_http(place: Place) -> None:
    body = {"path": "items:add", "args": ARGS, "format": "json"}

    post(place, "/api/mutation", body, **{"user-agent": "curl/8"})

    assert newest(place).origin == Origin("203.0.113.7", "curl/8")


@pytest.mark.parametrize("agent", ["a\ud800b", "a\x00\nb", "a\x1b\u202eb"])
def test_what_cannot_be_printed_is_left_out(place: Place, agent: str) -> None:
    body = {"path": "items:add", "args": ARGS, "format": "json"}

    post(place, "/api/mutation", body, **{"user-agent": agent})

    assert newest(place).origin == Origin("203.0.113.7", "ab")


def test_what_a_client_calls_itself_is_cut(place: Place) -> None:
    body = {"path": "items:add", "args": ARGS, "format": "json"}

    post(place, "/api/mutation", body, **{"user-agent": "x" * 1000})

    assert newest(place).origin == Origin("203.0.113.7", "x" * MAX_AGENT_CHARS)


def test_the_holder_of_the_admin_key(place: Place) -> None:
    body = {"path": "items:add", "args": ARGS, "format": "json"}

    post(place, "/api/mutation", body, authorization=f"Convex {ADMIN_KEY}")

    assert newest(place).origin == Origin("203.0.113.7", "", is_admin=True)


@pytest.mark.parametrize(
    ("shown", "address"), [("e" * 32, "192.0.2.7"), ("", "203.0.113.7")]
)
def test_a_call_that_did_not_come_by_the_edge_is_not_believed_whom_it_names(
    shown: str, address: str
) -> None:
    place = Place(edge_secret="e" * 32)
    body = {"path": "items:add", "args": ARGS, "format": "json"}
    hops = {"x-forwarded-for": "192.0.2.7, 203.0.113.7", "x-geoflow-edge": shown}

    post(place, "/api/mutation", body, **hops)

    assert newest(place).origin == Origin(address, "")


@pytest.mark.parametrize("kind", ["Mutation", "Action"])
def test_a_call_over_a_socket(place: Place, kind: str) -> None:
    path = {"Mutation": "items:add", "Action": "calls:run"}[kind]
    arguments = {"Mutation": ARGS, "Action": {"name": "a"}}[kind]
    for number, message in enumerate(
        (
            {"type": "Connect", "sessionId": "s", "connectionCount": 0, "clientTs": 1},
            {
                "type": "Authenticate",
                "baseVersion": 0,
                "tokenType": "User",
                "value": token("ann"),
            },
            {
                "type": "ModifyQuerySet",
                "baseVersion": 0,
                "newVersion": 1,
                "modifications": [],
            },
            {"type": kind, "requestId": 0, "udfPath": path, "args": [arguments]},
        )
    ):
        identity = {"sourceIp": "198.51.100.9", "userAgent": "npm-1.48"}
        context = {
            "messageId": f"m{number}",
            "eventType": "MESSAGE",
            "routeKey": "$default",
            "requestTimeEpoch": place.clock.now_ms(),
            "connectionId": "c1",
            "domainName": "socket.example",
            "stage": "api",
            "apiId": "api",
            "requestId": f"r{number}",
            "identity": identity,
        }
        event = {
            "requestContext": context,
            "body": json.dumps(message),
            "isBase64Encoded": False,
        }
        assert app.websocket_message(event, None) == {"statusCode": 200}
    for body in place.jobs.due():
        place.deployment.backend.job(body)

    # Of an action, it is the mutation that it calls.
    assert newest(place).origin == Origin("198.51.100.9", "npm-1.48")


def test_entries_without_it_are_read_as_before(place: Place) -> None:
    body = {"path": "items:add", "args": ARGS, "format": "json"}
    post(place, "/api/mutation", body)
    entry = newest(place)
    names = Entry.__struct_fields__
    fields = [getattr(entry, name) for name in names[: names.index("origin")]]
    old = b"\x01" + msgspec.msgpack.encode(fields)

    assert decode_entry(old).origin is None
    assert decode_entry(old).writes == entry.writes
    assert decode_entry(encode_entry(entry)) == entry
