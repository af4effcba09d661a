"""Reads what the drivers of the clients have put down."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.proof.histories.transactions import (
    NEVER,
    Anomaly,
    Append,
    Get,
    Operation,
    Read,
    Swap,
    Transaction,
)

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A history, and what came of mutations that were sent more than once.

    Attributes:
        repeated: Mutations that ran twice where that is allowed: of clients that cannot be
            told apart from their successors, when their connection broke.
        late: Mutations without an answer that committed all the same.
    """

    transactions: Sequence[Transaction]
    repeated: int
    late: int
    anomalies: Sequence[Anomaly]


def recorded(files: Iterable[Path], ends: Iterable[Line]) -> Recorded:
    """Make one history of all files, and of readings at the end."""
    lines = [*_lines(files), *ends]
    told = [*_live(lines), *(transaction_of(line) for line in lines if "live" not in line)]
    unclaimed = _unclaimed(told)
    counts, runs, found = Counter[str](), list[Transaction](), list[Anomaly]()
    for line in lines:
        if "steps" not in line or line["name"] not in unclaimed:
            continue
        pieces = list(_unseen_runs(line, unclaimed.pop(line["name"])))
        runs += pieces
        if line["outcome"] == "failed":
            found.append(Anomaly("G1a", f"{line['name']} was refused, and is there"))
        elif line["outcome"] == "unknown" and len(pieces) == 1:
            counts["late"] += 1
        elif line.get("repeats"):
            counts["repeated"] += 1
        else:
            found.append(Anomaly("doubled", f"{line['name']} ran more than once"))
    known = [one for one in told if one.outcome != "unknown"]
    return Recorded([*known, *runs], counts["repeated"], counts["late"], found)


def _lines(files: Iterable[Path]) -> Iterator[Line]:
    for file in files:
        with file.open() as lines:
            yield from map(json.loads, lines)


def transaction_of(line: Line) -> Transaction:
    """What one call did and was told."""
    invoked, completed = line["at"]
    told = line.get("told") or ()
    steps = zip(line["steps"], told, strict=line["outcome"] == "ok")
    operations = tuple(_operation(step, found) for step, found in steps)
    return Transaction(
        line["name"],
        line["session"],
        operations,
        invoked,
        NEVER if completed is None else completed,
        line["outcome"],
    )


def _operation(step: Line, told: Any) -> Operation:
    match step["do"]:
        case "append":
            return Append(step["key"], told)
        case "read":
            return Read(step["key"], tuple(told))
        case "swap":
            written, *before = told
            return Swap(step["key"], before[0] if before else None, written)
        case _:
            return Get(step["key"], told)


def _live(lines: Iterable[Line]) -> Iterator[Transaction]:
    """What live queries showed: put down as differences from what they showed before."""
    shown: dict[tuple[str, str], Any] = {}
    for number, line in enumerate(lines):
        if "live" not in line:
            continue
        operations: list[Operation] = []
        for key, change in line["keys"].items():
            place = line["session"], key
            shown[place] = _changed(shown.get(place), change)
            if isinstance(shown[place], tuple):
                operations.append(Read(key, shown[place]))
            else:
                operations.append(Get(key, shown[place]))
        shown_at = line["at"][0]
        name = f"{line['session']} saw {number}"
        session, seen = line["session"], tuple(operations)
        yield Transaction(name, session, seen, shown_at, shown_at, live=True)


def _changed(before: Any, change: Any) -> Any:
    match change:
        case "same":
            return before
        case {"more": more}:
            return (*before, *more)
        case {"elements": elements}:
            return tuple(elements)
        case _:
            return change["value"]


def _unclaimed(told: Iterable[Transaction]) -> dict[str, list[tuple[str, str]]]:
    """What somebody saw, and nobody was told to have written: by the name in it."""
    whole = list(told)
    claimed = {(op.key, op.element) for one in whole for op in one.appends()}
    claimed |= {(op.key, op.value) for one in whole for op in one.swaps()}
    seen: dict[tuple[str, str], None] = {}
    longest: dict[str, tuple[str, ...]] = {}
    for one in whole:
        for op in one.operations:
            match op:
                case Read() if len(op.elements) >= len(longest.get(op.key, ())):
                    longest[op.key] = op.elements
                case Get(value=str() as value):
                    seen[op.key, value] = None
                case Swap(found=str() as value):
                    seen[op.key, value] = None
                case _:
                    pass
    for key, elements in longest.items():
        seen.update(dict.fromkeys((key, element) for element in elements))
    unclaimed: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key, version in seen:
        if (key, version) not in claimed:
            # name.step#document
            unclaimed[version.rpartition("#")[0].rpartition(".")[0]].append((key, version))
    return dict(unclaimed)


def _unseen_runs(line: Line, versions: Sequence[tuple[str, str]]) -> Iterator[Transaction]:
    """The runs of a mutation of which nobody was told.

    One run, if no step was seen twice; else one for each thing written, since nothing tells
    what belongs together: that promises less, and nothing wrong.
    """
    steps = {f"{line['name']}.{n}": step for n, step in enumerate(line["steps"])}
    steps = {step.get("value", name): step for name, step in steps.items()}
    writes = [
        _write(steps[version.rpartition("#")[0]]["do"], key, version)
        for key, version in versions
    ]
    whole = Transaction(
        f"{line['name']}, untold",
        f"{line['session']}, untold {line['name']}",
        tuple(op for op in writes if op is not None),
        line["at"][0],
        NEVER,
        "unknown",
    )
    if len({version.rpartition("#")[0] for _, version in versions}) == len(versions):
        yield whole
        return
    for number, op in enumerate(whole.operations):
        yield replace(whole, name=f"{whole.name} {number}", operations=(op,))


def _write(do: str, key: str, version: str) -> Operation | None:
    # What a swap found is not known: then it only has written.
    return Append(key, version) if do == "append" else Swap(key, None, version)
