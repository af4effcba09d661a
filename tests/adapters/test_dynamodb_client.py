"""What the DynamoDB port makes of refusals, faults and silence, over real HTTP."""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.refusals import ConditionFailed
from chalicelib.adapters.dynamodb.usage import Usage
from chalicelib.engine.errors import OutcomeUnknown, StorageUnavailable

Answer = tuple[int, dict[str, Any]] | Callable[[BaseHTTPRequestHandler], None]

DONE: Answer = (200, {})
FAULT: Answer = (500, {"__type": "InternalServerError", "message": "sorry"})
THROTTLED: Answer = (
    400,
    {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"},
)
IN_CONFLICT: Answer = (
    400,
    {"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException"},
)
FORBIDDEN: Answer = (400, {"__type": "com.amazon.coral.service#AccessDeniedException"})
REFUSED: Answer = (
    400,
    {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "Item": {"pk": {"S": "held"}},
    },
)
KEY = {"pk": {"S": "a"}}


def hang_up(request: BaseHTTPRequestHandler) -> None:
    request.connection.close()


def say_nothing(_request: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


class Script:
    """A DynamoDB that gives the answers it was told to give, in order."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[dict[str, Any]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                script.requests.append(json.loads(body))
                answer = script.answers.pop(0)
                if callable(answer):
                    answer(self)
                    self.close_connection = True
                    return
                status, content = answer
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            @override
            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def script() -> Iterator[Script]:
    opened = Script()
    yield opened
    opened.close()


@pytest.fixture
def client(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoClient]:
    monkeypatch.setattr("chalicelib.adapters.dynamodb.client.READ_S", 0.2)
    opened = a_client(script.address, monkeypatch)
    yield opened
    opened.close()


def a_client(
    address: str, monkeypatch: pytest.MonkeyPatch, usage: Usage | None = None
) -> DynamoClient:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return DynamoClient("p-", endpoint=address, region="us-east-1", usage=usage)


class TestAWriteThatIsSentOnce:
    @pytest.mark.parametrize(
        "answer", [FAULT, hang_up, say_nothing], ids=["500", "closed", "silent"]
    )
    def test_is_not_repeated_when_its_outcome_is_unknown(
        self, script: Script, client: DynamoClient, answer: Answer
    ) -> None:
        script.answers = [answer, DONE]

        with pytest.raises(OutcomeUnknown):
            client.put("log", KEY, once=True)

        assert len(script.requests) == 1

    @pytest.mark.parametrize(
        "answer", [THROTTLED, IN_CONFLICT], ids=["throttled", "in conflict"]
    )
    def test_is_repeated_when_it_was_surely_not_executed(
        self, script: Script, client: DynamoClient, answer: Answer
    ) -> None:
        script.answers = [answer, answer, DONE]

        client.put("log", KEY, once=True)

        assert len(script.requests) == 3

    def test_gives_up_after_a_while_of_throttling(
        self, script: Script, client: DynamoClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.dynamodb.client.REFUSED_PATIENCE_S", 0.1)
        script.answers = [THROTTLED] * 20

        with pytest.raises(StorageUnavailable):
            client.put("log", KEY, once=True)

    def test_reports_what_stands_in_its_way(
        self, script: Script, client: DynamoClient
    ) -> None:
        script.answers = [REFUSED]

        with pytest.raises(ConditionFailed) as refused:
            client.put("log", KEY, condition="attribute_not_exists(pk)", once=True)

        assert refused.value.item == {"pk": {"S": "held"}}
        assert script.requests[0]["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"

    def test_that_is_forbidden_was_not_executed(
        self, script: Script, client: DynamoClient
    ) -> None:
        script.answers = [FORBIDDEN]

        with pytest.raises(StorageUnavailable, match="AccessDenied"):
            client.put("log", KEY, once=True)

    def test_that_reached_nobody_was_not_executed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.adapters.dynamodb.client.REFUSED_PATIENCE_S", 0.1)
        nowhere = Script()
        nowhere.close()
        client = a_client(nowhere.address, monkeypatch)

        with pytest.raises(StorageUnavailable):
            client.put("log", KEY, once=True)

        client.close()


class TestOtherCalls:
    def test_are_repeated_after_faults_and_silence(
        self, script: Script, client: DynamoClient
    ) -> None:
        script.answers = [FAULT, hang_up, say_nothing, (200, {"Item": KEY})]

        item = client.get("rows", KEY)

        assert item == KEY
        assert len(script.requests) == 4

    def test_end_with_an_error_that_names_the_fault(
        self, script: Script, client: DynamoClient
    ) -> None:
        script.answers = [FAULT] * 10

        with pytest.raises(StorageUnavailable, match="sorry"):
            client.put("rows", KEY)

    def test_read_consistently_from_prefixed_tables(
        self, script: Script, client: DynamoClient
    ) -> None:
        script.answers = [(200, {}), (200, {"Items": [], "Count": 0})]

        client.get("rows", KEY)
        client.query("rows", "pk = :a", {":a": {"S": "a"}})

        assert [request["ConsistentRead"] for request in script.requests] == [True, True]
        assert {request["TableName"] for request in script.requests} == {"p-rows"}


class TestBeside:
    @pytest.mark.parametrize(("own", "trips"), [(0, 1), (1, 1), (3, 3)])
    def test_counts_as_the_longer_of_the_two(
        self, script: Script, monkeypatch: pytest.MonkeyPatch, own: int, trips: int
    ) -> None:
        usage = Usage()
        client = a_client(script.address, monkeypatch, usage)
        script.answers = [DONE] * 5

        def meanwhile() -> None:
            for _ in range(own):
                client.put("rows", KEY)

        client.beside(partial(client.put, "rows", KEY), meanwhile)

        assert (usage.spent().round_trips, usage.spent().calls) == (trips, 1 + own)
        client.close()


class TestTogether:
    def test_makes_every_call_and_raises_the_first_error(
        self, script: Script, client: DynamoClient
    ) -> None:
        done: list[int] = []

        def fail() -> None:
            raise StorageUnavailable("no")

        calls: list[Callable[[], None]] = [
            fail,
            *(partial(done.append, n) for n in range(20)),
        ]

        with pytest.raises(StorageUnavailable):
            client.together(calls)

        assert sorted(done) == list(range(20))

    def test_counts_as_one_round_trip(
        self, script: Script, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        usage = Usage()
        client = a_client(script.address, monkeypatch, usage)
        script.answers = [DONE] * 5

        client.together([partial(client.put, "rows", KEY) for _ in range(4)])
        client.put("rows", KEY)

        assert (usage.spent().round_trips, usage.spent().calls) == (2, 5)
        client.close()
