"""No interleaving shows an anomaly on our engine; on PostgreSQL they show that they could."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from psycopg import IsolationLevel

from chalicelib.engine.database.read_set import ReadSet
from chalicelib.engine.log import Entry
from tests.proof.hermitage import engine
from tests.proof.hermitage.anomalies import ANOMALIES, Anomaly
from tests.proof.hermitage.engine import EngineSystem
from tests.proof.hermitage.postgres import PostgresSystem, postgres
from tests.proof.hermitage.table import PERMITTED, verdict

ON_SNAPSHOTS = {"G2-item", "G2", "G2, two edges"}
"""What snapshot isolation is known to permit."""

ON_STATEMENTS = ON_SNAPSHOTS | {
    *("PMP", "PMP, write", "P4"),
    *("G-single", "G-single, dependencies", "G-single, write"),
}
"""What READ COMMITTED of PostgreSQL is known to permit."""

PERMITTED_AT = {
    IsolationLevel.READ_COMMITTED: ON_STATEMENTS,
    IsolationLevel.REPEATABLE_READ: ON_SNAPSHOTS,
    IsolationLevel.SERIALIZABLE: set[str](),
}

each_anomaly = pytest.mark.parametrize("anomaly", ANOMALIES, ids=lambda found: found.name)


@pytest.fixture(
    scope="module",
    params=[engine.memory, engine.sqlite, engine.dynamodb],
    ids=lambda opened: str(opened.__name__),
)
def ours(request: pytest.FixtureRequest) -> Iterator[EngineSystem]:
    opened: Callable[[], AbstractContextManager[EngineSystem]] = request.param
    with opened() as system:
        yield system


@pytest.fixture(scope="module")
def theirs() -> Iterator[dict[IsolationLevel, PostgresSystem]]:
    with postgres() as systems:
        yield systems


class TestOurEngine:
    @each_anomaly
    def test_permits_no_anomaly_and_refuses_nobody(
        self, ours: EngineSystem, anomaly: Anomaly
    ) -> None:
        story = ours.tell(anomaly)

        assert not anomaly.shown(story), story
        assert story.is_serial(anomaly.parts), story
        assert [ended.refused for ended in story.ended.values() if ended.refused] == []

    def test_shows_lost_updates_and_write_skew_without_its_read_sets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sees = ReadSet.touched_by

        def blindly(self: ReadSet, entry: Entry) -> bool:
            """See nothing while a part is played, but for what a new process has to learn."""
            is_played = threading.current_thread() is not threading.main_thread()
            return not (is_played and entry.path != DEPLOYED) and sees(self, entry)

        monkeypatch.setattr(ReadSet, "touched_by", blindly)

        with engine.memory() as blind:
            stories = [(anomaly, blind.tell(anomaly)) for anomaly in ANOMALIES]

        shown = {a.name for a, story in stories if verdict(a, story) == PERMITTED}
        assert {"P4", "G2-item", "G2"} <= shown


DEPLOYED = "_system:deploy"


class TestPostgres:
    @pytest.mark.parametrize("level", PERMITTED_AT, ids=lambda level: str(level.name))
    @each_anomaly
    def test_permits_what_its_level_is_known_to_permit(
        self,
        theirs: dict[IsolationLevel, PostgresSystem],
        level: IsolationLevel,
        anomaly: Anomaly,
    ) -> None:
        story = theirs[level].tell(anomaly)

        assert anomaly.shown(story) == (anomaly.name in PERMITTED_AT[level]), story
        if level is IsolationLevel.SERIALIZABLE:
            assert story.is_serial(anomaly.parts), story
