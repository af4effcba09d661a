"""Tables of numbers with the goals beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MET: Final = "✓"
MISSED: Final = "✗"


@dataclass(frozen=True, slots=True)
class Goal:
    """The most, or with ``at_least`` the least, that a number should be."""

    bound: float
    at_least: bool = False

    def is_met(self, measured: float) -> bool:
        """Tell whether a number meets the goal. One that is not a number does not."""
        return measured >= self.bound if self.at_least else measured <= self.bound


@dataclass(frozen=True, slots=True)
class Number:
    """One measured number in its unit, and its goal if it has one."""

    value: float
    unit: str = ""
    goal: Goal | None = None

    @property
    def shown(self) -> str:
        """The number as the table has it."""
        return f"{_digits(self.value)} {self.unit}".strip()

    @property
    def wanted(self) -> str:
        """The goal as the table has it."""
        if self.goal is None:
            return ""
        sign = "≥" if self.goal.at_least else "≤"
        return f"{sign} {_digits(self.goal.bound)}"

    @property
    def mark(self) -> str:
        """Whether the goal was met."""
        if self.goal is None:
            return " "
        return MET if self.goal.is_met(self.value) else MISSED


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: what was done, and the numbers that came of it, by column."""

    what: str
    numbers: Sequence[Number]


def at_most(value: float, unit: str, bound: float) -> Number:
    """Return a number that should not exceed ``bound``."""
    return Number(value, unit, Goal(bound))


def at_least(value: float, unit: str, bound: float) -> Number:
    """Return a number that should reach ``bound``."""
    return Number(value, unit, Goal(bound, at_least=True))


def print_table(title: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    """Print lines under a title; each number has its goal and a mark behind it."""
    rows = [["", *columns]] + [[line.what, *map(_cell, line.numbers)] for line in lines]
    widths = [max(len(row[n]) for row in rows if n < len(row)) for n in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = (cell.ljust(width) for cell, width in zip(row[1:], widths[1:], strict=False))
        print("  ".join((first, *rest)).rstrip(), flush=True)


def _cell(number: Number) -> str:
    wanted = f"({number.wanted} {number.mark})" if number.goal is not None else ""
    return f"{number.shown} {wanted}".strip()


def _digits(value: float) -> str:
    if math.isnan(value):
        return "none"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"
