"""Records of the commit log's stream wake who waits for them."""

from __future__ import annotations

from typing import Any

import pytest

import app
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.functions.calls import Call
from tests.entrypoints.deployment import Place
from tests.entrypoints.test_socket_api import BEGUN, modify, through_the_app
from tests.trial import add


def records(*positions: int) -> dict[str, Any]:
    """The event of a DynamoDB stream for new entries at ``positions``."""
    return {
        "Records": [
            {
                "eventID": f"event-{position}",
                "eventName": "INSERT",
                "eventSource": "aws:dynamodb",
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:0:table/log/stream/0",
                "dynamodb": {
                    "Keys": {"pk": {"S": "main#log"}, "ts": {"N": str(position)}},
                    "SequenceNumber": str(position),
                    "StreamViewType": "KEYS_ONLY",
                },
            }
            for position in positions
        ]
    }


def write(place: Place, label: str) -> int:
    arguments = b'{"group":"a","label":"%s"}' % label.encode()
    return place.deployment.backend.call(Call("items:add", arguments), "mutation").ts


def watched(place: Place) -> list[dict[str, Any]]:
    talk, _ = through_the_app(place)
    return talk(*BEGUN, modify(1, add(0, "items:list", group="a")))


def test_a_record_brings_the_news_to_whoever_waits(place: Place) -> None:
    posted = watched(place)

    answered = app.commit_log(records(write(place, "x")), None)

    assert answered == {"batchItemFailures": []}
    assert posted[-1]["modifications"][0]["value"] == ["x"]


def test_records_out_of_order_and_twice_are_as_good(place: Place) -> None:
    posted = watched(place)
    one, two = write(place, "x"), write(place, "y")
    before = len(posted)

    for _ in range(2):
        app.commit_log(records(two, one, two), None)

    assert len(posted) == before + 1
    assert posted[-1]["modifications"][0]["value"] == ["x", "y"]


def test_records_move_the_rows_along(place: Place) -> None:
    ts = write(place, "x")

    app.commit_log(records(ts), None)

    assert place.persistence.marks().applied == ts


def test_a_record_that_is_replayed_later_only_wakes(place: Place) -> None:
    posted = watched(place)
    old = write(place, "x")
    for label in "yz":
        app.commit_log(records(write(place, label)), None)
    before, applied = len(posted), place.persistence.marks().applied

    assert app.commit_log(records(old), None) == {"batchItemFailures": []}

    assert posted[before:] == []
    assert place.persistence.marks().applied == applied


def test_an_empty_batch_is_done_at_once(place: Place) -> None:
    assert app.commit_log(records(), None) == {"batchItemFailures": []}


def test_a_poison_record_holds_up_no_other(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = watched(place)
    one, poison, two = write(place, "x"), write(place, "p"), write(place, "y")
    commits = place.deployment.backend.commits

    def refusing(first: int, last: int) -> int:
        if first <= poison <= last:
            raise StorageUnavailable("a test")
        return commits(first, last)

    monkeypatch.setattr(place.deployment.backend, "commits", refusing)
    answered = app.commit_log(records(one, poison, two), None)

    assert answered == {"batchItemFailures": [{"itemIdentifier": str(poison)}]}
    assert posted[-1]["modifications"][0]["value"] == ["x", "p", "y"]


def test_a_stream_with_a_poison_record_goes_on_and_gives_up_that_record_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = watched(place)
    event = records(*(write(place, label) for label in "abpcd"))
    poison = event["Records"][2]["dynamodb"]["SequenceNumber"]
    commits = place.deployment.backend.commits

    def refusing(first: int, last: int) -> int:
        if first <= int(poison) <= last:
            raise StorageUnavailable("a test")
        return commits(first, last)

    monkeypatch.setattr(place.deployment.backend, "commits", refusing)
    given_up = delivered(event["Records"])

    assert given_up == [poison]
    assert posted[-1]["modifications"][0]["value"] == [*"abpcd"]


def delivered(pending: list[dict[str, Any]]) -> list[str]:
    """Hand records over as Lambda does, with the settings of ``app.merge.yaml``.

    It goes on from the lowest record that is reported, halves what is left, and gives a record up
    that has failed alone as often as it may.
    """
    given_up, batches = [], [pending]
    while batches:
        batch = batches.pop()
        failures = app.commit_log({"Records": batch}, None)["batchItemFailures"]
        if not failures:
            continue
        failed = {failure["itemIdentifier"] for failure in failures}
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch]
        left = batch[min(numbers.index(number) for number in failed) :]
        if len(left) == 1:
            given_up.append(numbers[-1])
        elif len(left) < len(batch):
            batches.append(left)
        else:
            half = len(left) // 2
            batches += [left[half:], left[:half]]
    return given_up
