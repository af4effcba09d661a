"""What a part of the proof has to tell: tables, and what did not hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much is run. ``say`` takes a line on the progress.

    ``seeds``: of the simulation, over all profiles. ``operations``: of real clients, over all
    their runs. ``processes``: how many may run at once.
    """

    seeds: int = 10_000
    operations: int = 10_000
    processes: int = 1
    say: Say = lambda line: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. ``note`` is a paragraph above it.

    ``printed_only``: columns that differ from run to run, as durations do. They are left out
    of the docs, so that a run with the same budget writes the same text.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""
    printed_only: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a part: ``broken`` says what did not hold, and is empty if all did."""

    tables: Sequence[Table]
    broken: Sequence[str] = field(default=())
