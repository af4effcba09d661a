"""Whom a write would wake can be asked for wherever sessions are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.functions.calls import Call
from tests.conformance.session_adapters import Adapters
from tests.conformance.test_nothing_left import NAMES, Place


@pytest.fixture(scope="module")
def adapters() -> Iterator[Adapters]:
    opened = Adapters()
    yield opened
    opened.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_system_query_reaches_the_sessions_of_every_process(
    adapters: Adapters, name: str
) -> None:
    place = Place(adapters.open(name))
    place.watch("c1", "a", "b")
    arguments = b'{"table":"items","fields":{"group":"b","label":"x"}}'

    outcome = place.backend.call(
        Call("_system/live:watchers", arguments, AdminIdentity(None)), "query"
    )

    assert outcome.failure is None
    found = json.loads(outcome.value or b"null")
    assert [(w["connection"], w["queryId"]) for w in found["watchers"]] == [("c1", 1)]
