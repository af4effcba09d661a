"""Going back to a commit: documents are what they were, by commits that follow the others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.database.catalogue import TableSpec
from chalicelib.engine.database.undo import FOLLOWER
from chalicelib.engine.errors import FunctionNotFound, UndoRefused
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import ORIGIN
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema.builtin import LogFollower
from tests.apps.errands import errands
from tests.apps.errands.schema import Secret
from tests.apps.files import files
from tests.apps.programs import things
from tests.apps.trial import items
from tests.backend import TestBackend
from tests.conformance.stores import SqliteStore
from tests.engine.database.test_schema_tasks import ONE_LABEL

APP = "tests.apps.programs"

Program = list[list[dict[str, Any]]]

REFS = st.integers(0, 5)
VALUES = st.sampled_from([None, 0, 1, "x", "y", [1]])
FIELDS = st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2)
OPS = st.one_of(
    st.builds(lambda r, f: {"op": "insert", "ref": r, "fields": f}, REFS, FIELDS),
    st.builds(lambda r, f: {"op": "replace", "ref": r, "fields": f}, REFS, FIELDS),
    st.builds(lambda r: {"op": "delete", "ref": r}, REFS),
)
PROGRAMS = st.lists(st.lists(OPS, min_size=1, max_size=4), min_size=1, max_size=8)


class Play:
    """A deployment on which programs are run, and undone."""

    def __init__(self, persistence: Persistence | None = None, app: str = APP) -> None:
        self.backend = TestBackend(app, persistence=persistence)
        self.ids: dict[str, Any] = {}

    def transact(self, *ops: dict[str, Any]) -> int:
        """Do operations in one transaction; return the log's head afterwards."""
        done = self._call("things:transact", "mutation", ids=self.ids, ops=ops)
        self.ids |= done["made"]
        return self.backend.engine.head()

    def whole(self, ts: int | None = None) -> Any:
        """Everything that is there, now or at ``ts``."""
        if ts is None:
            return self._call("things:whole", "query")
        call = Call("things:whole", b"{}", AdminIdentity())
        return msgspec.json.decode(self.backend.engine.query_in_past(call, ts).value or b"")

    def plan(self, **arguments: Any) -> Any:
        """Plan an undo to its end."""
        self._call("_system/undo:plan", "mutation", **arguments)
        return self.work()

    def apply(self, **arguments: Any) -> Any:
        """Do what was planned, to its end."""
        self._call("_system/undo:apply", "mutation", **arguments)
        return self.work()

    def undo(self, **arguments: Any) -> Any:
        """Plan, and do it."""
        self.plan(**arguments)
        return self.apply()

    def work(self) -> Any:
        """Let jobs do what is left, and tell how the undo stands."""
        self.backend.run_jobs()
        return self._call("_system/undo:status", "query")

    def call(self, name: str, **arguments: Any) -> Any:
        """Call a mutation of undos."""
        return self._call(f"_system/undo:{name}", "mutation", **arguments)

    def followers(self) -> list[str]:
        """Who holds the trimming of the log."""
        with self.backend.db() as db:
            return [one.name for one in db.system.query(LogFollower)]

    def _call(self, path: str, kind: Any, **arguments: Any) -> Any:
        return self.backend.system.call(path, kind, **arguments)


def insert(ref: int, **fields: Any) -> dict[str, Any]:
    """An operation that makes something."""
    return {"op": "insert", "ref": ref, "fields": fields}


def replace(ref: int, **fields: Any) -> dict[str, Any]:
    """An operation that changes something."""
    return {"op": "replace", "ref": ref, "fields": fields}


def delete(ref: int) -> dict[str, Any]:
    """An operation that removes something."""
    return {"op": "delete", "ref": ref}


@pytest.fixture
def play() -> Play:
    """A deployment in memory, in which nothing was done yet."""
    return Play()


def stores() -> Iterator[Persistence]:
    """An empty log in memory, and one in SQLite."""
    yield MemoryPersistence()
    with TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory))
        try:
            yield store.fresh()
        finally:
            store.close()


