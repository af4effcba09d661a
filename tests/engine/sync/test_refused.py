"""A client whose gateway has no room for a transition is told later, of all that changed by then."""

from __future__ import annotations

import pytest

from chalicelib.engine.sync.conversation import FIRST_ROOM_MS, MAX_REFUSED, QUEUE_EARLY_MS
from tests.trial import LimitedSockets, Socket, Trial


class FullSockets(LimitedSockets):
    """A gateway that has no room for transitions while it is ``full``."""

    def __init__(self) -> None:
        super().__init__(128 * 1024)
        self.full, self.refused = False, 0

    def offer(self, connection: str, data: bytes) -> bool:
        self.refused += self.full
        if not self.full:
            self.post(connection, data)
        return not self.full


@pytest.fixture
def gateway() -> FullSockets:
    return FullSockets()


@pytest.fixture
def trial(gateway: FullSockets) -> Trial:
    return Trial(sockets=gateway)


def watcher(trial: Trial) -> Socket:
    socket = trial.socket().begin().watch(0, "items:list", group="a")
    socket.take()
    return socket


def write(trial: Trial, label: str) -> None:
    trial.mutate("items:add", group="a", label=label)
    trial.tell()


def later(trial: Trial, times: int = 0) -> None:
    """Wait for the next try after so many refusals."""
    trial.clock.wait_ms(FIRST_ROOM_MS * 2**times + QUEUE_EARLY_MS)
    trial.run_jobs()


def test_what_changes_meanwhile_joins_one_transition(
    trial: Trial, gateway: FullSockets
) -> None:
    socket = watcher(trial)
    gateway.full = True
    for label in "xyz":
        write(trial, label)
    gateway.full = False

    later(trial)

    assert gateway.refused == 1
    assert socket.types() == ["Transition"]
    assert socket.seen() == {0: ["x", "y", "z"]}
    assert trial.engine.counted()["TransitionsMerged"] == 3


def test_a_query_that_was_dropped_meanwhile_is_told_once(
    trial: Trial, gateway: FullSockets
) -> None:
    socket = watcher(trial)
    gateway.full = True
    write(trial, "x")
    socket.modify({"type": "Remove", "queryId": 0}).watch(1, "items:count", group="a")
    gateway.full = False

    later(trial)

    assert socket.seen() == {1: 1}


def test_a_commit_after_the_refusal_still_finds_the_session(
    trial: Trial, gateway: FullSockets
) -> None:
    socket = watcher(trial)
    gateway.full = True
    write(trial, "x")
    gateway.full = False
    later(trial)

    write(trial, "y")

    assert socket.seen() == {0: ["x", "y"]}


def test_a_client_that_never_has_room_is_closed(trial: Trial, gateway: FullSockets) -> None:
    socket = watcher(trial)
    gateway.full = True
    write(trial, "x")

    for times in range(MAX_REFUSED):
        later(trial, times)

    assert gateway.refused == MAX_REFUSED + 1
    assert socket.is_closed


def test_a_client_that_has_read_is_given_all_its_time_again(
    trial: Trial, gateway: FullSockets
) -> None:
    socket = watcher(trial)
    for label in "xyz":
        gateway.full = True
        write(trial, label)
        later(trial)
        gateway.full = False
        later(trial, 1)

    assert not socket.is_closed
    assert socket.seen() == {0: ["x", "y", "z"]}


def test_answers_are_not_held_back(trial: Trial, gateway: FullSockets) -> None:
    socket = watcher(trial)
    gateway.full = True

    socket.mutation("items:add", group="a", label="x")

    assert socket.types() == ["MutationResponse"]
