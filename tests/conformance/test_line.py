"""The contract of the line in front of a contended log, over every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.client import DynamoClient
from chalicelib.adapters.dynamodb.line import DynamoLine
from chalicelib.adapters.dynamodb.session_models import SESSION_MODELS
from chalicelib.adapters.dynamodb.tables import create_tables
from chalicelib.adapters.memory.line import MemoryLine
from chalicelib.engine.line import InLine, Line
from local.emulator import start_emulator


@pytest.fixture(scope="module")
def client() -> Iterator[DynamoClient]:
    with start_emulator() as emulator:
        made = DynamoClient("line-", endpoint=emulator.endpoint, region=emulator.region)
        create_tables(made.raw, "line-", SESSION_MODELS)
        yield made
        made.close()


@pytest.fixture(params=["memory", "dynamodb"])
def line(request: pytest.FixtureRequest) -> Line:
    if request.param == "memory":
        return MemoryLine()
    return DynamoLine(request.getfixturevalue("client"), uuid4().hex)


def places(line: Line, limit: int = 100) -> list[str]:
    return [waiting.place for waiting in line.waiting(limit)]


class TestStandingInLine:
    def test_is_in_the_order_of_places(self, line: Line) -> None:
        for place in ("2", "3", "1"):
            line.join(InLine(place, place.encode()))

        assert line.waiting(2) == [InLine("1", b"1"), InLine("2", b"2")]

    def test_again_at_the_same_place_is_standing_there_once(self, line: Line) -> None:
        line.join(InLine("1", b"a"))
        line.join(InLine("1", b"a"))

        assert places(line) == ["1"]

    def test_ends_by_leaving_which_may_be_repeated(self, line: Line) -> None:
        line.join(InLine("1", b"a"))
        line.join(InLine("2", b"b"))

        line.leave("1")
        line.leave("1")

        assert (line.holds("1"), line.holds("2")) == (False, True)
        assert places(line) == ["2"]

    def test_may_begin_by_leaving_other_places(self, line: Line) -> None:
        line.join(InLine("1", b"a"))
        line.join(InLine("2", b"b"))

        line.join(InLine("3", b"c"), "1", "0")

        assert places(line) == ["2", "3"]


class TestTheLease:
    def test_is_had_by_one_owner_at_a_time(self, line: Line) -> None:
        line.join(InLine("1", b"a"))

        first = line.take("a", now_ms=0, deadline_ms=100)
        second = line.take("b", now_ms=99, deadline_ms=200)

        assert (first, second) == (True, False)
        assert places(line) == ["1"]

    def test_is_free_once_it_was_given_back(self, line: Line) -> None:
        line.take("a", now_ms=0, deadline_ms=100)

        line.give_back("a")

        assert line.take("b", now_ms=1, deadline_ms=200)

    def test_may_be_taken_by_anybody_once_it_has_expired(self, line: Line) -> None:
        line.take("a", now_ms=0, deadline_ms=100)

        assert line.take("b", now_ms=100, deadline_ms=200)

    def test_is_not_given_back_by_who_has_lost_it(self, line: Line) -> None:
        line.take("a", now_ms=0, deadline_ms=100)
        line.take("b", now_ms=100, deadline_ms=200)

        line.give_back("a")

        assert not line.take("c", now_ms=150, deadline_ms=300)

    def test_is_had_again_by_its_owner(self, line: Line) -> None:
        line.take("a", now_ms=0, deadline_ms=100)

        assert line.take("a", now_ms=50, deadline_ms=150)