class TestAnUndo:
    @settings(max_examples=25, deadline=None)
    @given(PROGRAMS, st.data())
    def test_brings_back_what_a_query_in_the_past_sees(
        self, program: Program, data: st.DataObject
    ) -> None:
        batch = data.draw(st.integers(1, 3))
        at = data.draw(st.integers(0, len(program)))
        for persistence in stores():
            play = Play(persistence)
            heads = [play.backend.engine.head()]
            heads += [play.transact(*ops) for ops in program]
            target = heads[at]
            was = play.whole(target)

            planned = play.plan(ts=target, batch=batch)
            done = play.apply()

            assert (planned["state"], done["state"]) == ("planned", "done")
            assert play.whole() == was
            found = planned["found"]
            expected = sum(f["deleted"] + f["changed"] + f["inserted"] for f in found)
            assert done["restored"] == expected
            assert (done["marks"], done["left"]) == (0, 0)

    def test_can_itself_be_undone(self, play: Play) -> None:
        first = play.transact(insert(1, a=1), insert(2, a=2))
        second = play.transact(delete(1), replace(2, a=3), insert(3))
        was = play.whole()
        play.undo(ts=first)

        play.undo(ts=second)

        assert play.whole() == was

    def test_never_lets_time_run_backwards(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        second = play.transact(replace(1, a=2))

        play.undo(ts=first)

        assert play.backend.engine.head() > second
        assert play.whole(second)[0][0][2]["a"] == 2

    def test_shows_to_those_who_watch(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        play.transact(replace(1, a=2))
        watch = play.backend.system.watch(things.whole)

        play.undo(ts=first)

        assert watch.latest[0][0][2]["a"] == 1

    def test_goes_back_to_a_time(self, play: Play) -> None:
        play.transact(insert(1, a=1))
        was, then_ms = play.whole(), play.backend.clock.now_ms()
        play.backend.advance(hours=1)
        play.transact(delete(1))
        text = datetime.fromtimestamp(then_ms / 1000 + 60, tz=UTC).isoformat()

        planned = play.plan(time=text)
        play.apply()

        assert play.whole() == was
        assert planned["targetMs"] == pytest.approx(then_ms, abs=1000)

    def test_works_over_every_store(self, every_log: Persistence) -> None:
        play = Play(every_log)
        first = play.transact(insert(1, a=1), insert(2, b=2))
        was = play.whole()
        play.transact(delete(1), replace(2), insert(3))

        done = play.undo(ts=first, batch=2)

        assert play.whole() == was
        assert done["restored"] == 3

    def test_is_about_the_tables_that_are_named(self) -> None:
        play = Play(app="tests.apps.errands")
        first = play.backend.engine.head()
        play.backend.as_user("ann").mutation(errands.note, "x")

        nothing = play.undo(ts=first, tables=["secrets"])
        undone = play.undo(ts=first, tables=["notes"])

        assert (nothing["restored"], undone["restored"]) == (0, 1)

    def test_leaves_tables_of_what_has_happened_unless_they_are_named(self) -> None:
        play = Play(app="tests.apps.errands")
        first = play.backend.engine.head()
        with play.backend.db() as db:
            db.insert(Secret(text="x"))

        planned = play.plan(ts=first)
        play.apply()
        named = play.undo(ts=first, tables=["secrets"])

        assert (planned["tables"], planned["marks"]) == (["notes"], 0)
        assert named["restored"] == 1


class TestAPlan:
    def test_writes_nothing_and_tells_what_would_change(self, play: Play) -> None:
        first = play.transact(insert(1, a=1), insert(2, a=1), insert(3, a=1))
        play.transact(replace(1, a=2), delete(2), insert(4), replace(3, a=5))
        play.transact(replace(3, a=1), insert(5))
        play.transact(delete(5))
        was = play.whole()

        planned = play.plan(ts=first, batch=1)

        assert play.whole() == was
        assert planned["found"] == [
            {"table": "things", "deleted": 1, "changed": 1, "inserted": 1}
        ]

    def test_holds_the_log_until_it_is_done(self, play: Play) -> None:
        first = play.transact(insert(1))

        play.plan(ts=first)
        held = play.followers()
        play.apply()

        assert (held, play.followers()) == ([FOLLOWER], [])

    def test_is_refused_beside_another_one(self, play: Play) -> None:
        first = play.transact(insert(1))
        play.plan(ts=first)

        with pytest.raises(UndoRefused, match="cancel it first"):
            play.plan(ts=first)

    def test_is_given_up_by_canceling(self, play: Play) -> None:
        first = play.transact(insert(1), insert(2))
        play.transact(delete(1), delete(2))
        was = play.whole()
        play.plan(ts=first)

        play.call("cancel")
        canceled = play.work()

        assert (canceled["state"], canceled["marks"]) == ("canceled", 0)
        assert (play.whole(), play.followers()) == (was, [])
        assert play.undo(ts=first)["restored"] == 2

    def test_that_lost_its_log_says_so_and_can_be_canceled(self) -> None:
        play = Play(persistence := MemoryPersistence())
        first = play.transact(insert(1, a=1))
        second = play.transact(replace(1, a=2))
        play.plan(ts=first)
        persistence.raise_horizon(second)
        persistence.trim(100)
        play = Play(persistence)  # a process that has not read it before

        failed = play.apply()
        play.call("cancel")
        canceled = play.work()

        assert (failed["state"], canceled["state"]) == ("failed", "canceled")
        assert "the log was trimmed" in failed["why"]
        assert play.followers() == []

    @pytest.mark.parametrize("beyond", [-1, 10_000])
    def test_tells_how_far_the_log_reaches(self, play: Play, beyond: int) -> None:
        last = play.transact(insert(1))
        target = ORIGIN - 1 if beyond < 0 else last + beyond

        with pytest.raises(UndoRefused) as refused:
            play.plan(ts=target)

        assert refused.value.details["earliest"] == ORIGIN
        assert refused.value.details["latest"] == last
        assert refused.value.details["earliest_ms"] > 0

    def test_is_refused_for_a_time_before_the_log(self, play: Play) -> None:
        play.transact(insert(1))

        with pytest.raises(UndoRefused, match="begins later") as refused:
            play.plan(time=1000.0)

        assert refused.value.details["earliest"] == ORIGIN

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ({}, "either ts or time"),
            ({"ts": ORIGIN + 1, "time": 1.0}, "either ts or time"),
            ({"time": "yesterday"}, "is no time"),
            ({"time": "2026-01-31T12:00:00"}, "has no zone"),
            ({"ts": ORIGIN + 1, "tables": ["nothings"]}, "no table nothings"),
            ({"ts": ORIGIN + 1, "tables": ["_storage"]}, "no table _storage"),
        ],
    )
    def test_is_refused_with_what_is_wrong(
        self, play: Play, arguments: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(UndoRefused, match=why):
            play.plan(**arguments)

    def test_is_for_the_holder_of_the_admin_key(self, play: Play) -> None:
        with pytest.raises(FunctionNotFound):
            play.backend.as_user("ann").call("_system/undo:plan", "mutation", ts=ORIGIN)


class TestWhatOthersWriteMeanwhile:
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_is_left_and_told_unless_it_is_to_be_overwritten(
        self, play: Play, *, overwrite: bool
    ) -> None:
        first = play.transact(insert(1, a=1), insert(2, a=1))
        play.transact(replace(1, a=2), replace(2, a=2))
        play.plan(ts=first)
        play.transact(replace(1, a=3), insert(3))

        done = play.apply(overwrite=overwrite)

        now = [shown.get("a") for _, _, shown in play.whole()[0]]
        assert now == ([1, 1, None] if overwrite else [3, 1, None])
        assert done["left"] == (0 if overwrite else 1)
        assert [one["document"] for one in done["leftExamples"]] == (
            [] if overwrite else [play.ids["1"]]
        )

    def test_is_left_when_it_deleted_a_document(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        play.transact(replace(1, a=2))
        play.plan(ts=first)
        play.transact(delete(1))

        done = play.apply()

        assert (done["left"], play.whole()[0]) == (1, [])

    def test_is_nothing_to_report_if_it_brought_the_document_back(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        play.transact(replace(1, a=2))
        play.plan(ts=first)
        play.transact(replace(1, a=1))

        done = play.apply()

        assert (done["left"], done["restored"]) == (0, 0)


class TestAJobThatIsLost:
    def test_is_replaced_by_resuming_and_its_step_done_once(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        play.transact(replace(1, a=2))
        planned = play.plan(ts=first)
        play.call("apply")
        play.call("resume")

        done = play.work()

        assert (done["state"], done["turn"]) == ("done", planned["turn"] + 2)
        assert (done["restored"], play.whole()[0][0][2]["a"]) == (1, 1)

    def test_cannot_be_resumed_when_nothing_is_at_work(self, play: Play) -> None:
        with pytest.raises(UndoRefused, match="no undo is at work"):
            play.call("resume")


class TestWhatTheSchemaDoesNotAllowAnyMore:
    @pytest.fixture
    def narrowed(self) -> tuple[Play, int, Any]:
        """Items of which one had a label that a newer schema does not allow."""
        play = Play(app="tests.apps.trial")
        made = play.backend.system.mutation(items.add, "a", "y")
        play.backend.system.mutation(items.add, "b", "x")
        first = play.backend.engine.head()
        play.backend.system.mutation(items.move, made, "x")
        engine = play.backend.engine
        held = engine.runner.catalogue().tables["items"].indexes
        spec = TableSpec({n: one.fields for n, one in held.items()}, ONE_LABEL)
        engine.upkeep._deployment.deploy({"items": spec}, "narrower")
        return play, first, made

    def test_is_named_before_anything_is_written(
        self, narrowed: tuple[Play, int, Any]
    ) -> None:
        play, first, made = narrowed
        planned = play.plan(ts=first)
        head = play.backend.engine.head()

        with pytest.raises(UndoRefused) as refused:
            play.call("apply")

        assert planned["misfits"] == 1
        assert [d["document"] for d in refused.value.details["documents"]] == [made]
        assert play.backend.engine.head() == head

    def test_is_left_if_so_wanted(self, narrowed: tuple[Play, int, Any]) -> None:
        play, first, made = narrowed
        play.plan(ts=first)

        done = play.apply(leave=True)

        assert (done["left"], done["restored"]) == (1, 0)
        assert done["leftExamples"][0]["path"] == ".label"
        assert play.backend.system.query(items.get, made) == "x"


class TestWhatIsNotUndone:
    def test_a_job_that_has_run_since_does_not_run_again(self) -> None:
        play = Play(app="tests.apps.errands")
        ann = play.backend.as_user("ann")
        job = ann.mutation(errands.later, "x", 1000)
        first = play.backend.engine.head()
        play.backend.advance(seconds=2)
        ran = ann.query(errands.notes)

        play.undo(ts=first)
        play.backend.advance(minutes=5)

        found = ann.query(errands.job, job)
        assert (ran, ann.query(errands.notes)) == (["x"], [])
        assert found is not None
        assert found.kind == "success"

    def test_a_file_whose_bytes_are_gone_is_told(self) -> None:
        play = Play(app="tests.apps.files")
        ann = play.backend.as_user("ann")
        file = play.backend.upload(ann.mutation(files.upload_url), b"bytes")
        picture = ann.mutation(files.add, "album", file)
        first = play.backend.engine.head()
        with play.backend.db() as db:
            db.delete(picture)
        ann.mutation(files.remove, file)

        planned = play.plan(ts=first)
        play.apply()

        assert planned["dangling"] == 1
        assert planned["danglingExamples"] == [
            {"document": picture, "path": "", "reason": f"the file {file} is gone"}
        ]
        assert [shown.url for shown in ann.query(files.show, "album")] == [None]
