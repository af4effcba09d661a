"""The contract of the session store, over every adapter."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from chalicelib.engine.errors import Overloaded
from chalicelib.engine.limits import MAX_INBOX_BYTES, MAX_INBOX_FRAMES
from chalicelib.engine.log import Origin
from chalicelib.engine.ports import (
    ROSTER_SHARDS,
    Acquired,
    Frame,
    Lease,
    SessionStore,
    roster_shard,
)
from tests.conformance.session_adapters import NAMES, Adapters, adapters_of_a_module

NOW, DEADLINE = 1_000.5, 61_000.25


@pytest.fixture(scope="module")
def adapters() -> Iterator[Adapters]:
    with adapters_of_a_module() as opened:
        yield opened


@pytest.fixture(params=NAMES)
def store(request: pytest.FixtureRequest, adapters: Adapters) -> SessionStore:
    return adapters.open(request.param).sessions


def take(
    store: SessionStore, owner: str = "me", *, now: float = NOW, wake_ts: int = 0
) -> Acquired:
    return store.acquire("c", owner, now_ms=now, deadline_ms=DEADLINE, wake_ts=wake_ts)


def look(store: SessionStore, connection: str = "c") -> Lease:
    return store.raise_wake(connection, 0)


def frame(id_: str, stamp_ms: float = NOW, body: bytes = b"{}") -> Frame:
    return Frame(id_, stamp_ms, body, Origin("192.0.2.1", "stock client"))


class TestAcquire:
    def test_creates_a_session_for_its_first_frame(self, store: SessionStore) -> None:
        acquired = take(store)

        expected = Lease(owner="me", deadline_ms=DEADLINE, born_ms=NOW)
        assert acquired == Acquired(expected, mine=True)

    def test_is_the_same_beside_something_else(self, store: SessionStore) -> None:
        done: list[str] = []

        acquired = store.acquire(
            "c",
            "me",
            now_ms=NOW,
            deadline_ms=DEADLINE,
            meanwhile=lambda: done.append(look(store, "another").owner or "nobody"),
        )

        assert acquired == Acquired(
            Lease(owner="me", deadline_ms=DEADLINE, born_ms=NOW), mine=True
        )
        assert done in ([], ["nobody"])

    def test_shows_the_lease_that_another_holds(self, store: SessionStore) -> None:
        mine = take(store)

        theirs = take(store, "another")

        assert theirs == Acquired(mine.lease, mine=False)

    def test_never_takes_over_a_lease_that_expired(self, store: SessionStore) -> None:
        take(store)

        late = take(store, "another", now=DEADLINE + 1)

        assert not late.mine
        assert late.lease.owner == "me"

    def test_answers_its_owner_again(self, store: SessionStore) -> None:
        first = take(store)
        store.raise_left("c")

        again = store.acquire("c", "me", now_ms=NOW + 1, deadline_ms=DEADLINE + 1)

        assert again == Acquired(replace(first.lease, left=1), mine=True)

    def test_does_not_give_an_expired_lease_even_to_its_owner(
        self, store: SessionStore
    ) -> None:
        take(store)

        late = take(store, now=DEADLINE + 1)

        assert not late.mine

    def test_takes_a_lease_that_was_given_back(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.release("c", "me", lease, final=False)

        second = store.acquire("c", "another", now_ms=NOW + 5, deadline_ms=DEADLINE + 5)

        assert second.mine
        assert second.lease.owner == "another"
        assert (second.lease.deadline_ms, second.lease.born_ms) == (DEADLINE + 5, NOW)

    def test_raises_the_wake_of_a_lease_it_takes(self, store: SessionStore) -> None:
        store.release("c", "me", take(store).lease, final=False)

        woken = take(store, wake_ts=7)

        assert woken.mine
        assert woken.lease.wake_ts == 7

    def test_takes_a_lease_whose_wake_is_above_its_own(self, store: SessionStore) -> None:
        store.release("c", "me", replace(take(store).lease, seen=9), final=False)
        store.raise_wake("c", 9)

        woken = take(store, wake_ts=7)

        assert woken.mine
        assert woken.lease.wake_ts == 9

    def test_leaves_the_wake_of_a_held_lease_alone(self, store: SessionStore) -> None:
        take(store)

        woken = take(store, "another", wake_ts=7)

        assert not woken.mine
        assert look(store).wake_ts == 0

    def test_creates_nothing_for_a_wake(self, store: SessionStore) -> None:
        woken = take(store, wake_ts=7)

        assert not woken.mine
        assert woken.lease.dead
        assert look(store).dead
        assert take(store).lease.wake_ts == 0

    def test_has_one_winner_among_many(self, store: SessionStore) -> None:
        with ThreadPoolExecutor(8) as threads:
            tries = list(threads.map(lambda n: take(store, f"owner-{n}"), range(24)))

        winners = [acquired.lease.owner for acquired in tries if acquired.mine]
        assert len(winners) == 1
        assert {acquired.lease.owner for acquired in tries} == set(winners)


class TestWake:
    def test_only_rises(self, store: SessionStore) -> None:
        take(store)

        raised = [store.raise_wake("c", ts).wake_ts for ts in (5, 3, 1 << 60)]

        assert raised == [5, 5, 1 << 60]

    def test_of_a_missing_session_is_answered_as_dead(self, store: SessionStore) -> None:
        assert store.raise_wake("c", 5) == Lease(dead=True)
        assert take(store).lease.wake_ts == 0

    def test_does_not_move_a_dead_session(self, store: SessionStore) -> None:
        take(store)
        store.condemn("c")

        lease = store.raise_wake("c", 5)

        assert lease.dead
        assert lease.wake_ts == 0

    def test_makes_work(self, store: SessionStore) -> None:
        store.release("c", "me", take(store).lease, final=False)

        lease = store.raise_wake("c", 5)

        assert lease.has_work


class TestLeft:
    def test_counts_every_frame(self, store: SessionStore) -> None:
        take(store)

        with ThreadPoolExecutor(8) as threads:
            counts = sorted(
                lease.left for lease in threads.map(store.raise_left, ["c"] * 20)
            )

        assert counts == list(range(1, 21))

    def test_of_a_missing_session_is_answered_as_dead(self, store: SessionStore) -> None:
        assert store.raise_left("c") == Lease(dead=True)
        assert take(store).lease.left == 0

    def test_of_a_dead_session_shows_that_it_is_dead(self, store: SessionStore) -> None:
        take(store)
        store.condemn("c")

        assert store.raise_left("c").dead


class TestInbox:
    def test_is_read_by_stamp_and_then_by_id(self, store: SessionStore) -> None:
        take(store)
        frames = [frame("b", 10.5), frame("a", 10.5), frame("d", 9), frame("c", 100)]

        for each in frames:
            store.leave("c", each)

        assert store.inbox("c") == [frames[2], frames[1], frames[0], frames[3]]

    def test_keeps_one_frame_of_an_id(self, store: SessionStore) -> None:
        take(store)

        store.leave("c", frame("a"))
        store.leave("c", frame("a"))

        assert store.inbox("c") == [frame("a")]

    def test_belongs_to_one_connection(self, store: SessionStore) -> None:
        take(store)
        store.leave("c", frame("a"))

        assert store.inbox("c2") == []
        assert store.inbox("C") == []

    def test_forgets_what_is_dropped_and_ignores_the_absent(
        self, store: SessionStore
    ) -> None:
        take(store)
        for id_ in "abc":
            store.leave("c", frame(id_))

        store.drop_frames("c", ["a", "c", "nothing"])
        store.drop_frames("c", ["a"])
        store.drop_frames("nobody", ["a"])

        assert store.inbox("c") == [frame("b")]

    def test_holds_the_largest_message(self, store: SessionStore) -> None:
        take(store)
        large = [frame(str(n), body=bytes([n]) * (128 * 1024)) for n in range(10)]

        for each in large:
            store.leave("c", each)

        assert store.inbox("c") == large

    def test_takes_no_more_than_so_many_frames(self, store: SessionStore) -> None:
        take(store)
        for n in range(MAX_INBOX_FRAMES):
            store.leave("c", frame(str(n)))

        with pytest.raises(Overloaded):
            store.leave("c", frame("one too many"))
        store.drop_frames("c", ["0"])
        store.leave("c", frame("now it fits"))

        assert len(store.inbox("c")) == MAX_INBOX_FRAMES

    def test_takes_no_more_than_so_many_bytes(self, store: SessionStore) -> None:
        take(store)
        body = bytes(MAX_INBOX_BYTES // 16)
        for n in range(16):
            store.leave("c", frame(str(n), body=body))

        with pytest.raises(Overloaded):
            store.leave("c", frame("one too many"))
        store.drop_frames("c", ["0", "0", "nothing"])
        store.leave("c", frame("now it fits"))

        assert len(store.inbox("c")) == 16

    def test_of_a_missing_session_takes_nothing(self, store: SessionStore) -> None:
        store.leave("c", frame("a"))

        assert store.inbox("c") == []


class TestState:
    def test_is_empty_at_first(self, store: SessionStore) -> None:
        assert store.state("c") == b""

    @pytest.mark.parametrize("size", [0, 1, 1_000, 500_000, 1_500_000])
    def test_is_read_as_it_was_written(self, store: SessionStore, size: int) -> None:
        take(store)
        state = bytes(n % 251 for n in range(size))

        store.write_state("c", state)

        assert store.state("c") == state

    def test_is_the_last_that_was_written(self, store: SessionStore) -> None:
        take(store)

        for size in (900_000, 1_200_000, 5, 400_000, 0):
            store.write_state("c", bytes(size))

            assert store.state("c") == bytes(size)


class TestRelease:
    def test_saves_what_the_holder_did(self, store: SessionStore) -> None:
        lease = take(store).lease
        done = replace(
            lease,
            drained=3,
            left=3,
            seen=(1 << 40) + 9,
            version=(2, 1, (1 << 40) + 8),
            digests=bytes(range(24)),
            revision=4,
            due=True,
            sent_ms=1_700_000_000_123.75,
            drop_ms=30_000,
        )
        for _ in range(3):
            store.raise_left("c")

        released = store.release("c", "me", done, final=False)

        assert released
        assert look(store) == replace(done, owner=None, deadline_ms=0)

    def test_is_refused_to_anybody_but_the_owner(self, store: SessionStore) -> None:
        lease = take(store).lease

        refused = [
            store.release("c", "another", lease, final=final) for final in (False, True)
        ]
        store.release("c", "me", lease, final=False)
        refused.append(store.release("c", "me", lease, final=False))
        refused.append(store.release("nobody", "me", lease, final=True))

        assert refused == [False] * 4
        assert look(store).owner is None
        assert look(store, "nobody").dead

    def test_is_refused_while_frames_were_left(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.raise_left("c")

        refused = store.release("c", "me", lease, final=False)
        released = store.release("c", "me", replace(lease, left=1, drained=1), final=False)

        assert (refused, released) == (False, True)
        assert not look(store).has_work

    def test_is_refused_while_a_wake_is_not_served(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.raise_wake("c", 5)

        refused = store.release("c", "me", replace(lease, seen=4), final=False)
        released = store.release("c", "me", replace(lease, seen=5), final=False)

        assert (refused, released) == (False, True)

    def test_changes_nothing_if_refused(self, store: SessionStore) -> None:
        lease = take(store).lease
        before = store.raise_left("c")

        store.release("c", "me", replace(lease, seen=9, revision=9), final=False)

        assert look(store) == before

    def test_that_is_final_keeps_what_is_left_to_do(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.raise_left("c")
        store.raise_wake("c", 8)

        released = store.release("c", "me", replace(lease, seen=5, born_ms=1), final=True)

        after = look(store)
        assert released
        assert after.owner is None
        assert (after.left, after.drained, after.wake_ts, after.seen) == (1, 0, 8, 5)
        assert after.born_ms == NOW
        assert after.has_work

    def test_of_a_dead_session_is_refused(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.condemn("c")

        refused = store.release("c", "me", lease, final=True)

        assert not refused
        assert look(store).dead


class TestDeath:
    def test_is_for_ever(self, store: SessionStore) -> None:
        lease = take(store).lease

        store.condemn("c")
        store.condemn("c")

        assert not take(store).mine
        assert not take(store, "another", wake_ts=3).mine
        assert take(store, "another").lease == replace(lease, dead=True)

    def test_may_come_before_the_first_frame(self, store: SessionStore) -> None:
        store.condemn("c")

        late = take(store)

        assert not late.mine
        assert late.lease.dead

    def test_leaves_only_the_lease_after_burial(self, store: SessionStore) -> None:
        take(store)
        store.enlist("c", "s", 0)
        store.write_state("c", bytes(800_000))
        for n in range(30):
            store.leave("c", frame(str(n)))
        store.condemn("c")

        store.bury("c")
        store.bury("c")

        assert store.state("c") == b""
        assert store.inbox("c") == []
        assert store.roster(roster_shard("c")) == []
        assert look(store).dead
        assert not take(store).mine

    def test_lets_go_of_all_that_was_large(self, store: SessionStore) -> None:
        lease = take(store).lease
        store.release("c", "me", replace(lease, digests=bytes(100_000)), final=True)
        store.condemn("c")

        store.bury("c")

        assert look(store).dead
        assert look(store).digests == b""

    def test_of_an_unknown_connection_can_be_buried(self, store: SessionStore) -> None:
        store.bury("nobody")

        assert look(store, "nobody") == Lease(dead=True)
        assert store.acquire("nobody", "me", now_ms=NOW, deadline_ms=DEADLINE).mine

    def test_stops_the_inbox(self, store: SessionStore) -> None:
        take(store)
        store.condemn("c")

        store.leave("c", frame("late"))

        assert store.inbox("c") == []


class TestEnlisting:
    @pytest.fixture(autouse=True)
    def connections(self, store: SessionStore) -> None:
        for connection in ("a", "b", "c", "d"):
            store.acquire(connection, "me", now_ms=NOW, deadline_ms=DEADLINE)

    def test_names_living_connections_of_the_session_with_a_lower_number(
        self, store: SessionStore
    ) -> None:
        store.enlist("a", "s", 0)
        store.enlist("d", "another session", 0)
        store.enlist("c", "s", 2)

        older = store.enlist("b", "s", 1)

        assert older == ["a"]
        assert sorted(store.enlist("c", "s", 2)) == ["a", "b"]

    def test_names_no_dead_ones(self, store: SessionStore) -> None:
        store.enlist("a", "s", 0)
        store.enlist("b", "s", 1)
        store.condemn("a")
        store.condemn("b")
        store.bury("b")

        older = store.enlist("c", "s", 2)

        assert older == []

    def test_puts_the_connection_on_the_roster_with_its_lease(
        self, store: SessionStore
    ) -> None:
        for connection in ("a", "b", "c"):
            store.enlist(connection, "s", 0)
        store.raise_wake("b", 17)

        listed = {
            name: lease for n in range(ROSTER_SHARDS) for name, lease in store.roster(n)
        }

        assert listed == {name: look(store, name) for name in ("a", "b", "c")}
        assert ("b", look(store, "b")) in store.roster(roster_shard("b"))

    def test_keeps_the_condemned_on_the_roster_until_they_are_buried(
        self, store: SessionStore
    ) -> None:
        store.enlist("a", "s", 0)
        store.condemn("a")

        condemned = store.roster(roster_shard("a"))
        store.bury("a")

        assert [(name, lease.dead) for name, lease in condemned] == [("a", True)]
        assert store.roster(roster_shard("a")) == []

    def test_serves_more_connections_than_fit_into_one_read(
        self, store: SessionStore
    ) -> None:
        names = [f"many-{n}" for n in range(2_000)]
        crowd = [name for name in names if roster_shard(name) == 3]
        for name in crowd:
            store.acquire(name, "me", now_ms=NOW, deadline_ms=DEADLINE)
            store.enlist(name, name, 0)

        listed = store.roster(3)

        assert len(crowd) > 100
        assert sorted(name for name, _ in listed) == sorted(crowd)


class TestLeases:
    def test_are_read_together(self, store: SessionStore) -> None:
        take(store)
        store.raise_wake("c", 7)
        store.condemn("dead")

        found = store.leases(["c", "dead", "nobody"])

        assert found["c"] == look(store)
        assert found["dead"].dead
        assert set(found) == {"c", "dead"}

    def test_of_nobody_are_none(self, store: SessionStore) -> None:
        assert store.leases([]) == {}

    def test_may_be_more_than_one_call_takes(self, store: SessionStore) -> None:
        names = [f"c{number}" for number in range(101)]
        for name in names[::50]:
            store.acquire(name, "me", now_ms=NOW, deadline_ms=DEADLINE)

        assert sorted(store.leases(names)) == ["c0", "c100", "c50"]
