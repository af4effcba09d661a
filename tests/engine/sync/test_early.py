"""What a frame adds is run while the lease is taken, and counts for no more than a run under it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typing_extensions import override

from chalicelib.adapters.memory.sessions import MemorySessions
from chalicelib.engine.ports import Acquired
from chalicelib.engine.sync.early import MOST_EARLY
from tests import trial as trials
from tests.trial import Interrupted, Trial, add


class FarSessions(MemorySessions):
    """A store that is far away: it does what there is to do while it is asked."""

    happened: list[str]
    on_the_way: Callable[[], object]

    def __init__(self) -> None:
        super().__init__()
        self.happened = []
        self.on_the_way = lambda: None

    @override
    def acquire(
        self,
        connection: str,
        owner: str,
        *,
        now_ms: float,
        deadline_ms: float,
        wake_ts: int = 0,
        meanwhile: Callable[[], None] | None = None,
    ) -> Acquired:
        if meanwhile is not None:
            meanwhile()
        on_the_way, self.on_the_way = self.on_the_way, lambda: None
        on_the_way()
        self.happened.append("acquired")
        return super().acquire(
            connection, owner, now_ms=now_ms, deadline_ms=deadline_ms, wake_ts=wake_ts
        )


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> FarSessions:
    far = FarSessions()
    monkeypatch.setattr(trials, "MemorySessions", lambda: far)
    return far


@pytest.fixture
def trial(sessions: FarSessions) -> Trial:
    storage = Interrupted()
    storage.after_scan = lambda _: sessions.happened.append("read")
    return Trial(persistence=storage)


def test_rows_are_read_before_the_lease_is_there_and_not_again(
    trial: Trial, sessions: FarSessions
) -> None:
    socket = trial.socket().begin()
    sessions.happened.clear()

    socket.watch(0, "items:list", group="a")

    assert socket.seen() == {0: []}
    assert sessions.happened == ["read", "acquired"]


def test_whoever_does_not_remember_the_session_reads_them_under_the_lease(
    trial: Trial, sessions: FarSessions
) -> None:
    socket = trial.socket().begin()
    socket.trial = Trial(beside=trial)
    sessions.happened.clear()

    socket.watch(0, "items:list", group="a")

    assert socket.seen() == {0: []}
    assert sessions.happened == ["acquired", "read"]


def test_a_commit_on_the_way_is_shown(trial: Trial, sessions: FarSessions) -> None:
    other = Trial(beside=trial)
    socket = trial.socket().begin()
    sessions.on_the_way = lambda: other.mutate("items:add", group="a", label="x")

    socket.watch(0, "items:list", group="a")

    assert socket.seen() == {0: ["x"]}


def test_who_has_signed_in_elsewhere_is_not_shown_what_a_stranger_is(
    trial: Trial, sessions: FarSessions
) -> None:
    other = Trial(beside=trial)
    socket = trial.socket().begin()
    socket.trial = other
    socket.authenticate("User", "ann")
    socket.trial = trial

    socket.watch(0, "calls:whoami")

    assert socket.seen()[0] == other.users["ann"].subject


def test_no_more_than_a_few_are_run_early(trial: Trial, sessions: FarSessions) -> None:
    socket = trial.socket().begin()
    sessions.happened.clear()

    many = MOST_EARLY + 2
    socket.modify(*(add(n, "items:list", group=str(n)) for n in range(many)))

    assert socket.seen() == {n: [] for n in range(many)}
    assert sessions.happened == ["read"] * MOST_EARLY + ["acquired", "read", "read"]


def test_what_cannot_be_run_early_is_answered_under_the_lease(
    trial: Trial, sessions: FarSessions
) -> None:
    socket = trial.socket().begin()

    socket.watch(0, "items:nothing")

    assert "items:nothing" in socket.seen()[0]
