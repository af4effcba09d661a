"""Commits wake who has read what they wrote, however they are reported."""

from __future__ import annotations

from chalicelib.engine.log import ORIGIN
from chalicelib.engine.ports import ROSTER_SHARDS
from tests.trial import Trial


class TestCommits:
    def test_wake_the_sessions_that_they_concern(self) -> None:
        trial = Trial()
        one = trial.socket("c1").begin().watch(0, "items:list", group="a")
        two = trial.socket("c2").begin().watch(0, "items:list", group="b")
        one.take(), two.take()
        trial.mutate("items:add", group="a", label="x")

        assert trial.tell() == 1
        assert (one.types(), two.types()) == (["Transition"], [])

    def test_that_are_reported_twice_or_late_say_nothing_new(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        for label in "xyz":
            trial.mutate("items:add", group="a", label=label)
        head = trial.engine.head()
        trial.engine.commits(head, head)
        socket.take()

        trial.engine.commits(head - 2, head - 1)
        trial.engine.commits(head, head)

        assert socket.types() == []
        assert socket.seen() == {0: ["x", "y", "z"]}

    def test_whose_records_were_given_up_are_made_up_for_by_the_tick(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        trial.mutate("items:add", group="a", label="x")
        trial.clock.wait_ms(45_000)

        trial.tick()

        assert socket.seen() == {0: ["x"]}
        assert trial.persistence.marks().applied == trial.engine.head()

    def test_are_seen_at_once_when_several_come_together(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        socket.take()
        for label in "xyz":
            trial.mutate("items:add", group="a", label=label)

        trial.tell()

        assert socket.types() == ["Transition"]
        assert socket.seen() == {0: ["x", "y", "z"]}

    def test_of_another_process_are_seen(self) -> None:
        trial, other = (first := Trial()), Trial(beside=first)
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        other.mutate("items:add", group="a", label="x")

        trial.tell()

        assert socket.seen() == {0: ["x"]}

    def test_move_the_rows_along(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")
        trial.tell()

        assert trial.persistence.marks().applied == trial.engine.head()

    def test_beyond_the_end_of_the_log_or_before_its_beginning_wake_nobody(self) -> None:
        trial = Trial()
        head = trial.engine.head()

        assert trial.engine.commits(head + 1, head + 9) == 0
        assert trial.engine.commits(ORIGIN - 9, ORIGIN - 1) == 0

    def test_that_do_not_change_a_result_are_not_sent(self) -> None:
        trial = Trial()
        made = trial.mutate("items:add", group="g", label="x")
        socket = trial.socket().begin().watch(0, "items:list", group="g")
        trial.tell()
        socket.take()
        trial.mutate("items:move", document=made, label="y")
        trial.mutate("items:move", document=made, label="x")

        assert trial.tell() == 1
        assert socket.types() == []

    def test_of_new_code_run_every_query_again(self) -> None:
        trial = Trial()
        sockets = [trial.socket(f"c{i}").begin().watch(0, "calls:now") for i in range(3)]
        before = [socket.seen() for socket in sockets]
        trial.clock.wait_ms(1)

        trial.engine.deploy("newer")

        assert trial.tell() == 3
        assert all(s.seen() != old for s, old in zip(sockets, before, strict=True))

    def test_reach_the_others_when_one_session_fails_which_is_closed(self) -> None:
        trial = Trial()
        names = [f"c{number}" for number in range(4)]
        sockets = [trial.socket(n).begin().watch(0, "items:list", group="a") for n in names]
        bugs = [RuntimeError("a bug")]

        def fail(_: object) -> None:
            if bugs:
                raise bugs.pop()

        trial.sockets.on_post = fail
        trial.mutate("items:add", group="a", label="x")
        head = trial.engine.head()

        trial.engine.commits(head, head)

        assert [s.seen()[0] for s in sockets].count(["x"]) == 3


class TestTheTick:
    def test_finds_every_session_once(self) -> None:
        trial = Trial()
        for number in range(20):
            trial.socket(f"c{number}").begin()

        assert sum(trial.engine.tick(shard) for shard in range(ROSTER_SHARDS)) == 20

    def test_moves_rows_along_that_nobody_else_has(self) -> None:
        trial = Trial()
        trial.mutate("items:add", group="a", label="x")

        trial.tick()

        assert trial.persistence.marks().applied == trial.engine.head()

    def test_brings_what_the_stream_has_lost_to_an_idle_session(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        trial.mutate("items:add", group="a", label="x")
        trial.clock.wait_ms(30_000)

        trial.tick()

        assert socket.seen() == {0: ["x"]}
