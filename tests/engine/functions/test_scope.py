"""Functions that call functions, all in one transaction."""

from __future__ import annotations

import pytest

from chalicelib.engine.errors import ArgumentValidationError
from chalicelib.engine.persistence import Persistence
from tests.trial import Trial


@pytest.fixture
def trial(each_log: Persistence) -> Trial:
    return Trial(packages=("tests.apps.lists",), persistence=each_log)


def begun(trial: Trial) -> str:
    """Add two lines, and return the second."""
    trial.mutate("lines:add", topic="l", rank=10)
    return str(trial.mutate("lines:add", topic="l", rank=20))


class TestAnInnerMutation:
    def test_sees_and_shows_what_is_written_around_it(self, trial: Trial) -> None:
        line = begun(trial)

        told = trial.mutate("lines:nest", topic="l", line=line, refuse=False)

        assert told == {"inner": [50, 61], "between": [50, 61]}
        assert trial.query("lines:ranks", topic="l") == [50, 61, 70]

    @pytest.mark.emulated
    def test_that_raises_leaves_nothing_and_takes_nothing_else_along(
        self, trial: Trial
    ) -> None:
        line = begun(trial)

        told = trial.mutate("lines:nest", topic="l", line=line, refuse=True)

        assert told == {"inner": None, "between": [10, 40]}
        assert trial.query("lines:ranks", topic="l") == [10, 40, 70]

    def test_is_taken_back_with_the_one_around_it(self, trial: Trial) -> None:
        line = begun(trial)

        assert trial.mutate("lines:nestDeep", topic="l", line=line) == [10, 20]
        assert trial.query("lines:ranks", topic="l") == [10, 20]

    @pytest.mark.emulated
    def test_is_one_commit_with_the_one_around_it(self, trial: Trial) -> None:
        line = begun(trial)
        before = trial.engine.head()

        trial.mutate("lines:nest", topic="l", line=line, refuse=False)

        assert trial.engine.head() == before + 1

    def test_has_its_arguments_judged(self, trial: Trial) -> None:
        begun(trial)

        with pytest.raises(ArgumentValidationError, match="v\\.id"):
            trial.mutate("lines:nestWrongly")


class TestAnInnerQuery:
    @pytest.mark.emulated
    def test_is_a_part_of_what_its_caller_read(self, trial: Trial) -> None:
        socket = trial.socket().begin().watch(0, "lines:total", topic="l")
        trial.tell()

        begun(trial)
        trial.tell()

        assert socket.seen() == {0: 30}
