"""Messages of the job queue are done one by one; those that fail come again."""

from __future__ import annotations

import json
from typing import Any

import app
from tests.apps.trial.calls import RUNS
from tests.entrypoints.deployment import Place
from tests.entrypoints.test_socket_api import BEGUN, through_the_app
from tests.trial import request


def batch(*bodies: str | bytes) -> dict[str, Any]:
    """The event of SQS for messages of these bodies."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": "handle",
                "body": body.decode() if isinstance(body, bytes) else body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def test_an_action_runs_and_is_answered(place: Place) -> None:
    RUNS.clear()
    posted = through_the_app(place)[0](*BEGUN, request("Action", 0, "calls:run", name="a"))
    (body,) = place.jobs.due()

    answered = app.run_jobs(batch(body, body), None)

    assert answered == {"batchItemFailures": []}
    assert RUNS == ["a"]
    assert [m["type"] for m in posted].count("ActionResponse") == 1


def test_a_job_that_fails_takes_no_other_along(place: Place) -> None:
    RUNS.clear()
    through_the_app(place)[0](*BEGUN, request("Action", 0, "calls:run", name="a"))
    (good,) = place.jobs.due()

    answered = app.run_jobs(batch("{", good, '{"type":"unheard of"}', ""), None)

    failed = [item["itemIdentifier"] for item in answered["batchItemFailures"]]
    assert failed == ["message-0", "message-2", "message-3"]
    assert RUNS == ["a"]


def test_a_job_for_a_session_that_is_gone_is_done(place: Place) -> None:
    through_the_app(place)[0](*BEGUN, request("Action", 0, "calls:run", name="a"))
    (body,) = place.jobs.due()
    gone = json.dumps({**json.loads(body), "connection": "never"})

    assert app.run_jobs(batch(gone), None) == {"batchItemFailures": []}
