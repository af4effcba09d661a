"""Nobody takes more than their share: who does is sent away for a while, and may come back."""

from __future__ import annotations

import pytest

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.errors import Overloaded
from chalicelib.engine.limits import BURST_S
from chalicelib.engine.sync.overload import FORGOTTEN_MS, Allowance, Turnstile
from tests.backend import VirtualClock
from tests.trial import Trial, add, remove, user

ANN = user("ann")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def turnstile(clock: VirtualClock, **allowed: float) -> Turnstile:
    return Turnstile(Allowance(**allowed), clock)  # type: ignore[arg-type]  # whole numbers are


def sent(counter: Turnstile, connection: str, size: int = 1) -> int:
    """Send until it is too much, at one moment; return how many messages passed."""
    for number in range(10_000):
        try:
            counter.message(connection, size)
        except Overloaded:
            return number
    raise AssertionError("nothing is too much")


class TestRates:
    def test_let_a_burst_through_and_then_as_much_as_comes_in(
        self, clock: VirtualClock
    ) -> None:
        counter = turnstile(clock, connection_messages_per_s=5)

        burst = sent(counter, "c1")
        clock.wait_ms(2000)

        assert (burst, sent(counter, "c1")) == (5 * BURST_S, 10)

    def test_bound_bytes_and_let_one_large_message_leave_a_debt(
        self, clock: VirtualClock
    ) -> None:
        counter = turnstile(clock, connection_bytes_per_s=100)

        assert sent(counter, "c1", size=5000) == 1
        clock.wait_ms(39_000)
        assert sent(counter, "c1", size=1) == 0
        clock.wait_ms(1_100)
        assert sent(counter, "c1", size=1) > 0

    def test_are_each_connections_own(self, clock: VirtualClock) -> None:
        counter = turnstile(clock, connection_messages_per_s=5)
        sent(counter, "c1")

        assert sent(counter, "c2") == 5 * BURST_S

    def test_of_a_user_are_shared_by_the_users_connections(
        self, clock: VirtualClock
    ) -> None:
        counter = turnstile(clock, user_messages_per_s=7)
        for connection in ("c1", "c2"):
            counter.holds(connection, ANN, 0)
        counter.holds("c3", user("bob"), 0)

        passed = [sent(counter, connection) for connection in ("c1", "c2", "c3")]

        assert passed == [70, 0, 70]

    def test_of_a_user_are_not_new_when_the_user_comes_back(
        self, clock: VirtualClock
    ) -> None:
        counter = turnstile(clock, user_messages_per_s=7)
        counter.holds("c1", ANN, 0)
        sent(counter, "c1")
        counter.left("c1")
        clock.wait_ms(1000)

        counter.holds("c2", ANN, 0)

        assert sent(counter, "c2") == 7


class TestHoldings:
    def test_bound_the_queries_of_a_connection(self, clock: VirtualClock) -> None:
        counter = turnstile(clock, connection_queries=3)
        counter.holds("c1", None, 3)

        with pytest.raises(Overloaded):
            counter.holds("c1", None, 4)

    def test_bound_the_queries_of_a_user(self, clock: VirtualClock) -> None:
        counter = turnstile(clock, user_queries=5)
        counter.holds("c1", ANN, 3)

        with pytest.raises(Overloaded):
            counter.holds("c2", ANN, 3)

        counter.left("c2")
        counter.holds("c3", ANN, 2)

    def test_bound_the_connections_of_a_user_and_no_strangers(
        self, clock: VirtualClock
    ) -> None:
        counter = turnstile(clock, user_sockets=2)
        for connection in ("c1", "c2"):
            counter.holds(connection, ANN, 0)
        for connection in ("n1", "n2", "n3"):
            counter.holds(connection, None, 0)
        for connection in ("a1", "a2", "a3"):
            counter.holds(connection, AdminIdentity(None), 0)

        with pytest.raises(Overloaded):
            counter.holds("c3", ANN, 0)

        counter.left("c3")
        counter.left("c1")
        counter.holds("c4", ANN, 0)

    def test_follow_a_connection_to_another_user(self, clock: VirtualClock) -> None:
        counter = turnstile(clock, user_sockets=1, user_queries=4)
        counter.holds("c1", ANN, 4)

        counter.holds("c1", user("bob"), 4)

        counter.holds("c2", ANN, 4)
        with pytest.raises(Overloaded):
            counter.holds("c3", user("bob"), 0)

    def test_of_what_was_silent_for_long_are_not_counted(self, clock: VirtualClock) -> None:
        counter = turnstile(clock, user_sockets=2)
        for connection in ("c1", "c2"):
            counter.holds(connection, ANN, 0)
        clock.wait_ms(FORGOTTEN_MS - 1)
        counter.woken("c2")
        clock.wait_ms(2)

        counter.holds("c3", ANN, 0)

        with pytest.raises(Overloaded):
            counter.holds("c4", ANN, 0)


class TestClosing:
    def test_tells_the_stock_clients_to_back_off_and_is_over_when_the_burst_is(
        self,
    ) -> None:
        trial = Trial(allowance=Allowance(connection_messages_per_s=1))
        flooding, other = trial.socket("c1").begin(), trial.socket("c2").begin()

        while not flooding.is_closed:
            flooding.mutation("items:add", group="a", label="x")

        closed = trial.sockets.posted["c1"][-1]
        assert (closed["code"], closed["reason"]) == (1013, "TooManyConcurrentRequests")
        assert not other.watch(0, "items:count", group="a").is_closed
        assert other.seen() == {0: len(trial.query("items:list", group="a"))}
        again = (
            trial.socket("c3").begin("session of c1", number=1).watch(0, "calls:constant")
        )
        assert again.seen() == {0: 42}

    def test_comes_with_too_many_queries_and_leaves_nothing_behind(self) -> None:
        trial = Trial(allowance=Allowance(connection_queries=2))
        socket = trial.socket().begin()
        socket.modify(*(add(i, "items:list", group=str(i)) for i in range(2)))
        socket.modify(remove(0), add(2, "items:list", group="2"))
        socket.take()

        socket.watch(3, "items:list", group="3")

        assert socket.types() == ["closed"]
        assert trial.engine.counted()["ConnectionsOverloaded"] == 1
        trial.mutate("items:add", group="2", label="x")
        assert trial.tell() == 0
