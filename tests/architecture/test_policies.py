"""The handlers run over emulated AWS, each with no more than its policy allows."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from chalicelib import bootstrap
from chalicelib.adapters.apigateway import ApiGateway
from chalicelib.adapters.dynamodb.models import MODELS
from chalicelib.adapters.dynamodb.session_models import SESSION_MODELS
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.s3 import PART_BYTES
from chalicelib.adapters.sqs import SqsJobQueue
from chalicelib.config import Settings
from chalicelib.engine.database.housekeeping import Retention
from local.connections import ConnectionInfo
from local.emulator import start_emulator
from local.events import disconnect_event, message_event, rest_event
from local.http import HttpRequest
from local.lambda_host import LambdaContext
from local.routes import RouteTable
from tests.architecture.iam import API, BUCKET, PREFIX, QUEUE, WAKES, Iam, policies

CHANNEL = "policy"
CLOUD_URL = "https://policy.example"

HEARTBEAT = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}


class Aws:
    """The deployment's functions, called with the events that AWS would send."""

    def __init__(self, iam: Iam, jobs_url: str, wakes_url: str) -> None:
        # Imported late: it reads the settings, and other tests of this process may set them.
        import app  # noqa: PLC0415

        self.app, self.iam = app, iam
        self._queues = (
            ("jobs", app.run_jobs, jobs_url),
            ("wakes", app.run_wakes, wakes_url),
        )
        self._routes = RouteTable(app.app.routes)
        self._sqs: Any = boto3.client("sqs")

    def call(self, function: str, handler: Callable[..., Any], event: Any) -> Any:
        context = LambdaContext(function, deadline=float("inf"), memory_mb=1024)
        with self.iam.acting_as(function):
            return handler(event, context)

    def http(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(method, path, b"" if body is None else json.dumps(body).encode())
        assert answer["statusCode"] == 200, answer
        return answer["body"]

    def ask(self, method: str, url: str, body: bytes, **headers: str) -> Any:
        path, _, query = url.removeprefix(CLOUD_URL).partition("?")
        request = HttpRequest(
            method=method,
            path=path,
            query=query,
            headers=(
                ("content-type", "application/json"),
                ("host", "localhost"),
                *headers.items(),
            ),
            body=body,
            source_ip="127.0.0.1",
            port=443,
        )
        match = self._routes.match(path)
        assert match is not None
        event = rest_event(request, match, stage="api", binary_types=("*/*",))
        return self.call("api_handler", self.app.app, event)

    def run(self, kind: str, path: str, **args: Any) -> Any:
        body = {"path": path, "args": args, "format": "json"}
        answer = json.loads(self.http("POST", f"/api/{kind}", body))
        assert answer["status"] == "success", answer
        return answer["value"]

    def send(self, connection: ConnectionInfo, *messages: dict[str, Any]) -> None:
        for message in messages:
            event = message_event(
                connection, json.dumps(message), stage="api", domain="localhost"
            )
            self.call("websocket_message", self.app.websocket_message, event)

    def disconnect(self, connection: ConnectionInfo) -> None:
        event = disconnect_event(connection, 1000, "", stage="api", domain="localhost")
        self.call("websocket_disconnect", self.app.websocket_disconnect, event)

    def stream(self) -> None:
        head = bootstrap.current().backend.head()
        keys = {"pk": {"S": "main"}, "ts": {"N": str(head)}}
        record = {"eventID": "1", "eventName": "INSERT", "dynamodb": {"Keys": keys}}
        self.call("commit_log", self.app.commit_log, {"Records": [record]})

    def hold(self, connection: ConnectionInfo) -> None:
        """Take the session's lease, as a holder that will die of it."""
        sessions = bootstrap.dynamodb_stores(bootstrap.current().settings).sessions
        sessions.acquire(connection.connection_id, "dying", now_ms=0, deadline_ms=1)

    def grow_old(self) -> None:
        """Let whatever is a moment old be old enough to go."""
        upkeep = bootstrap.current().backend.upkeep
        upkeep._housekeeper._retention = Retention(log_ms=1, answers_ms=1, tombstones_ms=1)

    def work(self) -> int:
        """Do what waits in the queues and is due; return how many messages those were."""
        return sum(self._work(*queue) for queue in self._queues)

    def _work(self, function: str, handler: Callable[..., Any], url: str) -> int:
        found = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        messages = found.get("Messages", [])
        for message in messages:
            record = {"messageId": message["MessageId"], "body": message["Body"]}
            answer = self.call(function, handler, {"Records": [record]})
            assert answer == {"batchItemFailures": []}
        return len(messages)


@contextmanager
def deployed(iam: Iam) -> Iterator[Aws]:
    with start_emulator():
        create_tables(boto3.client("dynamodb"), PREFIX, (*MODELS, *SESSION_MODELS))
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        jobs_url, wakes_url = (
            boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"]
            for name in (QUEUE, WAKES)
        )
        settings = Settings(
            store="dynamodb",
            apps=(
                "tests.apps.chat",
                "tests.apps.files",
                "tests.apps.errands",
                "tests.apps.clockwork",
                "tests.apps.sealing",
                "tests.apps.clockwork_first",
                "tests.apps.counted",
            ),
            stage="test",
            cloud_url=CLOUD_URL,
            files_bucket=BUCKET,
            kms_key=boto3.client("kms").create_key()["KeyMetadata"]["Arn"],
            table_prefix=PREFIX,
            settle_ms=0,
        )
        deployment = bootstrap.assemble(
            settings,
            stores=bootstrap.dynamodb_stores(settings),
            gateway=ApiGateway(f"https://{API}.execute-api.us-east-1.amazonaws.com/api"),
            jobs=SqsJobQueue(jobs_url),
            wakes=SqsJobQueue(wakes_url),
        )
        bootstrap.use(deployment)
        try:
            with iam.enforced():
                yield Aws(iam, jobs_url, wakes_url)
        finally:
            bootstrap._in_use.clear()


def connection(name: str) -> ConnectionInfo:
    return ConnectionInfo(
        connection_id=name,
        connected_ms=0,
        last_active_ms=0,
        source_ip="127.0.0.1",
        user_agent="",
    )


def connect(session: str, number: int = 0) -> list[dict[str, Any]]:
    query = {
        "type": "Add",
        "queryId": 0,
        "udfPath": "messages:list",
        "args": [{"channel": CHANNEL}],
    }
    return [
        {"type": "Connect", "sessionId": session, "connectionCount": number, "clientTs": 1},
        {
            "type": "ModifyQuerySet",
            "baseVersion": 0,
            "newVersion": 1,
            "modifications": [query],
        },
    ]


def request(kind: str, number: int, path: str, body: str) -> dict[str, Any]:
    args = [{"channel": CHANNEL, "body": body}]
    return {"type": kind, "requestId": number, "udfPath": path, "args": args}


def live_through_everything(aws: Aws) -> None:
    aws.call("deploy", aws.app.deploy, {})
    aws.http("GET", "/ready")
    aws.run("mutation", "messages:send", channel=CHANNEL, body=token_hex(300_000))
    aws.run("query", "messages:list", channel=CHANNEL)
    aws.run("action", "messages:shout", channel=CHANNEL, body="a")
    aws.stream()

    first, second, held = map(connection, ("first", "second", "held"))
    aws.send(first, *connect("session"))
    aws.send(first, request("Mutation", 0, "messages:send", token_hex(300_000)))
    aws.send(first, request("Action", 1, "messages:shout", "b"))
    aws.work()
    aws.run("mutation", "errands:actLater", text="d", delayMs=0)
    aws.stream()
    while aws.work():
        pass
    assert [job["state"]["kind"] for job in aws.run("query", "errands:jobs")][-1] == (
        "success"
    )
    aws.run("mutation", "messages:send", channel=CHANNEL, body="c")
    aws.stream()
    aws.send(second, *connect("session", number=1))

    aws.send(held, *connect("other"))
    aws.hold(held)
    aws.send(held, request("Mutation", 0, "messages:send", "d"))
    aws.run("mutation", "messages:send", channel=CHANNEL, body="e")
    aws.stream()
    aws.call("heartbeat", aws.app.heartbeat, HEARTBEAT)
    while aws.work():
        pass
    aws.grow_old()
    for _ in range(2):
        aws.call("heartbeat", aws.app.heartbeat, HEARTBEAT)
        while aws.work():
            pass
    aws.disconnect(second)
    stand_in_line(aws)
    live_with_files(aws)
    live_with_secrets(aws)
    assert [aws.ask("GET", "/who", b"")["statusCode"] for _ in range(3)] == [200, 200, 429]


def stand_in_line(aws: Aws) -> None:
    """Mutate as if other processes had overtaken this one again and again."""
    combiner = bootstrap.current().backend.runner.mutations.combiner
    assert combiner is not None
    combiner.expect_contention("messages:send")
    aws.run("mutation", "messages:send", channel=CHANNEL, body="in line")


def live_with_secrets(aws: Aws) -> None:
    assert aws.run("action", "boxes:thereAndBack", text="a") == "a"
    action = {"type": "Action", "requestId": 0, "udfPath": "boxes:thereAndBack"}
    aws.send(connection("boxes"), *connect("boxes"), action | {"args": [{"text": "b"}]})
    while aws.work():
        pass


def live_with_files(aws: Aws) -> None:
    content = token_bytes(PART_BYTES + 1)
    digest = b64encode(sha256(content).digest()).decode()
    file = uploaded(aws, b"small")
    uploaded(aws, content)
    refused = aws.ask("POST", upload_url(aws), b"other", digest=f"sha-256={digest}")
    assert refused["statusCode"] == 400

    url = upload_url(aws).replace("/upload", "/presign")
    link = json.loads(aws.http("POST", url, {"sha256": digest}))
    assert aws.ask("POST", link["finishUrl"], b"")["statusCode"] == 409
    requests.put(link["url"], data=content, headers=link["headers"], timeout=5)
    large = json.loads(aws.http("POST", link["finishUrl"]))["storageId"]
    for each, status in ((file, 200), (large, 307)):
        served = aws.ask("GET", aws.run("query", "files:url", file=each), b"")
        assert served["statusCode"] == status, served

    aws.stream()
    aws.send(
        connection("files"),
        *connect("files"),
        {
            "type": "Mutation",
            "requestId": 0,
            "udfPath": "files:remove",
            "args": [{"file": file}],
        },
        {
            "type": "Action",
            "requestId": 1,
            "udfPath": "files:storeAndLoad",
            "args": [{"content": {"$bytes": b64encode(b"abc").decode()}}],
        },
    )
    aws.call("heartbeat", aws.app.heartbeat, HEARTBEAT)
    while aws.work():
        pass
    assert len(aws.run("query", "files:listed")) == 3


def upload_url(aws: Aws) -> str:
    url: str = aws.run("mutation", "files:uploadUrl")
    return url


def uploaded(aws: Aws, content: bytes) -> str:
    answer = aws.ask("POST", upload_url(aws), content)
    assert answer["statusCode"] == 200, answer
    return str(json.loads(answer["body"])["storageId"])


@pytest.fixture(scope="module")
def iam() -> Iam:
    iam = Iam()
    with deployed(iam) as aws:
        live_through_everything(aws)
    return iam


def test_every_function_may_do_what_it_does(iam: Iam) -> None:
    assert iam.refused == set()


def test_nothing_is_allowed_that_no_function_does(iam: Iam) -> None:
    allowed = {grant for grants in policies().values() for grant in grants}
    done = {(action, resource) for _, action, resource in iam.used}

    idle = {action_on(*grant) for grant in allowed - done}

    assert idle == {
        # What Lambda does in the function's name.
        "logs:CreateLogStream log-group",
        "logs:PutLogEvents log-group",
        "dynamodb:DescribeStream log/stream",
        "dynamodb:GetRecords log/stream",
        "dynamodb:GetShardIterator log/stream",
        "dynamodb:ListStreams log/stream",
        "sqs:ReceiveMessage jobs",
        "sqs:DeleteMessage jobs",
        "sqs:ChangeMessageVisibility jobs",
        "sqs:GetQueueAttributes jobs",
        "sqs:ReceiveMessage wakes",
        "sqs:DeleteMessage wakes",
        "sqs:ChangeMessageVisibility wakes",
        "sqs:GetQueueAttributes wakes",
        "sqs:SendMessage dead",
        # After a refusal that does not carry the entry that was first.
        "dynamodb:GetItem log",
        # When a part of a large upload fails.
        "s3:AbortMultipartUpload files/*",
        # Without it S3 says "forbidden" of what is not there.
        "s3:ListBucket files",
    }


def action_on(action: str, arn: str) -> str:
    last = arn.split(":", 5)[5]
    place = last.split(":")[0].removeprefix("table/").removeprefix(PREFIX)
    return f"{action} {place.partition('/stream')[0]}{'/stream' * ('/stream' in place)}"


@pytest.mark.parametrize(
    ("function", "service", "operation", "given"),
    [
        ("heartbeat", "dynamodb", "PutItem", {"TableName": f"{PREFIX}log"}),
        ("api_handler", "dynamodb", "DeleteItem", {"TableName": f"{PREFIX}rows"}),
        ("api_handler", "dynamodb", "GetItem", {"TableName": "geoflow-other-log"}),
        ("deploy", "sqs", "SendMessage", {"QueueUrl": f"https://sqs/1/{QUEUE}"}),
        (
            "websocket_disconnect",
            "apigatewaymanagementapi",
            "PostToConnection",
            {"ConnectionId": "a"},
        ),
    ],
)
def test_what_a_policy_does_not_name_is_refused(
    function: str, service: str, operation: str, given: dict[str, Any]
) -> None:
    iam = Iam()

    with iam.acting_as(function), pytest.raises(ClientError, match="AccessDenied"):
        iam.check(service, operation, given)
