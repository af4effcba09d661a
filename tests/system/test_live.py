"""What an admin is told of live queries: why they ran, what was spared, what a write would wake."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.errors import NotFound
from chalicelib.engine.sync.reruns import RERUNS_KEPT
from tests.trial import Socket, Trial

PACKAGES = ("tests.apps.trial", "chalicelib.system")


@pytest.fixture
def trial() -> Trial:
    return Trial(packages=PACKAGES)


def ask(trial: Trial, what: str, /, **arguments: Any) -> Any:
    return trial.query(f"_system/live:{what}", AdminIdentity(None), **arguments)


def write(trial: Trial, path: str, /, **arguments: Any) -> Any:
    """Commit, and have everybody hear of it."""
    made = trial.mutate(path, **arguments)
    trial.tell()
    return made


def watched(trial: Trial, /, **arguments: Any) -> list[tuple[str, int]]:
    found = ask(trial, "watchers", **arguments)
    return [(w["connection"], w["queryId"]) for w in found["watchers"]]


class TestReruns:
    def test_name_the_commit_the_function_the_document_and_the_interval(
        self, trial: Trial
    ) -> None:
        trial.socket().begin("s1").watch(7, "items:list", group="a")

        made = write(trial, "items:add", group="a", label="x")

        newest, first = ask(trial, "reruns")
        assert first["cause"] == {"why": "first run"}
        assert (newest["connection"], newest["session"], newest["queryId"]) == (
            "c1",
            "s1",
            7,
        )
        assert (newest["path"], newest["args"]) == ("items:list", {"group": "a"})
        assert newest["sent"] is True
        cause = newest["cause"]
        assert (cause["why"], cause["function"]) == ("written", "items:add")
        assert cause["ts"] == str(trial.engine.head())
        assert cause["document"] == made
        assert (cause["table"], cause["index"]) == ("items", "by_group")
        assert cause["from"] <= cause["key"] < cause["to"]

    def test_tell_a_change_of_identity_from_a_write(self, trial: Trial) -> None:
        socket = trial.socket().begin().watch(0, "calls:whoami")

        socket.authenticate("User", "ann")

        assert ask(trial, "reruns")[0]["cause"] == {"why": "identity changed"}

    def test_tell_new_code(self, trial: Trial) -> None:
        trial.socket().begin().watch(0, "calls:constant")

        trial.engine.deploy("another")
        trial.tell()

        newest = ask(trial, "reruns")[0]
        assert newest["cause"]["why"] == "code version"
        assert newest["sent"] is False

    def test_name_the_first_of_several_commits(self, trial: Trial) -> None:
        trial.socket().begin().watch(0, "items:list", group="a")
        trial.mutate("items:add", group="b", label="x")
        second = trial.mutate("items:add", group="a", label="x")
        trial.mutate("items:add", group="a", label="y")

        trial.tell()

        assert ask(trial, "reruns")[0]["cause"]["document"] == second

    def test_are_found_by_path_and_are_no_more_than_was_asked_for(
        self, trial: Trial
    ) -> None:
        trial.socket().begin().watch(0, "items:list", group="a").watch(
            1, "calls:constant"
        ).watch(2, "items:list", group="b")

        assert len(ask(trial, "reruns")) == 3
        assert [r["queryId"] for r in ask(trial, "reruns", path="items:list")] == [2, 0]
        assert [r["queryId"] for r in ask(trial, "reruns", limit=1)] == [2]

    def test_are_forgotten_when_they_are_many(
        self, trial: Trial, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chalicelib.engine.sync.reruns.RERUNS_KEPT", 3)
        trial = Trial(packages=PACKAGES)
        socket = trial.socket().begin()
        for i in range(5):
            socket.watch(i, "calls:constant")

        assert RERUNS_KEPT > 3
        assert [r["queryId"] for r in ask(trial, "reruns")] == [4, 3, 2]


class TestStatistics:
    def test_count_what_ran_and_what_was_shared(self, trial: Trial) -> None:
        for name in ("c1", "c2", "c3"):
            trial.socket(name).begin().watch(0, "items:list", group="a")

        write(trial, "items:add", group="a", label="x")

        counts = ask(trial, "statistics")
        assert (counts["LiveQueriesRun"], counts["LiveQueriesShared"]) == (2, 4)

    def test_count_queries_that_a_commit_to_their_session_does_not_concern(
        self, trial: Trial
    ) -> None:
        socket = trial.socket().begin()
        for i, group in enumerate("abc"):
            socket.watch(i, "items:list", group=group)
        before = ask(trial, "statistics")["LiveQueriesSpared"]

        write(trial, "items:add", group="b", label="x")

        assert ask(trial, "statistics")["LiveQueriesSpared"] == before + 2

    def test_count_results_that_did_not_change_and_transitions_that_said_nothing(
        self, trial: Trial
    ) -> None:
        made = write(trial, "items:add", group="a", label="x")
        socket = trial.socket().begin().watch(0, "items:twice", one="a", other="b")
        socket.take()
        before = ask(trial, "statistics")

        write(trial, "items:move", document=made, label="y")

        after = ask(trial, "statistics")
        grown = {name: after[name] - before[name] for name in before}
        assert grown["LiveResultsUnchanged"] == 1
        assert (grown["TransitionsUnsent"], grown["TransitionsSent"]) == (1, 0)
        assert socket.take() == []


class TestWatchers:
    def test_of_a_document_are_the_queries_that_have_read_it(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        reader = trial.socket("c1").begin("s1").watch(3, "items:get", document=made)
        reader.watch(4, "items:list", group="b")
        trial.socket("c2").begin().watch(0, "items:list", group="a")

        assert watched(trial, documentId=made) == [("c1", 3), ("c2", 0)]

        found = ask(trial, "watchers", documentId=made)
        one = found["watchers"][0]
        assert (one["session"], one["path"], one["args"]) == (
            "s1",
            "items:get",
            {"document": made},
        )
        assert (one["table"], one["index"]) == ("items", "by_id")
        assert found["isComplete"] is True

    def test_of_a_change_are_those_of_where_it_moves_to_as_well(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        trial.socket("c1").begin().watch(0, "items:list", group="a")
        trial.socket("c2").begin().watch(0, "items:list", group="b")

        assert watched(trial, documentId=made) == [("c1", 0)]
        assert watched(trial, documentId=made, fields={"group": "b"}) == [
            ("c1", 0),
            ("c2", 0),
        ]

    def test_of_a_new_document_are_those_of_the_ranges_that_it_falls_into(
        self, trial: Trial
    ) -> None:
        trial.socket("c1").begin().watch(0, "items:list", group="a")
        trial.socket("c2").begin().watch(0, "items:list", group="b")

        fields = {"group": "b", "label": "new"}

        assert watched(trial, table="items", fields=fields) == [("c2", 0)]

    def test_of_a_count_mind_only_what_comes_or_goes(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        trial.socket("c1").begin().watch(0, "items:count", group="a")

        assert watched(trial, documentId=made) == []
        assert watched(trial, documentId=made, deleted=True) == [("c1", 0)]

    def test_are_just_those_that_the_write_wakes(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        sockets = list[Socket]()
        for n, group in enumerate("aabc"):
            sockets.append(
                trial.socket(f"c{n}").begin().watch(0, "items:list", group=group)
            )
        for socket in sockets:
            socket.take()
        told = watched(trial, documentId=made, fields={"label": "y"})

        write(trial, "items:move", document=made, label="y")

        heard = [(socket.name, 0) for socket in sockets if socket.take()]
        assert heard == told == [("c0", 0), ("c1", 0)]

    def test_are_no_more_than_was_asked_for_and_it_says_so(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        for n in range(3):
            trial.socket(f"c{n}").begin().watch(0, "items:list", group="a")

        found = ask(trial, "watchers", documentId=made, limit=2)

        assert (len(found["watchers"]), found["isComplete"]) == (2, False)

    def test_of_what_does_not_exist_are_an_error(self, trial: Trial) -> None:
        made = write(trial, "items:add", group="a", label="x")
        write(trial, "items:remove", document=made)

        for unknown in (
            {"documentId": made},
            {"documentId": "nonsense"},
            {"table": "cats"},
        ):
            with pytest.raises(NotFound):
                ask(trial, "watchers", **unknown)


class TestAnswers:
    def test_are_of_now_and_shared_with_nobody(self, trial: Trial) -> None:
        before = ask(trial, "statistics")["LiveQueriesRun"]

        trial.socket().begin().watch(0, "calls:constant")

        assert ask(trial, "statistics")["LiveQueriesRun"] == before + 1
