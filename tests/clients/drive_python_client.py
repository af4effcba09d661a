"""The scenario through the PyPI client: what `scenario.mjs` plays, as far as this client goes.

It has no optimistic updates, and a new session for each connection, so that a mutation that
was under way when the connection broke may run twice. Nothing is under way when the server
goes, and then nothing may be lost or doubled.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
from convex import ConvexClient, ConvexError, QuerySubscription
from convex.http_client import ConvexHttpClient

BURST = 10


class Recording:
    """What one subscription delivers.

    Waiting for a delivery holds the interpreter's lock in 0.8.1, so no thread may do it beside
    the scenario, and no patience can be set: the one who started this program ends it.
    """

    def __init__(self, subscription: QuerySubscription) -> None:
        self._subscription = subscription
        self._last: list[Any] = []

    def until(self, holds: Callable[[Any], bool]) -> Any:
        """Wait until what was delivered satisfies ``holds``."""
        while not (self._last and holds(self._last[0])):
            self._last = [next(self._subscription)]
        return self._last[0]

    def until_failed(self) -> ConvexError:
        """Wait for an error."""
        while True:
            try:
                next(self._subscription)
            except ConvexError as error:
                return error


class Play:
    """The scenario, step by step."""

    def __init__(self, stage: dict[str, Any]) -> None:
        self.stage = stage
        self.client = ConvexClient(stage["url"])
        self.other = ConvexHttpClient(stage["url"])
        self.channel = f"channel {stage['run']}"
        self.counter = f"counter {stage['run']}"
        self.sent: list[str] = []
        self.counted = 0

    def run(self) -> None:
        """Play all of it."""
        self.subscribe()
        self.updated_by_another()
        self.count()
        self.error_with_data()
        self.bad_requests()
        self.action()
        self.files()
        self.sign_in_and_out()
        self.server_goes("restart")
        self.server_goes("kill")
        self.nothing_lost_or_doubled()

    def subscribe(self) -> None:
        self.messages = self.watch("messages:list", channel=self.channel)
        self.counts = self.watch("counters:get", name=self.counter)
        assert self.messages.until(lambda _: True) == []
        assert self.counts.until(lambda _: True) == 0
        passed("subscribe")

    def updated_by_another(self) -> None:
        self.other.mutation(
            "messages:send", {"channel": self.channel, "body": "from another"}
        )
        self.sent.append("from another")
        self.until_messages()
        passed("be updated by another client")

    def count(self) -> None:
        answers = [self.increment() for _ in range(BURST)]
        assert answers == list(range(1, BURST + 1))
        self.counts.until(lambda shown: shown == self.counted)

    def error_with_data(self) -> None:
        refused = failure(
            lambda: self.client.mutation("counters:refuse", {"name": self.counter})
        )
        assert isinstance(refused, ConvexError), refused
        details = {"stands": self.counted + 1}
        assert refused.data == {
            "code": "CONFLICT",
            "message": "not today",
            "details": details,
        }
        in_action = failure(
            lambda: self.client.action("messages:failAction", {"reason": "never"})
        )
        assert isinstance(in_action, ConvexError), in_action
        assert in_action.data == {"code": "CONFLICT", "message": "never", "details": {}}
        assert self.client.query("counters:get", {"name": self.counter}) == self.counted
        passed("error with data")

        quiet = f"{self.channel}, failing"
        failing = self.watch("messages:failQuery", channel=quiet)
        assert failing.until(lambda _: True) is None
        self.other.mutation("messages:send", {"channel": quiet, "body": "now fail"})
        error = failing.until_failed()
        assert isinstance(error, ConvexError), error
        assert error.data["details"] == {"channel": quiet}
        passed("error with data in a live query")

    def bad_requests(self) -> None:
        unknown = str(failure(lambda: self.client.mutation("messages:nothing")))
        assert "Could not find public function for 'messages:nothing'" in unknown, unknown
        args: dict[str, Any] = {"channel": self.channel, "body": 7}
        wrong = str(failure(lambda: self.client.mutation("messages:send", args)))
        assert "ArgumentValidationError" in wrong, wrong
        assert "Traceback" not in unknown + wrong
        passed("bad requests are refused by name")

    def action(self) -> None:
        held = self.client.action(
            "messages:shout", {"channel": self.channel, "body": "loud"}
        )
        self.sent.append("LOUD")
        assert held == len(self.sent)
        self.until_messages()
        passed("action")

    def files(self) -> None:
        url = self.client.mutation("files:uploadUrl")
        posted = httpx.post(url, content=b"content", headers={"Content-Type": "a/b"})
        file = posted.json()["storageId"]
        shown = self.client.query("files:url", {"file": file})
        served = httpx.get(shown)
        assert (served.headers["content-type"], served.content) == ("a/b", b"content")
        self.client.mutation("files:remove", {"file": file})
        assert self.client.query("files:url", {"file": file}) is None
        assert httpx.get(shown).status_code == 404
        passed("upload, show and delete a file")

    def sign_in_and_out(self) -> None:
        who = self.watch("messages:whoami")
        who.until(lambda shown: shown is None)
        for token in self.stage["tokens"].values():
            self.client.set_auth(token)
            self.expect_to_be(subject_of(token), who)
        self.client.clear_auth()
        self.expect_to_be(None, who)
        passed("sign in and out")

    def expect_to_be(self, subject: str | None, who: Recording) -> None:
        who.until(lambda shown: shown == subject)
        self.send(f"said by {subject}")
        said = self.client.query("messages:list", {"channel": self.channel})[-1]
        seen = (said["body"], said["author"])
        assert seen == (self.sent[-1], subject), seen

    def server_goes(self, wish: str) -> None:
        ask(wish)
        before = self.counted
        answers = [self.increment() for _ in range(BURST)]
        assert answers == [before + n for n in range(1, BURST + 1)]
        self.send(f"after {wish}")
        self.counts.until(lambda shown: shown == self.counted)
        self.until_messages()
        passed(f"server {wish} in the middle")

    def nothing_lost_or_doubled(self) -> None:
        fresh = ConvexHttpClient(self.stage["url"])
        assert fresh.query("counters:get", {"name": self.counter}) == self.counted
        shown = fresh.query("messages:list", {"channel": self.channel})
        assert [message["body"] for message in shown] == self.sent
        passed("no mutation lost or doubled")

    def watch(self, path: str, **args: Any) -> Recording:
        return Recording(self.client.subscribe(path, args))

    def increment(self) -> Any:
        self.counted += 1
        return self.client.mutation("counters:increment", {"name": self.counter})

    def send(self, body: str) -> None:
        self.client.mutation("messages:send", {"channel": self.channel, "body": body})
        self.sent.append(body)

    def until_messages(self) -> None:
        self.messages.until(
            lambda shown: [message["body"] for message in shown] == self.sent,
        )


def failure(call: Callable[[], Any]) -> Exception:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - the scenario looks at whatever it was
        return error
    raise AssertionError("expected a failure")


def subject_of(token: str) -> str:
    payload = token.split(".")[1]
    padded = payload + "=" * (-len(payload) % 4)
    subject: str = json.loads(base64.urlsafe_b64decode(padded))["sub"]
    return subject


def passed(step: str) -> None:
    print(json.dumps({"passed": step}), flush=True)


def ask(wish: str) -> None:
    """Have something done to the server, and wait until it is ready again."""
    print(json.dumps({"ask": wish}), flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    Play(json.loads(sys.argv[1])).run()
