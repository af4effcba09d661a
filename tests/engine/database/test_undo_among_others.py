"""An undo among others who write: what it does not own it leaves, and what it does comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.log import ORIGIN, Entry
from tests.trial import Interrupted, Trial

APP = ("tests.apps.programs",)
ADMIN = AdminIdentity()
STEP = "_system/undo:step"
THINGS = "things:transact"

REFS = st.integers(0, 4)
OPS = st.tuples(st.sampled_from(["insert", "replace", "delete"]), REFS)
MANY = st.lists(OPS, min_size=1, max_size=12)

State = Mapping[str, bytes]
"""Documents by id."""


class Others:
    """Processes over one log: one undoes, another one writes right before it commits a step.

    Nothing is written twice alike, so that whoever wrote last can be told.
    """

    def __init__(self) -> None:
        self._storage = Interrupted()
        self._trial = Trial(persistence=self._storage, packages=APP)
        self._other = Trial(beside=self._trial, packages=APP)
        self._ids: dict[str, Any] = {}
        self._written = 0

    def write(self, kind: str, ref: int) -> None:
        """Do one operation, by the other process."""
        self._written += 1
        op = {"op": kind, "ref": ref, "fields": {"a": self._written}, "removed": []}
        done = self._other.mutate(THINGS, ids=self._ids, ops=[op])
        self._ids |= done["made"]

    def interfere(self, ops: Sequence[tuple[str, int]]) -> None:
        """Have the other process write before the next steps are put, one operation each."""
        waiting = list(ops)

        def before(entry: Entry) -> None:
            if entry.path == STEP and waiting:
                self.write(*waiting.pop())

        self._storage.before_append = before

    def call(self, name: str, **arguments: Any) -> Any:
        """Call a function of undos, and do what follows from it."""
        self._trial.mutate(f"_system/undo:{name}", ADMIN, **arguments)
        while (undo := self._trial.query("_system/undo:status", ADMIN))["state"] in (
            "reading",
            "restoring",
        ):
            self._trial.tell()
            self._trial.run_jobs()
            self._trial.clock.wait_ms(100)
        return undo

    def head(self) -> int:
        """The log's end."""
        return self._other.engine.head()

    def entries(self) -> tuple[Entry, ...]:
        """The whole log."""
        return self._storage.tail(ORIGIN, 10_000).entries

    def shown(self) -> set[str]:
        """The documents that a query finds, by every index."""
        things, *_ = self._other.query("things:whole", ADMIN)
        return {one[0] for one in things}

    def things(self) -> int:
        """The number of the table of things."""
        return self._other.engine.runner.catalogue().tables["things"].number

    def state(self, until: int) -> State:
        """The documents of the table at a timestamp, by replaying the log."""
        return self._replayed([e for e in self.entries() if e.ts <= until])

    def _replayed(self, entries: Sequence[Entry]) -> State:
        state: dict[str, bytes] = {}
        number = self.things()
        for write in (w for e in entries for w in e.writes if w.table == number):
            assert write.before == state.get(write.document_id)
            if write.after is None:
                state.pop(write.document_id)
            else:
                state[write.document_id] = write.after
        return state

    def written_after(self, ts: int) -> Mapping[str, bytes | None]:
        """What others than the undo have written last after a timestamp."""
        number = self.things()
        return {
            write.document_id: write.after
            for entry in self.entries()
            if entry.ts > ts and entry.path == THINGS
            for write in entry.writes
            if write.table == number
        }


@settings(max_examples=15, deadline=None)
@given(MANY, MANY, MANY, MANY, st.integers(1, 3))
def test_what_nobody_else_writes_comes_back_and_the_rest_is_theirs(
    before: list[tuple[str, int]],
    since: list[tuple[str, int]],
    reading: list[tuple[str, int]],
    restoring: list[tuple[str, int]],
    batch: int,
) -> None:
    world = Others()
    for op in before:
        world.write(*op)
    target = world.head()
    for op in since:
        world.write(*op)

    world.interfere(reading)
    planned = world.call("plan", ts=target, batch=batch)
    world.interfere(restoring)
    done = world.call("apply")

    theirs, was = world.written_after(int(planned["until"])), world.state(target)
    now = world.state(world.head())
    assert done["state"] == "done"
    for document in {*was, *now, *theirs}:
        assert now.get(document) == theirs.get(document, was.get(document))
    assert world.shown() == set(now)


@settings(max_examples=10, deadline=None)
@given(MANY, MANY, MANY)
def test_what_others_have_written_before_the_last_word_is_overwritten_if_so_wanted(
    since: list[tuple[str, int]],
    reading: list[tuple[str, int]],
    after: list[tuple[str, int]],
) -> None:
    world = Others()
    for ref in range(5):
        world.write("insert", ref)
    target = world.head()
    for op in since:
        world.write(*op)
    world.interfere(reading)
    planned = world.call("plan", ts=target)
    head = world.head()
    world.interfere(after)

    world.call("apply", overwrite=True)

    was, now = world.state(target), world.state(world.head())
    found = world.state(int(planned["until"]))
    owned = {d for d in {*was, *found} if was.get(d) != found.get(d)}
    for document in owned - world.written_after(head).keys():
        assert now.get(document) == was.get(document)
