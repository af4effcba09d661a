"""What a transaction of an interleaving does, and what came of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Protocol

BEGINNING: Mapping[int, int] = {1: 10, 2: 20}
"""The cells before anybody writes."""


class Rows(Protocol):
    """A table of numbers under keys, as one transaction sees it."""

    def get(self, key: int) -> int | None: ...
    def equal(self, value: int) -> dict[int, int]: ...
    def divisible(self, by: int) -> dict[int, int]: ...
    def insert(self, key: int, value: int) -> None: ...
    def put(self, key: int, value: int) -> None: ...
    def add_to_all(self, amount: int) -> None: ...
    def delete_equal(self, value: int) -> int: ...
    def abort(self) -> None: ...


Steps = Callable[[Rows], Iterator[Any]]
"""The steps of a transaction, one for each ``yield``; what is yielded, it has seen."""


@dataclass(frozen=True)
class Part:
    """One transaction. One that only reads is a query, where there is such a thing."""

    steps: Steps
    writes: bool = True


@dataclass(frozen=True)
class Ended:
    """How a transaction ended: what its last run saw, and what it took to get there."""

    committed: bool
    seen: tuple[Any, ...]
    runs: int = 1
    waited: bool = False
    refused: str | None = None


@dataclass(frozen=True)
class Story:
    """What came of an interleaving."""

    ended: Mapping[str, Ended]
    final: Mapping[int, int]

    def seen(self, name: str) -> tuple[Any, ...]:
        """What a transaction saw; nothing if it did not commit, since nobody was told then."""
        return self.ended[name].seen if self.ended[name].committed else ()

    @property
    def committed(self) -> frozenset[str]:
        """Who committed."""
        return frozenset(name for name, ended in self.ended.items() if ended.committed)

    def is_serial(self, parts: Mapping[str, Part]) -> bool:
        """Tell whether those that committed could have run one after another."""
        return any(self._agrees(order, parts) for order in permutations(self.committed))

    def _agrees(self, order: tuple[str, ...], parts: Mapping[str, Part]) -> bool:
        rows = PlainRows()
        for name in order:
            if told(parts[name].steps(rows)) != self.seen(name):
                return False
        return rows.cells == self.final


def told(steps: Iterator[Any]) -> tuple[Any, ...]:
    """Take all steps, and return what was seen; writes see nothing."""
    return tuple(seen for seen in steps if seen is not None)


class PlainRows:
    """The table as a dictionary, for one transaction after another."""

    def __init__(self) -> None:
        self.cells = dict(BEGINNING)

    def get(self, key: int) -> int | None:
        return self.cells.get(key)

    def equal(self, value: int) -> dict[int, int]:
        return {key: held for key, held in self.cells.items() if held == value}

    def divisible(self, by: int) -> dict[int, int]:
        return {key: held for key, held in self.cells.items() if held % by == 0}

    def insert(self, key: int, value: int) -> None:
        self.cells[key] = value

    def put(self, key: int, value: int) -> None:
        self.cells[key] = value

    def add_to_all(self, amount: int) -> None:
        self.cells = {key: held + amount for key, held in self.cells.items()}

    def delete_equal(self, value: int) -> int:
        found = self.equal(value)
        self.cells = {key: held for key, held in self.cells.items() if key not in found}
        return len(found)

    def abort(self) -> None:
        raise AssertionError("one that aborts has not committed")
