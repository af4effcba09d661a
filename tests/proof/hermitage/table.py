"""The table: anomaly by system, prevented (and how) or permitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

from tests.proof.hermitage import engine
from tests.proof.hermitage.anomalies import ANOMALIES, Anomaly
from tests.proof.hermitage.cluster import Unavailable
from tests.proof.hermitage.parts import Story
from tests.proof.hermitage.postgres import LEVELS, postgres

PERMITTED = "PERMITTED"


class System(Protocol):
    """A database that interleavings are played on."""

    name: str

    def tell(self, anomaly: Anomaly) -> Story:
        """Play an interleaving."""
        ...


def verdict(anomaly: Anomaly, story: Story) -> str:
    """Say what became of an anomaly, and by what if it did not come."""
    if anomaly.shown(story):
        return PERMITTED
    for name, ended in story.ended.items():
        if ended.refused is not None:
            return f"{name} refused"
        if ended.runs > 1:
            return f"{name} ran again"
    waiting = [name for name, ended in story.ended.items() if ended.waited]
    return f"{waiting[0]} waited" if waiting else "not seen"


def played(system: System) -> Mapping[str, str]:
    """Play everything on a system."""
    return {anomaly.name: verdict(anomaly, system.tell(anomaly)) for anomaly in ANOMALIES}


def columns() -> dict[str, Mapping[str, str]]:
    """Play everything on every system there is."""
    found: dict[str, Mapping[str, str]] = {}
    with ExitStack() as stack:
        for opened in (engine.memory, engine.sqlite, engine.dynamodb):
            ours = stack.enter_context(opened())
            found[ours.name] = played(ours)
        try:
            systems = stack.enter_context(postgres())
        except Unavailable as reason:
            print(f"No comparison: {reason}")
        else:
            found.update({systems[level].name: played(systems[level]) for level in LEVELS})
    return found


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows, the first of which is the heading."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Print the table; return 1 if our engine permits anything."""
    told = columns()
    heading = ["anomaly", "what it is", *told]
    body = [
        [anomaly.name, anomaly.about, *(column[anomaly.name] for column in told.values())]
        for anomaly in ANOMALIES
    ]
    print(markdown([heading, *body]))
    ours = [told[name] for name in ("memory", "SQLite", "DynamoDB")]
    return int(any(PERMITTED in column.values() for column in ours))


if __name__ == "__main__":
    raise SystemExit(main())
