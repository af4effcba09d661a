"""What transports may ask of the engine, end to end."""

from __future__ import annotations

import msgspec
import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.errors import (
    FunctionNotFound,
    OptimisticConcurrencyControlFailure,
    StorageUnavailable,
)
from chalicelib.engine.log import Entry
from chalicelib.engine.sync.order import GAP_PATIENCE_MS
from tests.apps.trial.calls import RUNS
from tests.trial import Interrupted, Trial, request, value


class TestCall:
    @pytest.mark.parametrize(
        ("path", "result"),
        [
            ("calls:constant", 42),
            ("calls:nothing", "nothing"),
            ("calls:peek", "the secret"),
        ],
    )
    def test_of_any_kind_runs_the_function_as_what_it_is(
        self, path: str, result: object
    ) -> None:
        assert value(Trial().call(path, None)) == result

    def test_of_any_kind_reaches_internal_functions_for_the_admin_alone(self) -> None:
        trial = Trial()

        assert value(trial.call("calls:secret", None, AdminIdentity())) == "the secret"
        with pytest.raises(FunctionNotFound):
            value(trial.call("calls:secret", None))

    def test_of_an_unknown_function_is_a_failure(self) -> None:
        outcome = Trial().call("calls:nope", None)

        assert outcome.failure is not None
        assert "Could not find function for 'calls:nope'." in outcome.failure.reason


class TestHead:
    def test_is_the_newest_commit_of_any_process(self) -> None:
        trial, other = (first := Trial()), Trial(beside=first)

        ts = other.call("items:add", "mutation", group="a", label="x").ts

        assert trial.engine.head() == ts


class TestReceive:
    def test_of_nonsense_ends_the_connection_and_no_other(self) -> None:
        trial = Trial()
        other = trial.socket("c2").begin().watch(0, "items:list", group="a")
        trial.socket("c1").send(b"\x00")

        trial.mutate("items:add", group="a", label="x")
        trial.tell()

        assert other.seen() == {0: ["x"]}

    def test_when_the_storage_fails_closes_the_socket_so_that_the_client_repeats(
        self,
    ) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        socket = trial.socket().begin("s")
        socket.take()

        def fail(_: Entry) -> None:
            raise StorageUnavailable("the network is gone")

        storage.before_append = fail
        socket.mutation("items:number", group="a")
        (closed,) = socket.take()
        storage.before_append = lambda _: None
        again = trial.socket("c2").begin("s", number=1)
        again.send(request("Mutation", 0, "items:number", group="a"))

        assert (closed["code"], closed["reason"]) == (1013, "StorageUnavailable")
        assert [m["result"] for m in again.take() if "result" in m] == [0]

    def test_when_a_mutation_keeps_conflicting_closes_with_its_code(self) -> None:
        trial = Trial(persistence=(storage := Interrupted()))
        other = Trial(beside=trial)
        socket = trial.socket().begin()
        inside: list[bool] = []

        def always(_: Entry) -> None:
            if not inside:
                inside.append(True)
                other.mutate("items:add", group="a", label="rival")
                inside.clear()

        storage.before_append = always
        socket.mutation("items:number", group="a")

        last = socket.take()[-1]
        assert (last["code"], last["reason"]) == (
            1013,
            OptimisticConcurrencyControlFailure.code,
        )


class TestJobs:
    def test_look_again_after_a_gap(self) -> None:
        trial = Trial(settle_ms=100)
        socket = trial.socket().connect()
        socket.send(request("Mutation", 0, "items:number", group="a"))
        socket.modify()

        trial.clock.wait_ms(GAP_PATIENCE_MS + 2)
        trial.run_jobs()

        assert socket.types() == ["MutationResponse", "Transition"]

    def test_that_are_damaged_are_refused(self) -> None:
        with pytest.raises(msgspec.DecodeError):
            Trial().engine.job(b"{")

    def test_of_an_action_that_another_process_has_claimed_do_nothing(self) -> None:
        RUNS.clear()
        trial = Trial()
        other = Trial(beside=trial)
        trial.socket().begin().action("calls:run", name="a")
        (body,) = trial.jobs.due()
        other.engine.job(body)

        trial.engine.job(body)

        assert RUNS == ["a"]


class TestSendTicks:
    def test_has_every_session_visited_all_through_the_period(self) -> None:
        trial = Trial()
        socket = trial.socket().connect(client_ts=0).modify()  # the impatient client
        socket.take()

        pings = 0
        for _ in range(5):
            trial.engine.send_ticks(60_000)
            for _ in range(12):
                trial.run_jobs()
                trial.clock.wait_ms(5_000)
                pings += socket.types().count("Ping")

        assert pings >= 5 * 60 // 30


class TestManyProcesses:
    def test_share_a_session_frame_by_frame(self) -> None:
        trial = Trial()
        processes = [trial, Trial(beside=trial), Trial(beside=trial)]
        socket = trial.socket().begin().watch(0, "items:list", group="a")

        for number in range(9):
            socket.trial = processes[number % 3]
            socket.trial.clock.wait_ms(1)
            socket.mutation("items:number", group="a")

        assert socket.seen() == {0: [str(number) for number in range(9)]}

    def test_wake_each_other_by_the_stream_alone(self) -> None:
        trial = Trial()
        other = Trial(beside=trial)
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        other.mutate("items:add", group="a", label="x")

        other.tell()

        assert socket.seen() == {0: ["x"]}
