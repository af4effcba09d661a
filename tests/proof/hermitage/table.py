"""The table: anomaly by system, prevented (and how) or permitted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Protocol

from tests.proof.hermitage import engine
from tests.proof.hermitage.anomalies import ANOMALIES, Anomaly
from tests.proof.hermitage.cluster import Unavailable
from tests.proof.hermitage.parts import Story
from tests.proof.hermitage.postgres import LEVELS, postgres
from tests.proof.report import Budget, Report, Table

OURS = ("memory", "SQLite", "DynamoDB")
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


def run(_budget: Budget) -> Report:
    """Play everything on every system there is."""
    told, note = _columns()
    rows = [
        (anomaly.name, anomaly.about, *(column[anomaly.name] for column in told.values()))
        for anomaly in ANOMALIES
    ]
    broken = [
        f"{system} permits {name}"
        for system in OURS
        for name, how in told[system].items()
        if how == PERMITTED or how.endswith("refused")
    ]
    columns = ("anomaly", "what it is", *told)
    return Report([Table(title="Anomalies", columns=columns, rows=rows, note=note)], broken)


def _columns() -> tuple[dict[str, Mapping[str, str]], str]:
    found: dict[str, Mapping[str, str]] = {}
    with ExitStack() as stack:
        for opened in (engine.memory, engine.sqlite, engine.dynamodb):
            ours = stack.enter_context(opened())
            found[ours.name] = played(ours)
        try:
            systems = stack.enter_context(postgres())
        except Unavailable as reason:
            return found, f"Without comparison. {reason}"
        found.update({systems[level].name: played(systems[level]) for level in LEVELS})
    return found, ""
