"""The command that walks along the audit's chain, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from chalicelib import geoflow
from chalicelib.geoflow import audit, workflows
from chalicelib.geoflow.schema import AuditEvent
from local.audit import main
from testing import TestBackend
from tests.receiver import Receiver, receiving


@pytest.fixture
def backend() -> TestBackend:
    backend = TestBackend(geoflow)
    for n in range(3):
        backend.as_user("ann").mutation(workflows.create, str(n))
    backend.system.mutation(audit.follow)
    return backend


@pytest.fixture
def server(backend: TestBackend) -> Iterator[Receiver]:
    """``/api/function`` of a deployment, for its holder alone."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(receiver.received[-1].body)
        reply: dict[str, Any] = {"code": "BadDeployKey", "message": "the key is wrong"}
        if receiver.received[-1].headers["authorization"] == "Convex key":
            value = backend.system.call(body["path"], "query", **body["args"])
            reply = {"status": "success", "value": value}
        text = json.dumps(reply).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    with receiving() as receiver:
        receiver.instead = answer
        yield receiver


def command(server: Receiver, *more: str, key: str = "key") -> int:
    return main(["--url", server.url.removesuffix("/hook"), "--admin-key", key, *more])


def test_prints_an_anchor_that_holds_the_next_time(
    server: Receiver, backend: TestBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(server)
    anchor = capsys.readouterr().out.strip().rpartition(" ")[-1]
    backend.as_user("ann").mutation(workflows.create, "later")
    backend.system.mutation(audit.follow)

    again = command(server, "--anchor", anchor)

    assert (status, again) == (0, 0)
    assert "The chain holds" in capsys.readouterr().out


def test_prints_the_first_link_that_is_broken(
    server: Receiver, backend: TestBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    with backend.db() as db:
        second = db.query(AuditEvent.by_seq.eq(2)).unique()
        assert second is not None
        db.patch(second.id, path="other:thing")

    status = command(server)

    assert status == 1
    assert "BROKEN: event 2 was changed (it holds up to 1:" in capsys.readouterr().err


def test_refuses_what_is_no_anchor(server: Receiver) -> None:
    with pytest.raises(SystemExit):
        command(server, "--anchor", "nonsense")


def test_says_that_the_key_is_wrong(
    server: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(server, key="other") == 2
    assert "the key is wrong" in capsys.readouterr().err
