"""Whoever commits for a socket shows it to others before the log's stream reports it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.subscriptions import MemorySubscriptions
from chalicelib.engine.errors import StorageUnavailable
from chalicelib.engine.log import IndexKey
from chalicelib.engine.sync.fanout import AHEAD_MS, WOKEN_AHEAD
from tests.trial import Socket, Trial


class FailingIndex(MemorySubscriptions):
    """An index that does not answer."""

    @override
    def match(self, keys: Iterable[IndexKey], *, newest: bool = True) -> set[str]:
        raise StorageUnavailable("a test")


def watchers(trial: Trial, count: int) -> list[Socket]:
    """Sockets that watch one list, and have been shown it."""
    found = [trial.socket(f"c{n:02}").begin() for n in range(count)]
    for socket in found:
        socket.watch(0, "items:list", group="a").take()
    return found


def spared(trial: Trial) -> float:
    return trial.engine.counted()["SessionsNotWokenAgain"]


def test_others_are_shown_a_commit_that_no_stream_has_reported() -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()

    writer.mutation("items:add", group="a", label="x")

    assert watcher.seen() == {0: ["x"]}


def test_the_stream_passes_over_whom_the_committer_has_woken() -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()
    writer.mutation("items:add", group="a", label="x")
    watcher.take()
    before = trial.sessions.raise_wake("c00", 0)

    trial.tell()

    assert spared(trial) == 1
    assert trial.sessions.raise_wake("c00", 0) == before
    assert watcher.types() == []


def test_the_stream_wakes_whom_a_committer_that_died_has_not() -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()
    trial.engine._fanout.ahead = False
    writer.mutation("items:add", group="a", label="x")
    trial.engine._fanout.ahead = True
    watcher.take()

    trial.tell()

    assert spared(trial) == 0
    assert watcher.seen() == {0: ["x"]}


def test_the_stream_wakes_whom_a_committer_has_told_and_not_tried() -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()
    trial.engine._fanout.ahead = False
    writer.mutation("items:add", group="a", label="x")
    trial.engine._fanout.ahead = True
    trial.sessions.raise_wake("c00", trial.engine.head())  # there it died

    trial.tell()

    assert watcher.seen() == {0: ["x"]}


def test_jobs_wake_those_that_are_too_many() -> None:
    trial = Trial(ahead=True)
    all_of_them = watchers(trial, WOKEN_AHEAD + 3)
    trial.socket("w").begin().mutation("items:add", group="a", label="x")
    shown = [socket.seen()[0] for socket in all_of_them]

    done = trial.run_jobs()

    assert shown.count(["x"]) == WOKEN_AHEAD
    assert done == ["WakeJob"]
    assert all(socket.seen() == {0: ["x"]} for socket in all_of_them)


def test_an_invocation_that_has_taken_long_leaves_others_to_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()

    def slow(_message: dict[str, Any]) -> None:
        trial.clock.wait_ms(AHEAD_MS + 1)

    monkeypatch.setattr(trial.sockets, "on_post", slow)
    writer.mutation("items:add", group="a", label="x")
    before = watcher.seen()
    monkeypatch.undo()

    assert (before, trial.run_jobs()) == ({0: []}, ["WakeJob"])
    assert watcher.seen() == {0: ["x"]}


def test_whoever_cannot_wake_others_keeps_its_own_session() -> None:
    trial = Trial(ahead=True)
    writer = trial.socket("w").begin()
    trial.engine._fanout._index = FailingIndex()

    writer.mutation("items:add", group="a", label="x")

    assert "MutationResponse" in writer.types()
    assert not trial.sessions.raise_wake("w", 0).dead
    assert [type(error) for error in trial.reported] == [StorageUnavailable]


def test_a_mutation_that_wrote_nothing_wakes_nobody() -> None:
    trial = Trial(ahead=True)
    (watcher,), writer = watchers(trial, 1), trial.socket("w").begin()
    document = trial.mutate("items:add", group="a", label="x")
    watcher.take()

    writer.mutation("items:move", document=document, label="x")

    assert watcher.types() == []
    assert trial.engine.counted()["SessionsWokenAhead"] == 0
