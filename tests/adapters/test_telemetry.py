"""Metrics go out in CloudWatch's embedded format, and what grows all the time in samples."""

import json
import logging
from typing import Any

import pytest

from chalicelib.adapters.telemetry import SAMPLE_S, Telemetry
from chalicelib.engine.errors import (
    ArgumentValidationError,
    Conflict,
    NotDeterministic,
    ReturnsValidationError,
    StorageUnavailable,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: a number that the test moves."""
    now = [1000.0]
    monkeypatch.setattr("chalicelib.adapters.telemetry.time.monotonic", lambda: now[0])
    return now


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The metrics that were written since the last look."""
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if "_aws" in line]


class TestSample:
    def test_tells_by_how_much_totals_have_grown(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        telemetry, totals = Telemetry("prod", "INFO"), {"CacheHits": 5.0, "CacheMisses": 1}
        clock[0] += SAMPLE_S
        telemetry.sample(lambda: totals)
        totals["CacheHits"] = 12
        clock[0] += SAMPLE_S

        telemetry.sample(lambda: totals)

        told = [(m["CacheHits"], m["CacheMisses"]) for m in emitted(capsys)]
        assert told == [([5.0], [1.0]), ([7.0], [0.0])]

    def test_says_nothing_in_between_nor_when_nothing_has_grown(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        telemetry, totals = Telemetry("prod", "INFO"), {"CacheHits": 5.0}
        telemetry.sample(lambda: totals)
        early = emitted(capsys)
        for _ in range(2):
            clock[0] += SAMPLE_S
            telemetry.sample(lambda: totals)

        assert early == []
        assert len(emitted(capsys)) == 1

    def test_is_silent_on_a_local_server(
        self, clock: list[float], capsys: pytest.CaptureFixture[str]
    ) -> None:
        telemetry = Telemetry("local", "INFO")
        clock[0] += SAMPLE_S

        telemetry.sample(lambda: {"CacheHits": 5.0})

        assert emitted(capsys) == []


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (ZeroDivisionError("a bug"), logging.ERROR),
        (NotDeterministic("sleep"), logging.ERROR),
        (ReturnsValidationError("Value does not match"), logging.ERROR),
        (StorageUnavailable("throttled"), logging.ERROR),
        (Conflict("not today"), logging.DEBUG),
        (ArgumentValidationError("Value does not match"), logging.DEBUG),
    ],
)
def test_operators_hear_of_what_is_not_an_answer_to_a_caller(
    error: Exception, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="geoflow"):
        Telemetry("local", "DEBUG").error(error, "m:f", "r-1")

    (record,) = caplog.records
    assert record.levelno == level
    assert "m:f" in record.getMessage()


def test_what_functions_say_is_logged_on_its_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="geoflow"):
        Telemetry("local", "DEBUG").said(
            "GET /a", ("[DEBUG] 1", "[INFO] 2", "[LOG] 3", "[WARN] 4", "[ERROR] 'a b'")
        )

    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("DEBUG", "GET /a: 1"),
        ("INFO", "GET /a: 2"),
        ("INFO", "GET /a: 3"),
        ("WARNING", "GET /a: 4"),
        ("ERROR", "GET /a: 'a b'"),
    ]


def test_the_structured_logger_takes_what_functions_say(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A logger of its own: those of other tests write to what was captured for them.
    monkeypatch.setattr("chalicelib.adapters.telemetry.SERVICE", "a test of what is said")
    Telemetry("prod", "INFO").said("GET /a", ("[DEBUG] quiet", "[WARN] loud"))

    (line,) = capsys.readouterr().out.splitlines()

    told = json.loads(line)
    assert (told["level"], told["message"]) == ("WARNING", "GET /a: loud")
