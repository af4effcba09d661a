"""The heartbeat asks for the ticks of a minute; the deploy step commits the schema."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Final

import pytest

import app
from chalicelib.adapters.system import SystemIds
from chalicelib.bootstrap import Machine
from chalicelib.engine.limits import DAY_MS
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.ports import ROSTER_SHARDS
from chalicelib.engine.sync.session import JS_PATIENCE_MS
from tests.backend import VirtualClock
from tests.entrypoints.deployment import Place, call
from tests.entrypoints.test_jobs import batch
from tests.entrypoints.test_socket_api import BEGUN, through_the_app

EVENT: Final[dict[str, Any]] = {
    "version": "0",
    "id": "1",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-22T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {},
}


def test_ticks_come_all_through_the_minute_and_reach_every_shard(place: Place) -> None:
    through_the_app(place)[0](*BEGUN)

    app.heartbeat(EVENT, None)

    ticks: list[float] = []
    for second in range(0, 60, 5):
        due = list(place.jobs.due())
        if any(b'"tick"' in body for body in due):
            ticks.append(second)
        place.clock.wait_ms(5_000)
    assert ticks == [0, 15, 30, 45]
    assert max(b - a for a, b in pairwise(ticks)) < JS_PATIENCE_MS / 1000


def test_ticks_are_jobs_that_visit_every_session(place: Place) -> None:
    talk, _ = through_the_app(place)
    talk(*BEGUN)
    app.heartbeat(EVENT, None)

    answered = [app.run_jobs(batch(body), None) for body in place.jobs.due()]

    assert answered
    assert all(one == {"batchItemFailures": []} for one in answered)
    assert sum(len(place.sessions.roster(shard)) for shard in range(ROSTER_SHARDS)) == 1


def test_each_minute_jobs_are_swept(place: Place) -> None:
    app.heartbeat(EVENT, None)

    sent = [body for body in place.jobs.due() if b'"sweep"' in body]

    assert len(sent) == 1
    assert app.run_jobs(batch(sent[0]), None) == {"batchItemFailures": []}


def test_deploy_commits_the_code_version_once(place: Place) -> None:
    before = place.deployment.backend.head()

    told = [app.deploy({}, None) for _ in range(2)]

    served = {"codeVersion": "c0de", "state": "served", "doing": [], "refused": ""}
    assert told == [served] * 2
    assert app.deploy({"ask": True}, None) == served
    assert place.deployment.backend.head() == before
    assert call("GET", "/ready").status == 200


@pytest.mark.parametrize(("days", "is_trimmed"), [(0, False), (14, True), (365, False)])
def test_the_log_is_kept_for_as_long_as_the_setting_says(
    days: int, *, is_trimmed: bool
) -> None:
    clock = VirtualClock()
    place = Place(log_retention_days=days, machine=Machine(clock, SystemIds()))
    keep_house = place.deployment.backend.upkeep.keep_house
    for label in "ab":
        body = json.dumps({"path": "items:add", "args": {"group": "g", "label": label}})
        assert call("POST", "/api/mutation", body).status == 200
    keep_house()

    clock.wait_ms(30 * DAY_MS)
    keep_house()

    assert (place.persistence.marks().horizon > ORIGIN) is is_trimmed
