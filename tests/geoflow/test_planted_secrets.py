"""Secrets are planted everywhere they can be, and looked for in all that the system emits."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from chalicelib import bootstrap
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.persistence import Interval
from chalicelib.engine.ports import Frame
from tests.entrypoints.deployment import Answer, Place, call, token
from tests.receiver import Receiver, receiving
from tests.trial import ADMIN_KEY

SECRETS = (
    "planted-by-function-api-41f7",
    "planted-by-rest-9d02",
    "planted-by-socket-77ab",
    "planted-by-rotation-5c1e",
    "planted-in-wrong-arguments-e8d4",
    "planted-in-a-misspelt-field-0b93",
    "planted-twice-under-one-name-2a6f",
    "planted-in-broken-json-c0de",
)
INDEXES = 600


class Stage:
    """A deployment, and everything that it has said to anybody."""

    def __init__(self, place: Place, receiver: Receiver) -> None:
        self.place, self.receiver = place, receiver
        self.backend = place.deployment.backend
        self.said: list[str] = []
        self._told, self._frames = self.backend.head(), 0

    def ask(self, method: str, path: str, body: Any = None, who: str = "ann") -> Answer:
        """Send a request and keep what was answered; the caller judges the rest."""
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {
            "authorization": f"Bearer {token(who)}",
            "content-type": "application/json",
        }
        answer = call(method, path, text, headers=headers)
        self.said += [answer.body, repr(answer.headers)]
        self.settle()
        return answer

    def run(self, kind: str, path: str, who: str = "ann", **args: Any) -> Any:
        """Call a function over HTTP."""
        body = {"path": path, "args": args, "format": "json"}
        answer = self.ask("POST", f"/api/{kind}", body, who).json
        return answer.get("value")

    def internal(self, path: str, **args: Any) -> Any:
        """Call a function with the admin key."""
        body = json.dumps({"path": path, "args": args, "format": "json"})
        answer = call(
            "POST", "/api/function", body, headers={"authorization": f"Convex {ADMIN_KEY}"}
        )
        self.said.append(answer.body)
        self.settle()
        return answer.json.get("value")

    def socket(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self._frames += 1
            body = json.dumps(message).encode()
            frame = Frame(f"{self._frames:04}", self.place.clock.now_ms(), body)
            self.backend.receive("c1", frame)
            self.settle()

    def settle(self) -> None:
        """Let jobs run and watchers be told."""
        while True:
            head = self.backend.head()
            if head > self._told:
                first, self._told = self._told + 1, head
                self.backend.commits(first, head)
            due = list(self.place.jobs.due())
            if not due and self.backend.head() == self._told:
                return
            for body in due:
                self.said.append(f"job {body!r}")
                self.backend.job(body)


@pytest.fixture
def stage(caplog: pytest.LogCaptureFixture) -> Iterator[Stage]:
    caplog.set_level(logging.DEBUG)
    place = Place(apps=("chalicelib.geoflow",), outside="loopback", log_level="DEBUG")
    with receiving() as receiver:
        yield Stage(place, receiver)
    bootstrap._in_use.clear()


def stored(place: Place) -> bytes:
    """Every entry of the log and every row of every index, whole."""
    entries = place.persistence.tail(ORIGIN, 100_000).entries
    rows = [
        place.persistence.scan(Interval(index, b"", None), reverse=False, limit=100_000)
        for index in range(INDEXES)
    ]
    assert len(entries) > 20
    assert sum(len(page.rows) for page in rows) > 100
    return msgspec.msgpack.encode(entries) + b"".join(map(msgspec.msgpack.encode, rows))


def plant(stage: Stage) -> list[str]:
    """Put secrets in by every door; return those that the system has made itself."""
    by_function, by_rest, by_socket, rotated, wrong, misspelt, twice, broken = SECRETS
    create = "credentials:create"
    first = stage.run("action", create, service="s", name="a", secret=by_function)
    rest = {"service": "s", "name": "b", "secret": by_rest}
    assert stage.ask("POST", "/http/api/credentials", rest).status == 201
    stage.socket(
        {"type": "Connect", "sessionId": "s", "connectionCount": 0, "clientTs": 1},
        {
            "type": "Authenticate",
            "tokenType": "User",
            "value": token("ann"),
            "baseVersion": 0,
        },
        {
            "type": "ModifyQuerySet",
            "baseVersion": 0,
            "newVersion": 1,
            "modifications": [
                {"type": "Add", "queryId": n, "udfPath": f"{table}:list", "args": [{}]}
                for n, table in enumerate(("credentials", "webhooks", "apiKeys"))
            ],
        },
        {
            "type": "Action",
            "requestId": 0,
            "udfPath": create,
            "args": [{"service": "s", "name": "c", "secret": by_socket}],
        },
    )
    stage.run("action", "credentials:rotate", credentialId=first, secret=rotated)
    stage.run("action", create, service="s", name="d", secret=[wrong])
    stage.run("action", create, service="s", name="d", secrt=misspelt)
    stage.run("action", create, service="s", name="a", secret=twice)
    stage.ask("POST", "/http/api/credentials", '{"secret": "' + broken)

    shown = len(stage.said)
    hook = stage.run(
        "action",
        "webhooks:create",
        name="w",
        url=stage.receiver.url,
        events=["workflow.started", "user.created"],
        credentialId=first,
    )
    anew = stage.run("action", "webhooks:rotateSecret", webhookId=hook["webhookId"])
    key = stage.run("action", "apiKeys:create", name="k", scopes=["workflows:read"])
    # These answers are where the three are shown, once.
    stage.said[shown:] = [
        said
        for said in stage.said[shown:]
        if not any(s in said for s in (hook["secret"], anew["secret"], key["key"]))
    ]
    assert len(stage.said) - shown <= 20
    use(stage, first, hook["webhookId"])
    return [hook["secret"], anew["secret"], key["key"]]


def use(stage: Stage, credential: str, webhook: str) -> None:
    """Have what was planted used, looked at, exported and audited."""
    flow = stage.run("mutation", "workflows:create", name="LIDAR")
    assert stage.ask("GET", f"/http/api/workflows/{flow}/export").status == 200
    stage.run("mutation", "webhooks:sendTest", webhookId=webhook)
    stage.run("query", "credentials:get", credentialId=credential)
    stage.ask("GET", f"/http/api/credentials/{credential}")
    page = {"numItems": 100, "cursor": None}
    stage.run("query", "webhooks:deliveries", webhookId=webhook, paginationOpts=page)
    stage.internal("keys:reseal")
    me = stage.run("mutation", "users:ensure", "root")
    stage.internal("users:grantRole", userId=me, role="admin")
    stage.run("mutation", "oversight:open", "root", reason="a test")
    stage.internal("audit:follow")
    events = stage.run("query", "audit:byTime", "root", paginationOpts=page)
    kinds = {event["operation"] for event in events["page"]}
    assert {"insert", "update", "secret.use", "export"} <= kinds


def test_nothing_that_is_emitted_holds_a_secret(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    own = plant(stage)

    deliveries = [
        (received.path, received.body, {**received.headers, "authorization": ""})
        for received in stage.receiver.received
    ]
    emitted = {
        "the log and the rows": stored(stage.place),
        "answers, errors, exports, jobs": "\n".join(stage.said).encode(),
        "live results": json.dumps(stage.place.sockets.posted).encode(),
        "log lines": caplog.text.encode(),
        "deliveries": repr(deliveries).encode(),
    }
    assert stage.receiver.received
    assert stage.receiver.received[0].headers["authorization"] == f"Bearer {SECRETS[3]}"
    assert caplog.text
    assert len(own) == 3
    found = {
        (place, secret)
        for place, content in emitted.items()
        for secret in (*SECRETS, *own)
        if secret.encode() in content or secret.encode().hex().encode() in content
    }
    # A socket's action is a message of the queue, which is encrypted and keeps it for
    # minutes (docs/geoflow/credentials.md).
    allowed = {("answers, errors, exports, jobs", SECRETS[2])}
    assert found == allowed
