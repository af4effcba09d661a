"""A connection from its first frame to its last, whoever runs it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.engine.errors import ConnectionGone, PostUnanswered
from chalicelib.engine.sync.actor import HOLD_MS, LEASE_MS
from chalicelib.engine.sync.messages import ts_value
from chalicelib.engine.sync.order import GAP_PATIENCE_MS
from chalicelib.engine.sync.reception import ACTION_PATIENCE_MS
from chalicelib.engine.sync.session import JS_PATIENCE_MS, RUST_PATIENCE_MS
from tests.apps.trial.calls import RUNS
from tests.trial import ADMIN_KEY, Socket, Trial, add, remove, request, user


@pytest.fixture(autouse=True)
def _no_runs() -> None:
    RUNS.clear()


def closing(socket: Socket) -> tuple[int, str]:
    """The code and the reason with which the server closed."""
    last = socket.trial.sockets.posted[socket.name][-1]
    return last["code"], last["reason"]


class TestQueries:
    def test_are_answered_in_one_transition(self) -> None:
        socket = Trial().socket().connect()

        socket.modify(add(0, "calls:constant"), add(5, "items:list", group="a"))

        (transition,) = socket.take()
        assert [m["queryId"] for m in transition["modifications"]] == [0, 5]
        assert socket.values == {0: 42, 5: []}

    def test_that_are_removed_are_confirmed(self) -> None:
        socket = Trial().socket().begin().watch(0, "calls:constant")
        socket.take()

        socket.modify(remove(0))

        (transition,) = socket.take()
        assert transition["modifications"] == [{"type": "QueryRemoved", "queryId": 0}]

    def test_may_use_an_id_again(self) -> None:
        socket = Trial().socket().begin().watch(0, "calls:constant")

        socket.modify(remove(0), add(0, "calls:constant"))

        assert socket.seen() == {0: 42}

    def test_that_fail_are_answered_and_run_again_later(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "calls:refuse", group="a")
        before = socket.seen()

        trial.mutate("items:add", group="a", label="x")
        trial.tell()

        (failed,) = socket.take()[-1]["modifications"]
        assert before == {0: None}
        assert failed["errorData"] == {
            "code": "CONFLICT",
            "message": "in use",
            "details": {"group": "a"},
        }

    def test_may_fail_with_data_that_is_null(self) -> None:
        socket = Trial().socket().begin().watch(0, "calls:refuseWithNull")

        (failed,) = socket.take()[-1]["modifications"]

        assert failed["type"] == "QueryFailed"
        assert failed["errorData"] is None

    def test_that_are_long_come_in_chunks(self) -> None:
        socket = Trial().socket().begin().watch(0, "calls:long", text="ö😀", times=90_000)

        posted = [m["type"] for m in socket.trial.sockets.posted["c1"]]

        assert posted.count("TransitionChunk") > 3
        assert socket.seen() == {0: "ö😀" * 90_000}

    def test_that_are_long_end_a_connection_that_takes_no_chunks(self) -> None:
        socket = Trial().socket().connect(client_ts=0).modify()

        socket.watch(0, "calls:long", text="x", times=200_000)

        assert closing(socket) == (1011, "TransitionTooLarge")


class TestMutations:
    def test_are_answered_before_the_transition_that_shows_them(self) -> None:
        socket = Trial().socket().begin().watch(0, "items:list", group="a")
        socket.take()

        socket.mutation("items:add", group="a", label="x")

        response, transition = socket.take()
        assert response["type"] == "MutationResponse"
        assert ts_value(transition["endVersion"]["ts"]) >= ts_value(response["ts"])
        assert socket.values == {0: ["x"]}

    def test_that_touch_no_query_are_followed_by_a_transition_too(self) -> None:
        socket = Trial().socket().begin()
        socket.take()

        socket.mutation("items:add", group="a", label="x")

        response, transition = socket.take()
        assert ts_value(transition["endVersion"]["ts"]) >= ts_value(response["ts"])

    def test_that_fail_are_followed_by_a_transition_too(self) -> None:
        socket = Trial().socket().begin()
        socket.take()

        socket.mutation("calls:writeAndRefuse", group="a")

        response, transition = socket.take()
        assert (response["success"], response["ts"]) == (False, None)
        assert response["errorData"]["code"] == "CONFLICT"
        assert transition["type"] == "Transition"

    def test_that_return_too_much_are_refused_before_they_commit(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        head = trial.engine.head()

        socket.mutation("calls:writeAndBoast", group="a", size=200_000)

        response = socket.take()[-2]
        assert "returned more than" in response["result"]
        assert (trial.engine.head(), socket.values) == (head, {0: []})

    @pytest.mark.parametrize(
        ("path", "arguments", "success"),
        [
            ("calls:writeAndChatter", {"group": "a", "lines": 30}, True),
            ("calls:complain", {"size": 200_000}, False),
        ],
    )
    def test_whose_log_or_error_is_too_long_are_answered_all_the_same(
        self, path: str, arguments: dict[str, object], success: bool
    ) -> None:
        socket = Trial().socket().begin()
        socket.take()

        socket.mutation(path, **arguments)

        response, _ = socket.take()
        assert (response["type"], response["success"]) == ("MutationResponse", success)

    def test_run_in_the_order_of_their_ids_whatever_the_order_of_frames(self) -> None:
        trial = Trial(settle_ms=100)
        socket = trial.socket().begin()
        for number in (2, 1, 0):
            socket.send(request("Mutation", number, "items:number", group="a"))
        trial.clock.wait_ms(10_000)

        ids = [m["requestId"] for m in socket.take() if m["type"] == "MutationResponse"]

        assert ids == [0, 1, 2]

    def test_run_in_the_name_of_the_identity_before_them(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().authenticate("User", "ann")

        socket.mutation("items:writeDiary", text="dear diary")

        assert trial.query("calls:diaries", user("ann")) == ["dear diary"]


class TestRepeatedRequests:
    def test_on_a_second_connection_get_the_first_answer_and_timestamp(self) -> None:
        trial = Trial()
        first = trial.socket("c1").begin("s")
        first.mutation("items:number", group="a")
        told = [m for m in first.take() if m["type"] == "MutationResponse"]
        trial.mutate("items:number", group="a")

        second = trial.socket("c2").begin("s", number=1)
        second.send(request("Mutation", 0, "items:number", group="a"))

        assert [m for m in second.take() if m["type"] == "MutationResponse"] == told
        assert trial.query("items:list", group="a") == ["0", "1"]

    def test_of_another_session_run(self) -> None:
        trial = Trial()
        for name in ("c1", "c2"):
            trial.socket(name).begin(f"session {name}").mutation("items:number", group="a")

        assert sorted(trial.query("items:list", group="a")) == ["0", "1"]


class TestConnections:
    def test_of_one_session_replace_each_other(self) -> None:
        trial = Trial()
        old = trial.socket("c1").begin("s").watch(0, "items:list", group="a")

        new = trial.socket("c2").begin("s", number=1).watch(0, "items:list", group="a")
        trial.mutate("items:add", group="a", label="x")

        assert closing(old) == (1013, "Replaced")
        assert (trial.tell(), new.seen()) == (1, {0: ["x"]})

    def test_that_are_gone_are_forgotten(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        trial.engine.disconnected("c1")
        trial.mutate("items:add", group="a", label="x")
        socket.take()

        woken = trial.tell()
        trial.tick()

        assert (woken, socket.types()) == (0, [])

    def test_may_end_twice_or_without_a_beginning(self) -> None:
        trial = Trial()
        trial.socket().begin()

        for name in ("c1", "c1", "never"):
            trial.engine.disconnected(name)

        trial.tick()

    def test_that_have_ended_say_nothing_more(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        trial.engine.disconnected("c1")
        socket.take()

        socket.watch(0, "calls:constant")

        assert set(socket.types()) <= {"closed"}

    @pytest.mark.parametrize("refusal", [ConnectionGone, PostUnanswered])
    def test_to_which_a_post_fails_are_ended_and_others_are_not(
        self, refusal: type[Exception]
    ) -> None:
        trial = Trial()
        refusals = [refusal("lost")]

        def refuse(message: dict[str, Any]) -> None:
            if refusals and b'["x"]' in msgspec.json.encode(message):
                raise refusals.pop()

        names = ("c1", "c2")
        one, two = (
            trial.socket(n).begin().watch(0, "items:list", group="a") for n in names
        )
        trial.sockets.on_post = refuse
        trial.mutate("items:add", group="a", label="x")

        trial.tell()

        closed, lives = (one, two) if one.is_closed else (two, one)
        assert (closed.is_closed, lives.is_closed) == (True, False)
        assert lives.seen() == {0: ["x"]}

    def test_whose_holder_died_are_ended_when_the_lease_has_expired(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        now = trial.clock.now_ms()
        trial.sessions.acquire("c1", "died", now_ms=now, deadline_ms=now + LEASE_MS)
        trial.tick()
        assert not socket.is_closed

        trial.clock.wait_ms(LEASE_MS + 1)
        trial.tick()

        assert closing(socket) == (1013, "SessionLost")

    def test_whose_work_takes_too_long_are_handed_over(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.take()
        during = [request("Mutation", 1, "items:number", group="a")]

        def slow(message: dict[str, Any]) -> None:
            if message["type"] == "MutationResponse" and during:
                socket.send(during.pop())
                trial.clock.wait_ms(HOLD_MS + 1)

        trial.sockets.on_post = slow
        socket.send(request("Mutation", 0, "items:number", group="a"))
        first = socket.types()

        assert first == ["MutationResponse", "Transition"]
        assert trial.run_jobs() == ["LookJob"]
        assert socket.types() == ["MutationResponse", "Transition"]

    def test_keep_the_frames_that_come_while_they_are_run(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        socket.take()
        during = [request("Mutation", 1, "items:number", group="a")]

        def meanwhile(message: dict[str, Any]) -> None:
            if message["type"] == "MutationResponse" and during:
                trial.clock.wait_ms(1)  # what is made in one microsecond has no order
                socket.send(during.pop())

        trial.sockets.on_post = meanwhile
        socket.send(request("Mutation", 0, "items:number", group="a"))

        assert socket.types().count("MutationResponse") == 2
        assert socket.values == {0: ["0", "1"]}


class TestPings:
    @pytest.mark.parametrize(
        ("client_ts", "patience_ms"), [(None, JS_PATIENCE_MS), (0, RUST_PATIENCE_MS)]
    )
    def test_come_well_before_the_client_loses_its_patience(
        self, client_ts: int | None, patience_ms: float
    ) -> None:
        trial = Trial()
        socket = trial.socket().connect(client_ts=client_ts).modify()
        socket.take()
        pinged_ms: list[float] = []
        start_ms = trial.clock.now_ms()
        while trial.clock.now_ms() < start_ms + 5 * patience_ms:
            trial.clock.wait_ms(15_000)
            trial.tick()
            if "Ping" in socket.types():
                pinged_ms.append(trial.clock.now_ms())

        gaps = [b - a for a, b in zip([start_ms, *pinged_ms], pinged_ms, strict=False)]
        assert max(gaps) <= patience_ms - 10_000

    def test_do_not_come_to_a_client_that_hears_something(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        for number in range(12):
            trial.clock.wait_ms(10_000)
            trial.mutate("items:add", group="a", label=str(number))
            trial.tell()
            trial.tick()

        assert "Ping" not in socket.types()

    def test_do_not_come_before_connect(self) -> None:
        trial = Trial()
        socket = trial.socket().send({"type": "Event", "eventType": "x", "event": 1})
        trial.clock.wait_ms(50_000)

        trial.tick()

        assert socket.types() == []


class TestIdentity:
    def test_that_changes_has_queries_run_again_and_only_differences_sent(self) -> None:
        socket = Trial().socket().begin()
        socket.modify(add(0, "calls:whoami"), add(1, "calls:constant"))
        socket.take()

        socket.authenticate("User", "ann")

        (transition,) = socket.take()
        assert [m["queryId"] for m in transition["modifications"]] == [0]
        assert (socket.values[0], socket.version["identity"]) == ("ann", 1)

    def test_may_be_given_up(self) -> None:
        socket = Trial().socket().begin().watch(0, "calls:whoami")

        socket.authenticate("User", "ann").authenticate("None")

        assert (socket.seen(), socket.version["identity"]) == ({0: None}, 2)

    def test_of_the_admin_reaches_internal_functions_and_is_nobody(self) -> None:
        socket = Trial().socket().begin()

        socket.authenticate("Admin", ADMIN_KEY)
        socket.modify(add(0, "calls:secret"), add(1, "calls:whoami"))

        assert socket.seen() == {0: "the secret", 1: None}

    @pytest.mark.parametrize("name", ["actingAs", "impersonating"])
    def test_of_an_admin_who_acts_as_a_user_is_that_user(self, name: str) -> None:
        attributes = {"issuer": "https://i", "subject": "carl"}
        socket = Trial().socket().begin()

        socket.authenticate("Admin", ADMIN_KEY, **{name: attributes})
        socket.modify(add(0, "calls:secret"), add(1, "calls:whoami"))

        assert socket.seen() == {0: "the secret", 1: "carl"}

    def test_that_was_refused_is_told_with_the_version_of_the_last_transition(self) -> None:
        socket = Trial().socket().begin().authenticate("User", "ann")
        socket.take()

        socket.authenticate("User", "forged")

        error, closed = socket.take()
        assert (error["type"], error["baseVersion"]) == ("AuthError", 1)
        assert error["authUpdateAttempted"] is True
        assert closed["type"] == "closed"

    @pytest.mark.parametrize("kind", ["Mutation", "Action"])
    def test_that_expired_is_told_with_the_next_request(self, kind: str) -> None:
        trial = Trial()
        trial.users["eve"] = user("eve", expires_s=60)
        socket = trial.socket().begin().authenticate("User", "eve")
        socket.take()
        trial.clock.wait_ms(66_000)

        socket.request(kind, "calls:run" if kind == "Action" else "calls:nothing")

        error, _ = socket.take()
        assert (error["type"], error["authUpdateAttempted"]) == ("AuthError", False)
        assert error["baseVersion"] == 1

    def test_that_expired_is_told_with_the_next_transition(self) -> None:
        trial = Trial()
        trial.users["eve"] = user("eve", expires_s=60)
        socket = trial.socket().begin().authenticate("User", "eve")
        socket.watch(0, "items:list", group="a").take()
        trial.clock.wait_ms(66_000)
        trial.mutate("items:add", group="a", label="x")

        trial.tell()

        assert socket.types() == ["AuthError", "closed"]

    def test_is_good_until_the_leeway_is_over(self) -> None:
        trial = Trial()
        trial.users["eve"] = user("eve", expires_s=60)
        socket = trial.socket().begin().authenticate("User", "eve")
        socket.take()
        trial.clock.wait_ms(64_000)

        socket.mutation("items:writeDiary", text="x")

        assert socket.types() == ["MutationResponse", "Transition"]


class TestActions:
    def test_run_as_jobs_and_are_answered_and_followed_by_a_transition(self) -> None:
        trial = Trial()
        socket = trial.socket().begin().watch(0, "items:list", group="a")
        socket.take()
        socket.action("calls:run", name="a")
        before = socket.types()

        done = trial.run_jobs()

        response, *_ = taken = socket.take()
        assert (before, done, RUNS) == ([], ["ActionJob"], ["a"])
        assert (response["type"], response["result"]) == ("ActionResponse", 1)
        assert response["logLines"] == ["[INFO] 'running' 'a'"]
        assert taken[-1]["type"] == "Transition"
        assert socket.values == {0: ["by an action"]}

    def test_whose_job_comes_twice_run_once(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.action("calls:run", name="a")
        (body,) = trial.jobs.due()

        trial.engine.job(body)
        trial.engine.job(body)

        assert RUNS == ["a"]
        assert socket.types().count("ActionResponse") == 1

    def test_whose_job_died_are_answered_as_failed_when_their_time_is_over(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.action("calls:run", name="a")
        list(trial.jobs.due())  # taken out by a process that dies
        socket.take()

        trial.clock.wait_ms(ACTION_PATIENCE_MS + 1)
        trial.tick()

        response, transition = socket.take()
        assert (response["type"], response["success"]) == ("ActionResponse", False)
        assert transition["type"] == "Transition"
        assert socket.types() == []

    def test_that_fail_are_answered_with_their_data(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.take()
        socket.action("calls:failOutside", name="a")

        trial.run_jobs()

        response, _ = socket.take()
        assert (response["success"], response["errorData"]["details"]) == (
            False,
            {"name": "a"},
        )

    def test_that_return_too_much_are_answered_with_an_error(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.take()
        socket.action("calls:boast", size=200_000)

        trial.run_jobs()

        response, _ = socket.take()
        assert not response["success"]
        assert "the value has 200002 bytes" in response["result"]

    def test_that_are_unknown_or_internal_are_answered_as_failed(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.take()

        socket.action("calls:nope").action("calls:hide").action("calls:constant")
        trial.run_jobs()

        answers = [m["result"] for m in socket.take() if m["type"] == "ActionResponse"]
        assert [text.partition("\n")[2][:21] for text in answers] == [
            "Could not find public",
            "Could not find public",
            "Trying to execute cal",
        ]

    def test_whose_connection_is_gone_run_and_are_answered_to_nobody(self) -> None:
        trial = Trial()
        socket = trial.socket().begin()
        socket.action("calls:run", name="a")
        trial.engine.disconnected("c1")
        socket.take()

        trial.run_jobs()

        assert RUNS == ["a"]
        assert "ActionResponse" not in socket.types()


class TestGaps:
    def test_close_the_socket_when_nothing_fills_them(self) -> None:
        trial = Trial(settle_ms=100)
        socket = trial.socket().begin()
        socket.send(request("Mutation", 1, "items:number", group="a"))

        trial.clock.wait_ms(GAP_PATIENCE_MS + 2)
        trial.run_jobs()

        assert closing(socket) == (1013, "FrameLost")

    def test_are_filled_by_a_frame_that_comes_late(self) -> None:
        trial = Trial(settle_ms=100)
        socket = trial.socket()
        socket.send(
            {
                "type": "ModifyQuerySet",
                "baseVersion": 0,
                "newVersion": 1,
                "modifications": [],
            }
        )
        waiting = socket.types()

        socket.connect()

        assert (waiting, socket.types()) == ([], ["Transition"])
