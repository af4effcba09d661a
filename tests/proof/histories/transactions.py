"""What a history is made of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

NEVER = math.inf
"""When a transaction ended whose end nobody saw."""


@dataclass(frozen=True, slots=True)
class Append:
    """An element, found nowhere else, was put at the end of a list."""

    key: str
    element: str


@dataclass(frozen=True, slots=True)
class Read:
    """A whole list was read."""

    key: str
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swap:
    """A register was read, and a value, found nowhere else, was written in its place."""

    key: str
    found: str | None
    value: str


@dataclass(frozen=True, slots=True)
class Get:
    """A register was read."""

    key: str
    value: str | None


Operation = Append | Read | Swap | Get
Outcome = Literal["ok", "failed", "unknown"]
"""``failed``: surely nothing was written. ``unknown``: perhaps it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """One transaction as its client saw it, with times of one clock.

    ``live``: what a live query showed. It may be older than the moment it was shown at, but no
    older than what its session had seen or done before.
    """

    name: str
    session: str
    operations: tuple[Operation, ...]
    invoked: float
    completed: float
    outcome: Outcome = "ok"
    live: bool = False

    def appends(self) -> Iterator[Append]:
        """What was appended, in order."""
        return (op for op in self.operations if isinstance(op, Append))

    def swaps(self) -> Iterator[Swap]:
        """What was written to registers, in order."""
        return (op for op in self.operations if isinstance(op, Swap))

    def reads(self) -> Iterator[Read]:
        """The lists that were read, without what the transaction itself had appended."""
        own: dict[str, list[str]] = {}
        for op in self.operations:
            if isinstance(op, Append):
                own.setdefault(op.key, []).append(op.element)
            elif isinstance(op, Read):
                mine = own.get(op.key, [])
                yield Read(op.key, op.elements[: len(op.elements) - len(mine)])

    def gets(self) -> Iterator[Get]:
        """The registers that were read, without what the transaction itself had written."""
        written = set[str]()
        for op in self.operations:
            if isinstance(op, Swap) and op.key not in written:
                yield Get(op.key, op.found)
                written.add(op.key)
            elif isinstance(op, Get) and op.key not in written:
                yield op


@dataclass(frozen=True, slots=True)
class Anomaly:
    """What a history shows that no serial execution could."""

    kind: str
    about: str
