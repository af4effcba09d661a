"""A transaction reads and writes so much and no more, and is told before it comes to that."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.database import usage
from chalicelib.engine.database.usage import Statistics
from chalicelib.engine.errors import TransactionLimit
from chalicelib.engine.persistence import Persistence
from tests.trial import Trial, value


@pytest.fixture
def trial(every_log: Persistence) -> Trial:
    return Trial(packages=("tests.apps.lists",), persistence=every_log)


def limited(monkeypatch: pytest.MonkeyPatch, **numbers: int) -> None:
    """Lower some limits, and what warns of them."""
    names = {
        "MAX_INTERVALS_READ": "intervals_read",
        "MAX_DOCUMENTS_READ": "documents_read",
        "MAX_BYTES_READ": "bytes_read",
        "MAX_DOCUMENTS_WRITTEN": "documents_written",
        "MAX_BYTES_WRITTEN": "bytes_written",
    }
    for name, number in numbers.items():
        monkeypatch.setattr(usage, name, number)
        counted: Any = names[name]
        old = usage._LIMITS[counted]
        changed = usage._Limit(number, old.rule, old.what, old.advice)
        monkeypatch.setitem(usage._LIMITS, counted, changed)


class TestLimits:
    @pytest.mark.parametrize(
        ("name", "rule", "path"),
        [
            ("MAX_DOCUMENTS_READ", "TooManyDocumentsRead", "lines:ranks"),
            ("MAX_BYTES_READ", "TooManyBytesRead", "lines:ranks"),
        ],
    )
    def test_of_reading_end_the_call_with_advice(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch, name: str, rule: str, path: str
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=5)
        limited(monkeypatch, **{name: 4})

        with pytest.raises(TransactionLimit, match=r"limit: 4\)\. Consider") as refused:
            trial.query(path, topic="l")

        assert refused.value.rule == rule

    def test_of_intervals_end_the_call(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limited(monkeypatch, MAX_INTERVALS_READ=4)

        assert trial.query("lines:getMany", times=4) == 0
        with pytest.raises(TransactionLimit) as refused:
            trial.query("lines:getMany", times=5)
        assert refused.value.rule == "TooManyReads"

    @pytest.mark.parametrize(
        ("name", "most", "rule"),
        [
            ("MAX_DOCUMENTS_WRITTEN", 3, "TooManyWrites"),
            ("MAX_BYTES_WRITTEN", 200, "TooManyBytesWritten"),
        ],
    )
    def test_of_writing_leave_nothing_behind(
        self,
        trial: Trial,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        most: int,
        rule: str,
    ) -> None:
        limited(monkeypatch, **{name: most})

        with pytest.raises(TransactionLimit) as refused:
            trial.mutate("lines:addMany", topic="l", count=4, size=20)

        assert refused.value.rule == rule
        assert trial.query("lines:ranks", topic="l") == []

    def test_hold_for_a_function_that_makes_light_of_them(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=5)
        limited(monkeypatch, MAX_DOCUMENTS_READ=4)

        with pytest.raises(TransactionLimit):
            trial.mutate("lines:ignoreLimits", topic="l")

    def test_a_page_stays_below_them_and_says_that_it_is_not_whole(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=9)
        limited(monkeypatch, MAX_DOCUMENTS_READ=5)
        monkeypatch.setattr("chalicelib.engine.database.query.MAX_DOCUMENTS_READ", 5)

        page = trial.query(
            "lines:page", topic="l", paginationOpts={"numItems": 9, "cursor": None}
        )

        assert (len(page["page"]), page["isDone"]) == (4, False)


class TestWarnings:
    def test_come_above_four_fifths_of_a_limit(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial.mutate("lines:addMany", topic="l", count=9)
        limited(monkeypatch, MAX_DOCUMENTS_READ=10)

        (line,) = trial.call("lines:ranks", "query", topic="l").log_lines

        assert line.startswith("[WARN] Many documents read in a single function execution")
        assert "(actual: 9, limit: 10)" in line

    def test_do_not_come_below(self, trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
        trial.mutate("lines:addMany", topic="l", count=8)
        limited(monkeypatch, MAX_DOCUMENTS_READ=10)

        assert trial.call("lines:ranks", "query", topic="l").log_lines == ()


class TestStatistics:
    def test_tell_what_was_read_and_written(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=3)

        read = trial.call("lines:ranks", "query", topic="l").statistics
        written = trial.call("lines:addMany", "mutation", topic="m", count=2).statistics

        assert (read.intervals_read, read.documents_read) == (1, 3)
        assert read.bytes_read > 3 * len('{"topic":"l"}')
        assert (written.documents_read, written.documents_written) == (0, 2)

    def test_name_the_tables_that_were_read_whole(self, trial: Trial) -> None:
        whole = trial.call("lines:everything", "query").statistics
        part = trial.call("lines:ranks", "query", topic="l").statistics

        assert (whole.full_scans, part.full_scans) == (("lines",), ())

    def test_are_told_to_the_operators(self) -> None:
        heard: list[tuple[str, Statistics]] = []
        trial = Trial(
            packages=("tests.apps.lists",), observe=lambda *told: heard.append(told)
        )

        heard.clear()  # the deployment's own
        value(trial.call("lines:everything", "query"))

        assert heard == [
            ("lines:everything", Statistics(intervals_read=1, full_scans=("lines",)))
        ]

    def test_of_a_loop_that_stops_end_where_it_stopped(self, trial: Trial) -> None:
        trial.mutate("lines:addMany", topic="l", count=500)

        found = trial.call("lines:until", "query", topic="l", rank=2)

        assert (value(found), found.statistics.documents_read) == (3, 3)
