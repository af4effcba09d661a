"""The checker finds what is put into a history, and nothing in one that has an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proof.histories.checker import check
from tests.proof.histories.transactions import (
    NEVER,
    Append,
    Get,
    Operation,
    Outcome,
    Read,
    Swap,
    Transaction,
)


def done(
    name: str,
    *operations: Operation,
    at: tuple[float, float] = (0, 100),
    session: str | None = None,
    outcome: Outcome = "ok",
    live: bool = False,
) -> Transaction:
    """One transaction, of a session of its own, beside all others."""
    return Transaction(name, session or name, operations, *at, outcome, live)


def kinds(*history: Transaction) -> set[str]:
    """What kinds of anomalies a history shows."""
    return {anomaly.kind for anomaly in check(history)}


def read(key: str, elements: str) -> Read:
    return Read(key, tuple(elements))


class TestOneReading:
    def test_of_what_was_taken_back(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), outcome="failed"), done("r", read("x", "1"))
        ) == {"G1a"}

    def test_between_two_appends_of_one_transaction(self) -> None:
        assert "G1b" in kinds(
            done("t", Append("x", "1"), Append("x", "2")),
            done("r", read("x", "1")),
            done("s", read("x", "12")),
        )

    def test_of_what_nobody_wrote(self) -> None:
        assert kinds(done("r", read("x", "1"))) == {"from nowhere"}

    def test_with_an_element_twice(self) -> None:
        assert "duplicate" in kinds(done("t", Append("x", "1")), done("r", read("x", "11")))

    def test_in_another_order_than_another(self) -> None:
        assert "incompatible order" in kinds(
            done("t", Append("x", "1")),
            done("u", Append("x", "2")),
            done("r", read("x", "12")),
            done("s", read("x", "21")),
        )

    def test_without_ones_own_append(self) -> None:
        assert "internal" in kinds(done("t", Append("x", "1"), read("x", "")))

    def test_of_two_values_of_a_register_in_one_transaction(self) -> None:
        assert "internal" in kinds(
            done("t", Swap("r", None, "1")), done("u", Get("r", None), Get("r", "1"))
        )

    def test_of_an_element_written_twice(self) -> None:
        assert "written twice" in kinds(
            done("t", Append("x", "1")), done("u", Append("x", "1"))
        )

    def test_of_one_value_by_two_that_replaced_it(self) -> None:
        assert "lost update" in kinds(
            done("t", Swap("r", None, "1")), done("u", Swap("r", None, "2"))
        )


class TestCycles:
    def test_of_writes(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), Append("y", "1")),
            done("u", Append("x", "2"), Append("y", "2")),
            done("r", read("x", "12"), read("y", "21")),
        ) >= {"G0"}

    def test_of_information(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), read("y", "1")),
            done("u", Append("y", "1"), read("x", "1")),
        ) == {"G1c"}

    def test_of_registers(self) -> None:
        assert kinds(
            done("t", Swap("r", None, "1"), Get("q", "1")),
            done("u", Swap("q", None, "1"), Get("r", "1")),
        ) == {"G1c"}

    def test_of_one_reading_of_two_moments(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), Append("y", "1")),
            done("r", read("x", "1"), read("y", "")),
            done("s", read("y", "1")),
        ) == {"G-single"}

    def test_of_two_writers_who_did_not_see_each_other(self) -> None:
        assert kinds(
            done("t", read("x", ""), Append("y", "1")),
            done("u", read("y", ""), Append("x", "1")),
        ) == {"G2"}

    def test_of_a_lost_append(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), at=(0, 1)), done("r", read("x", ""), at=(2, 3))
        ) == {"G-single, real time"}

    def test_of_a_session_that_loses_sight_of_its_own_write(self) -> None:
        assert kinds(
            done("t", Append("x", "1"), at=(0, 1), session="a"),
            done("r", read("x", ""), at=(2, 3), session="a", live=True),
        ) == {"G-single, session"}

    def test_of_a_live_query_that_goes_back(self) -> None:
        assert kinds(
            done("t", Append("x", "1")),
            done("r", read("x", "1"), at=(2, 2), session="a", live=True),
            done("s", read("x", ""), at=(3, 3), session="a", live=True),
        ) == {"G-single, session"}


class TestNothingIsWrongWith:
    def test_a_live_query_that_lags(self) -> None:
        assert not kinds(
            done("t", Append("x", "1"), at=(0, 1)),
            done("r", read("x", ""), at=(2, 2), live=True),
        )

    def test_a_transaction_of_unknown_outcome_that_nobody_saw(self) -> None:
        assert not kinds(
            done("t", Append("x", "1"), at=(0, NEVER), outcome="unknown"),
            done("r", read("x", ""), at=(2, 3)),
        )

    def test_one_that_took_effect_late(self) -> None:
        assert not kinds(
            done("t", Append("x", "1"), at=(0, NEVER), outcome="unknown"),
            done("r", read("x", ""), at=(2, 3)),
            done("s", read("x", "1"), at=(4, 5)),
        )

    def test_one_that_reads_the_list_it_appends_to(self) -> None:
        assert not kinds(
            done("t", read("x", ""), Append("x", "1"), read("x", "1"), Append("x", "2")),
            done("u", read("x", "12"), Append("x", "3")),
        )


def serial(seed: int, length: int = 30) -> list[Transaction]:
    """A history that ran one after another, though its sessions overlapped."""
    random = Random(seed)
    lists: dict[str, tuple[str, ...]] = dict.fromkeys("xyz", ())
    registers: dict[str, str | None] = dict.fromkeys("pq")
    history = []
    for number in range(length):
        operations: list[Operation] = []
        for step in range(random.randint(1, 4)):
            name = f"{number}.{step}"
            match random.choice("aarsg"):
                case "a":
                    key = random.choice("xyz")
                    lists[key] = (*lists[key], name)
                    operations.append(Append(key, name))
                case "r":
                    key = random.choice("xyz")
                    operations.append(Read(key, lists[key]))
                case "s":
                    key = random.choice("pq")
                    operations.append(Swap(key, registers[key], name))
                    registers[key] = name
                case _:
                    key = random.choice("pq")
                    operations.append(Get(key, registers[key]))
        at = number + 0.5 - random.random(), number + 0.5 + random.random()
        history.append(done(str(number), *operations, at=at))
    finally_read = [Read(key, held) for key, held in lists.items()]
    history.append(done("end", *finally_read, at=(length + 2, length + 3)))
    random.shuffle(history)
    return history


def mutated(history: Sequence[Transaction], random: Random) -> list[Transaction]:
    """The same history with one thing that a reader was told wrong."""
    places = [
        (one, at)
        for one in history
        for at, op in enumerate(one.operations)
        if isinstance(op, Read) and len(op.elements) > 1 and one.outcome == "ok"
    ]
    one, at = random.choice(places)
    op = one.operations[at]
    assert isinstance(op, Read)
    dropped = random.randrange(len(op.elements) - 1)
    wrong = {
        "dropped": (*op.elements[:dropped], *op.elements[dropped + 1 :]),
        "turned round": (*op.elements[:-2], op.elements[-1], op.elements[-2]),
        "doubled": (*op.elements, op.elements[0]),
        "made up": (*op.elements, "never written"),
        "forgotten": (),
    }[random.choice(["dropped", "turned round", "doubled", "made up", "forgotten"])]
    operations = (
        *one.operations[:at],
        replace(op, elements=wrong),
        *one.operations[at + 1 :],
    )
    changed = Transaction(one.name, one.session, operations, one.invoked, one.completed)
    return [changed if other is one else other for other in history]


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_a_serial_history_is_accepted(seed: int) -> None:
    assert check(serial(seed)) == []


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_a_history_with_one_wrong_reading_is_refused(seed: int) -> None:
    changed = mutated(serial(seed), Random(seed))

    assert check(changed) != []


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_a_history_with_an_append_that_got_lost_is_refused(seed: int) -> None:
    history = serial(seed)
    (end,) = (one for one in history if one.name == "end")
    lost = done("lost", Append("x", "lost"), at=(end.invoked - 1, end.invoked - 0.5))

    found = check([*history, lost])

    assert {anomaly.kind for anomaly in found} == {"G-single, real time"}


def test_thousands_of_transactions_are_judged_in_a_second() -> None:
    assert check(serial(1, length=3000)) == []
