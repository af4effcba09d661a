"""A session moves on in one step: all its queries at one timestamp, and only what differs."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.engine.functions.outcome import Failure, Outcome
from chalicelib.engine.persistence import Tail
from chalicelib.engine.ports import Lease
from chalicelib.engine.sync.messages import (
    QueryFailed,
    QueryRemoved,
    QueryUpdated,
    StateVersion,
    Transition,
    ts_text,
)
from chalicelib.engine.sync.session import LiveQuery, Session
from chalicelib.engine.sync.telling import message, pack, unpack
from chalicelib.engine.sync.transition import Moved
from tests.trial import Interrupted, Trial, add, remove

LEASE = Lease(version=(1, 0, 5))
QUERY = LiveQuery("m:f", b"{}", None)


def written(
    outcomes: dict[int, Outcome],
    digests: dict[int, bytes] | None = None,
    *,
    session: Session | None = None,
    redacted: bool = False,
) -> tuple[Transition, dict[int, bytes]]:
    held = session or Session(
        id="s", query_set=2, identity=1, queries=dict.fromkeys(outcomes, QUERY)
    )
    moved = Moved(held, 9, outcomes, (), overtaken=False)
    return message(moved, LEASE, digests or {}, redacted=redacted, now_ms=2.0)


class TestMessage:
    def test_leads_from_the_version_last_sent_to_that_of_the_session(self) -> None:
        transition, _ = written({})

        assert transition.start_version == StateVersion(1, 0, ts_text(5))
        assert transition.end_version == StateVersion(2, 1, ts_text(9))
        assert transition.server_ts == 2_000_000

    def test_has_values_with_their_journals_and_log_lines(self) -> None:
        outcome = Outcome(9, b"[1]", journal="page 2", log_lines=("[INFO] 1",))

        transition, _ = written({3: outcome})

        assert transition.modifications == (
            QueryUpdated(
                query_id=3,
                value=msgspec.Raw(b"[1]"),
                log_lines=("[INFO] 1",),
                journal="page 2",
            ),
        )

    @pytest.mark.parametrize("data", [b"null", b'{"a":1}'])
    def test_has_failures_with_their_data(self, data: bytes) -> None:
        transition, _ = written({3: Outcome(9, failure=Failure("1f", "no", data))})

        (failed,) = transition.modifications
        assert isinstance(failed, QueryFailed)
        assert failed.error_data == msgspec.Raw(data)
        assert failed.error_message == "[Request ID: 1f] Server Error\nno"

    def test_redacted_keeps_reasons_and_log_lines_back(self) -> None:
        failure, lines = Failure("1f", "no", b"5"), ("[INFO] 1",)
        outcomes = {
            1: Outcome(9, failure=failure, log_lines=lines),
            2: Outcome(9, b"1", log_lines=lines),
        }

        transition, _ = written(outcomes, redacted=True)

        failed, updated = transition.modifications
        assert isinstance(failed, QueryFailed)
        assert failed.error_message == "[Request ID: 1f] Server Error"
        assert failed.error_data == msgspec.Raw(b"5")
        assert not isinstance(updated, QueryRemoved)
        assert (failed.log_lines, updated.log_lines) == ((), ())

    def test_leaves_out_what_the_client_has(self) -> None:
        outcome = Outcome(9, b"[1]")

        transition, digests = written({3: outcome}, {3: outcome.digest})

        assert (transition.modifications, digests) == ((), {3: outcome.digest})

    def test_removes_what_was_sent_and_nothing_else(self) -> None:
        session = Session(id="s", dropped={1: (), 2: ()})

        transition, digests = written({}, {1: b"sent"}, session=session)

        assert transition.modifications == (QueryRemoved(query_id=1),)
        assert digests == {}

    def test_sends_a_query_again_whose_id_was_removed_and_added(self) -> None:
        outcome = Outcome(9, b"[1]")
        session = Session(id="s", queries={1: QUERY}, dropped={1: ()})

        transition, _ = written({1: outcome}, {1: outcome.digest}, session=session)

        assert [type(change) for change in transition.modifications] == [
            QueryRemoved,
            QueryUpdated,
        ]


def test_digests_are_packed_and_unpacked() -> None:
    digests = {0: b"12345678", 7: b"abcdefgh", (1 << 32) - 1: b"--------"}

    assert unpack(pack(digests)) == digests
    assert unpack(b"") == {}


class TestMoving:
    def test_brings_all_queries_to_one_timestamp_when_a_commit_comes_in_between(
        self,
    ) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        done: list[bool] = []
        socket = trial.socket().begin()

        def interfere(_: object) -> None:
            if not done:
                done.append(True)
                other.mutate("items:addPair", one="a", other="b")

        storage.after_scan = interfere
        socket.modify(add(0, "items:list", group="a"), add(1, "items:list", group="b"))

        assert socket.seen() == {0: ["pair"], 1: ["pair"]}

    def test_runs_a_new_query_on_what_is_known_and_proves_it_at_the_logs_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trial = Trial()
        socket = trial.socket().begin("s")
        Trial(beside=trial).mutate("items:add", group="a", label="theirs")
        readings: list[int] = []
        tail = trial.persistence.tail

        def counted(after: int, limit: int = 1000) -> Tail:
            readings.append(after)
            return tail(after, limit)

        monkeypatch.setattr(trial.persistence, "tail", counted)

        socket.watch(1, "items:list", group="b")
        untouched = len(readings)
        socket.watch(2, "items:list", group="a")

        assert untouched == 1
        assert socket.seen() == {1: [], 2: ["theirs"]}

    def test_ends_under_a_storm_of_writes_and_is_consistent(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        socket = trial.socket().begin()
        left = list(range(200))

        def storm(_: object) -> None:
            if left:
                left.pop()
                other.mutate("items:addPair", one="a", other="b")

        storage.after_scan = storm
        socket.modify(add(0, "items:list", group="a"), add(1, "items:list", group="b"))
        during = socket.seen()
        storage.after_scan = lambda _: None
        trial.tell()

        assert during[0] == during[1]
        assert left
        assert len(socket.seen()[0]) == 200 - len(left)

    def test_runs_equal_queries_of_many_sessions_once(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        sockets = [trial.socket(f"c{i}").begin() for i in range(5)]
        for socket in sockets:
            socket.watch(0, "items:list", group="a")
        trial.mutate("items:add", group="a", label="x")
        scans: list[object] = []
        storage.after_scan = scans.append

        trial.tell()

        assert [socket.seen() for socket in sockets] == [{0: ["x"]}] * 5
        assert len(scans) == 1

    def test_subscribes_to_what_a_query_now_reads_and_to_nothing_else(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.modify(add(0, "items:list", group="a"), add(1, "items:list", group="b"))
        socket.modify(remove(0))

        trial.mutate("items:add", group="a", label="x")
        woken_by_a = trial.tell()
        trial.mutate("items:add", group="b", label="y")

        assert (woken_by_a, trial.tell()) == (0, 1)
        assert socket.seen() == {1: ["y"]}
