"""Going back to a commit: documents are what they were, by commits that follow the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.memory.persistence import MemoryPersistence
from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.errors import UndoRefused
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.schema.builtin import LogFollower
from tests.backend import TestBackend
from tests.conformance.stores import SqliteStore

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

    def __init__(self, persistence: Persistence | None = None) -> None:
        self.backend = TestBackend(APP, persistence=persistence)
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
        play.plan(ts=first)
        play.apply()

        play.plan(ts=second)
        play.apply()

        assert play.whole() == was

    def test_never_lets_time_run_backwards(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        second = play.transact(replace(1, a=2))

        play.plan(ts=first)
        play.apply()

        assert play.backend.engine.head() > second
        assert play.whole(second)[0][0][2]["a"] == 2

    def test_shows_to_those_who_watch(self, play: Play) -> None:
        first = play.transact(insert(1, a=1))
        play.transact(replace(1, a=2))
        from tests.apps.programs import things

        watch = play.backend.system.watch(things.whole)

        play.plan(ts=first)
        play.apply()

        assert watch.value[0][0][2]["a"] == 1
