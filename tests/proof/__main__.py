"""``python -m tests.proof [part …]``: runs a budget of each part, and prints what it found.

With the budget of the docs, the tables are written there, too.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.proof.markdown import rendered, write_section
from tests.proof.report import Budget, Report

PARTS: Final = ("lists", "simulation", "planted", "hermitage", "clients")
"""Modules of this package, each with ``run(budget) -> Report``, in the order of the page."""

PAGE: Final = Path(__file__).parents[2] / "docs/correctness.md"
UNKNOWN: Final = 2


def main(arguments: list[str]) -> int:
    """Return 0 if everything holds, 1 if not."""
    options = _options(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        print(f"no such part: {', '.join(sorted(unknown))}; parts: {', '.join(PARTS)}")
        return UNKNOWN
    budget = Budget(
        seeds=options.seeds,
        operations=options.operations,
        processes=options.processes,
        say=_say,
    )
    broken = 0
    for part in options.parts or PARTS:
        report = _run(part, budget)
        broken += len(report.broken)
        if not report.broken and _is_default(budget):
            write_section(PAGE, part, report.tables)
    print(f"{broken} broken" if broken else "everything holds")
    return 1 if broken else 0


def _options(arguments: list[str]) -> argparse.Namespace:
    default = Budget()
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=default.seeds)
    parser.add_argument("--operations", type=int, default=default.operations)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    return parser.parse_args(arguments)


def _is_default(budget: Budget) -> bool:
    default = Budget()
    return (budget.seeds, budget.operations) == (default.seeds, default.operations)


def _run(part: str, budget: Budget) -> Report:
    budget.say(f"{part} …")
    report: Report = import_module(f"tests.proof.{part}").run(budget)
    for table in report.tables:
        print(rendered(table, all_columns=True), end="\n\n", flush=True)
    for why in report.broken:
        print(f"BROKEN: {why}", flush=True)
    return report


def _say(line: str) -> None:
    """Tell how far it is: on one line where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
