"""The command that undoes, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from chalicelib.engine.errors import AppError
from local import undo
from testing import TestBackend
from tests.apps.trial import items
from tests.receiver import Receiver, receiving


@pytest.fixture
def backend() -> TestBackend:
    return TestBackend("tests.apps.trial")


@pytest.fixture
def server(backend: TestBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """``/api/function`` of a deployment, whose jobs go on while somebody waits for them."""
    monkeypatch.setattr(undo, "PAUSE_S", 0)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(receiver.received[-1].body)
        kind: Any = "query" if body["path"].endswith("status") else "mutation"
        try:
            value = backend.system.call(body["path"], kind, **body["args"])
            reply = {"status": "success", "value": value}
        except AppError as error:
            reply = {"status": "error", "errorMessage": str(error)}
        text = json.dumps(reply).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)
        if kind == "query":
            backend.run_jobs()

    with receiving() as receiver:
        receiver.instead = answer
        yield receiver


def command(server: Receiver, *arguments: str) -> int:
    url = server.url.removesuffix("/hook")
    return undo.main(["--url", url, "--admin-key", "key", *arguments])


def test_plans_tells_what_would_change_and_does_it(
    server: Receiver, backend: TestBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    made = backend.system.mutation(items.add, "a", "before")
    since = backend.engine.head()
    backend.system.mutation(items.move, made, "after")

    planned = command(server, "plan", "--ts", str(since), "--table", "items")
    told = capsys.readouterr().out
    done = command(server, "apply")

    assert (planned, done) == (0, 0)
    assert "reading: 0 of 0 commits, 0 documents" in told
    assert "items: since then 0 deleted, 1 changed, 0 inserted" in told
    assert "restored: 1" in capsys.readouterr().out
    assert backend.system.query(items.get, made) == "before"


def test_names_what_was_left(
    server: Receiver, backend: TestBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    made = backend.system.mutation(items.add, "a", "before")
    since = backend.engine.head()
    backend.system.mutation(items.move, made, "after")
    command(server, "plan", "--ts", str(since))
    backend.system.mutation(items.move, made, "later")

    command(server, "apply")

    assert f"{made}: it was written by others" in capsys.readouterr().out


def test_says_why_it_is_refused(
    server: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    status = command(server, "plan", "--time", "1970-01-01T00:00:00Z")

    assert status == 2
    assert "begins later" in capsys.readouterr().err


def test_says_when_there_is_nothing_to_tell(
    server: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(server, "status") == 0
    assert "Nothing was ever undone" in capsys.readouterr().out
