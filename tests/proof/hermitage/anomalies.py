"""The anomalies: who does what, in which order, and how one would show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.proof.hermitage.parts import BEGINNING, Part, Rows, Steps, Story


@dataclass(frozen=True)
class Anomaly:
    """An interleaving that a database of too little isolation lets go wrong.

    ``order`` has one letter for each step: a small one for a step of that transaction, a
    capital for its commit. ``shown`` tells whether it went wrong.
    """

    name: str
    about: str
    parts: Mapping[str, Part]
    order: str
    shown: Callable[[Story], bool]


def puts(*cells: tuple[int, int]) -> Steps:
    """Write values under keys, one after another."""

    def steps(rows: Rows) -> Iterator[Any]:
        for key, value in cells:
            rows.put(key, value)
            yield None

    return steps


def gets(*keys: int) -> Part:
    """Read keys, one after another."""

    def steps(rows: Rows) -> Iterator[Any]:
        for key in keys:
            yield rows.get(key)

    return Part(steps, writes=False)


def increments(rows: Rows) -> Iterator[Any]:
    """Add one to what was read."""
    held = rows.get(1)
    yield held
    rows.put(1, (held or 0) + 1)
    yield None


def aborts(rows: Rows) -> Iterator[Any]:
    """Write, and take it back."""
    rows.put(1, 101)
    yield None
    rows.abort()
    yield None


def then_gets(written: tuple[int, int], key: int) -> Part:
    """Write one cell, then read another."""

    def steps(rows: Rows) -> Iterator[Any]:
        rows.put(*written)
        yield None
        yield rows.get(key)

    return Part(steps)


def gets_then_puts(*written: tuple[int, int]) -> Part:
    """Read both cells, then write."""

    def steps(rows: Rows) -> Iterator[Any]:
        yield rows.get(1)
        yield rows.get(2)
        yield from puts(*written)(rows)

    return Part(steps)


def inserts_if_none(key: int, value: int) -> Part:
    """Look for what 3 divides, then add a cell that it does."""

    def steps(rows: Rows) -> Iterator[Any]:
        yield rows.divisible(3)
        rows.insert(key, value)
        yield None

    return Part(steps)


def inserts(rows: Rows) -> Iterator[Any]:
    """Add a cell."""
    rows.insert(3, 30)
    yield None


def looks_twice(rows: Rows) -> Iterator[Any]:
    """Look for the new cell by its value, then by another predicate that it meets."""
    yield rows.equal(30)
    yield rows.divisible(3)


def looks_by_fives_and_threes(rows: Rows) -> Iterator[Any]:
    """Look for what 5 divides, then for what 3 does."""
    yield rows.divisible(5)
    yield rows.divisible(3)


def raises_all(rows: Rows) -> Iterator[Any]:
    """Add to every cell."""
    rows.add_to_all(10)
    yield None


def deletes_twenties(rows: Rows) -> Iterator[Any]:
    """See, delete and see again the cells of one value."""
    yield rows.equal(20)
    yield rows.delete_equal(20)
    yield rows.equal(20)


def gets_then_deletes(rows: Rows) -> Iterator[Any]:
    """Read one cell, then delete those of one value."""
    yield rows.get(1)
    yield rows.delete_equal(20)


def adds_five(rows: Rows) -> Iterator[Any]:
    """Add to the second cell."""
    held = rows.get(2)
    yield held
    rows.put(2, (held or 0) + 5)
    yield None


def gets_both_then_empties(rows: Rows) -> Iterator[Any]:
    """Read both cells, then set the first to nothing."""
    yield rows.get(1)
    yield rows.get(2)
    rows.put(1, 0)
    yield None


def _vanished(story: Story) -> bool:
    """Tell whether the reader saw a write of ``b``, and later one that ``b`` had replaced."""
    by_a, by_b = {11, 19}, {12, 18}
    seen = story.seen("c")
    first = next((at for at, value in enumerate(seen) if value in by_b), len(seen))
    return any(value in by_a for value in seen[first:])


def _both(story: Story, saw: tuple[Any, ...]) -> bool:
    """Tell whether both committed after they had seen the same."""
    return all(story.seen(name)[: len(saw)] == saw for name in ("a", "b"))


def _deleted_past_it(story: Story) -> bool:
    saw = story.seen("b")
    return saw != () and (saw[1] != len(saw[0]) or saw[2] != {})


ANOMALIES: tuple[Anomaly, ...] = (
    Anomaly(
        "G0",
        "write cycle: two writers each win one cell",
        {"a": Part(puts((1, 11), (2, 21))), "b": Part(puts((1, 12), (2, 22)))},
        "abaAbB",
        lambda story: story.final not in ({1: 11, 2: 21}, {1: 12, 2: 22}),
    ),
    Anomaly(
        "G1a",
        "aborted read: what was taken back is seen",
        {"a": Part(aborts), "b": gets(1, 1)},
        "ababB",
        lambda story: 101 in story.seen("b"),
    ),
    Anomaly(
        "G1b",
        "intermediate read: what was overwritten before the commit is seen",
        {"a": Part(puts((1, 101), (1, 11))), "b": gets(1, 1)},
        "abaAbB",
        lambda story: 101 in story.seen("b"),
    ),
    Anomaly(
        "G1c",
        "circular information flow: each sees the other's write",
        {"a": then_gets((1, 11), 2), "b": then_gets((2, 22), 1)},
        "ababAB",
        lambda story: (story.seen("a"), story.seen("b")) == ((22,), (11,)),
    ),
    Anomaly(
        "OTV",
        "observed transaction vanishes: its writes are seen, then those before",
        {
            "a": Part(puts((1, 11), (2, 19))),
            "b": Part(puts((1, 12), (2, 18))),
            "c": gets(1, 2, 2, 1),
        },
        "aabAcbcBccC",
        _vanished,
    ),
    Anomaly(
        "PMP",
        "predicate-many-preceders: a new cell appears to a second predicate",
        {"a": Part(looks_twice, writes=False), "b": Part(inserts)},
        "abBaA",
        lambda story: story.seen("a") == ({}, {3: 30}),
    ),
    Anomaly(
        "PMP, write",
        "the same, where the second predicate chooses what to delete",
        {"a": Part(raises_all), "b": Part(deletes_twenties)},
        "abbAbB",
        _deleted_past_it,
    ),
    Anomaly(
        "P4",
        "lost update: one of two increments is overwritten",
        {"a": Part(increments), "b": Part(increments)},
        "ababAB",
        lambda story: story.final[1] < BEGINNING[1] + len(story.committed),
    ),
    Anomaly(
        "G-single",
        "read skew: one cell from before a transaction, the other from after",
        {"a": gets(1, 2), "b": gets_then_puts((1, 12), (2, 18))},
        "abbbbBaA",
        lambda story: story.seen("a") == (10, 18),
    ),
    Anomaly(
        "G-single, dependencies",
        "read skew between two predicates",
        {"a": Part(looks_by_fives_and_threes, writes=False), "b": Part(puts((1, 12)))},
        "abBaA",
        lambda story: story.seen("a") == (dict(BEGINNING), {1: 12}),
    ),
    Anomaly(
        "G-single, write",
        "read skew between a cell and a predicate that chooses what to delete",
        {"a": Part(gets_then_deletes), "b": Part(puts((1, 12), (2, 18)))},
        "abbBaA",
        lambda story: story.seen("a") == (10, 0),
    ),
    Anomaly(
        "G2-item",
        "write skew: each writes what the other has read",
        {"a": gets_then_puts((1, 11)), "b": gets_then_puts((2, 21))},
        "aabbabAB",
        lambda story: _both(story, (10, 20)),
    ),
    Anomaly(
        "G2",
        "anti-dependency cycle: each adds what the other found to be absent",
        {"a": inserts_if_none(3, 30), "b": inserts_if_none(4, 42)},
        "ababAB",
        lambda story: _both(story, ({},)),
    ),
    Anomaly(
        "G2, two edges",
        "a reader sees a state that no order of the two writers has",
        {"a": Part(gets_both_then_empties), "b": Part(adds_five), "c": gets(1, 2)},
        "aabbBccCaA",
        lambda story: (story.seen("a"), story.seen("c")) == ((10, 20), (10, 25)),
    ),
)
