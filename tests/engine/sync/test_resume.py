"""A client that comes back is told what changed, and only that is run again."""

from __future__ import annotations

from typing import Any

from tests.trial import Socket, Trial, add

GROUPS = "abcde"


def watching(trial: Trial, name: str, session: str, number: int = 0) -> Socket:
    """Come, or come back, with a query for each group, all of them at once."""
    socket = trial.socket(name).connect(session, number=number)
    return socket.modify(
        *(add(i, "items:list", group=group) for i, group in enumerate(GROUPS))
    )


def grown(trial: Trial, before: Any) -> dict[str, float]:
    return {name: n - before[name] for name, n in trial.engine.counted().items()}


class TestReconnecting:
    def test_runs_only_what_a_commit_has_touched_meanwhile(self) -> None:
        trial = Trial()
        watching(trial, "c1", "s")
        trial.engine.disconnected("c1")
        trial.mutate("items:add", group="b", label="x")
        trial.tell()
        before = trial.engine.counted()

        socket = watching(trial, "c2", "s", number=1)

        assert socket.seen() == {0: [], 1: ["x"], 2: [], 3: [], 4: []}
        counts = grown(trial, before)
        assert (counts["LiveQueriesRun"], counts["LiveQueriesShared"]) == (1, 4)

    def test_by_hundreds_at_once_runs_each_query_once_at_most(self) -> None:
        trial = Trial()
        sockets = [watching(trial, f"c{n}", f"s{n}") for n in range(200)]
        for socket in sockets:
            trial.engine.disconnected(socket.name)
        trial.mutate("items:add", group="b", label="x")
        trial.tell()
        before = trial.engine.counted()

        back = [watching(trial, f"d{n}", f"s{n}", number=1) for n in range(200)]

        assert all(socket.seen()[1] == ["x"] for socket in back)
        assert grown(trial, before)["LiveQueriesRun"] == 1

    def test_runs_everything_again_under_new_code(self) -> None:
        trial = Trial()
        watching(trial, "c1", "s")
        trial.engine.disconnected("c1")
        trial.engine.deploy("another")
        before = trial.engine.counted()

        watching(trial, "c2", "s", number=1)

        assert grown(trial, before)["LiveQueriesRun"] == len(GROUPS)
