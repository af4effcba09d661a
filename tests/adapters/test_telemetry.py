"""Metrics go out in CloudWatch's embedded format, and what grows all the time in samples."""

import json
from typing import Any

import pytest

from chalicelib.adapters.telemetry import SAMPLE_S, Telemetry


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
