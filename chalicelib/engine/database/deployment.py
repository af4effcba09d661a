"""Bringing the catalogue to a schema, in steps that anybody may go on with.

A schema that the data may not satisfy is a proposal first: from that entry on everybody's
writes satisfy it too, so that a check of what was there before is enough. Then it takes
effect in one commit. New indexes are building from that commit on, and everybody keeps them
up to date; a backfill writes the rows of what was there before. Indexes that it drops leave
the catalogue with it, and their rows go when no late applier can bring one back.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from chalicelib.engine.database.catalogue import (
    Catalogue,
    Proposal,
    TableSpec,
    building,
    indexes_by_id,
    narrowed,
    with_tables,
)
from chalicelib.engine.database.committer import Committer
from chalicelib.engine.database.progress import Progress
from chalicelib.engine.database.schema_state import (
    SchemaState,
    SchemaStates,
    with_task_table,
)
from chalicelib.engine.database.schema_steps import Steps
from chalicelib.engine.database.tail import LogTail
from chalicelib.engine.errors import SchemaRefused
from chalicelib.engine.persistence import Persistence
from chalicelib.engine.ports import Clock, Ids
from chalicelib.engine.schema import SchemaTask

Schema = Mapping[str, TableSpec]
"""What is wanted of each table."""

DROP_REST_MS: Final = 20 * 60 * 1000.0
"""How long the rows of a dropped index are left alone, in milliseconds.

An applier that read the watermark before it passed the drop may write rows of the index for
15 minutes (docs/design.md 3); removed before that, they would be there for ever.
"""

STALE_STEP_MS: Final = 50_000.0
"""Age of a task's last step from which the heartbeat goes on with it: its chain is broken."""

_PAUSE_MS = 100.0


class Deployment:
    """Commits catalogues, and does what they leave to be done."""

    def __init__(
        self,
        persistence: Persistence,
        *,
        tail: LogTail,
        committer: Committer,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._states = SchemaStates(
            persistence, tail=tail, committer=committer, clock=clock, ids=ids
        )
        self._steps = Steps(persistence, committer, clock)
        self._clock = clock

    def begin(self, schema: Schema, code_version: str) -> Catalogue:
        """Make ``schema`` and ``code_version`` the ones that are served, or propose them.

        The same again, while it is a proposal, changes nothing; another one takes its place.
        """
        proposal = Proposal(code_version, dict(schema))
        return self._states.change(lambda held: self._begun(held, proposal)).catalogue

    def deploy(
        self,
        schema: Schema,
        code_version: str,
        *,
        wait_ms: float = float("inf"),
        told: Callable[[Progress], None] = lambda _: None,
    ) -> Progress:
        """Begin, and do the steps as long as ``wait_ms`` allows; others may go on.

        ``told`` hears of every step.

        Raises:
            SchemaRefused: documents do not satisfy the schema; the message names them.
        """
        self.begin(schema, code_version)
        give_up_ms = self._clock.now_ms() + wait_ms
        while True:
            progress = self.progress()
            told(progress)
            if progress.refused:
                raise SchemaRefused(progress.refused)
            if not progress.open or self._clock.now_ms() > give_up_ms:
                return progress
            if not self.step(drops=False):
                self._clock.wait_ms(_PAUSE_MS)

    def widen(self, table: str, validator: str) -> None:
        """Let a wider schema of one table take effect: code may be newer than its schema."""

        def widened(held: SchemaState) -> SchemaState:
            found = held.catalogue.tables[table]
            if not found.may_become(validator):
                return held
            tables = {**held.catalogue.tables, table: found.with_validator(validator)}
            catalogue = msgspec.structs.replace(held.catalogue, tables=tables)
            return SchemaState(catalogue, held.tasks)

        self._states.change(widened)

    def progress(self) -> Progress:
        """Tell how far the last deployment is."""
        held = self._states.read().state
        catalogue = held.catalogue
        pending = catalogue.proposal
        version = catalogue.code_version if pending is None else pending.code_version
        return Progress(version, pending is not None, tuple(held.tasks.values()))

    def is_stale(self) -> bool:
        """Tell whether a step is due that nobody seems to be about to do."""
        now_ms = self._clock.now_ms()
        found = _next(self._states.read().state, now_ms)
        return found is not None and now_ms - found[1].updated_ms > STALE_STEP_MS

    def step(self, *, drops: bool = True) -> bool:
        """Do one step of the oldest task that is due; tell whether one was committed.

        Without ``drops``, only what a deployment waits for.

        Somebody else may do the same step at the same time: one of both is committed, and
        rows that were written twice are the same.
        """
        reading = self._states.read()
        held = reading.state
        found = _next(held, self._clock.now_ms())
        if found is None or (found[1].kind == "drop" and not drops):
            return False
        internal, task = found
        after = self._steps.step(task, held, reading.ts)
        if after is None:
            return False
        moved = SchemaState(held.catalogue, {**held.tasks, internal: after})
        if after.state == "done" and after.kind == "backfill":
            moved = SchemaState(_ready(held.catalogue, after), moved.tasks)
        if after.state == "done" and after.kind == "check":
            moved = self._judged(moved)
        return self._states.commit(reading, moved)

    def _begun(self, held: SchemaState, wanted: Proposal) -> SchemaState:
        catalogue = held.catalogue
        if catalogue.proposal == wanted:
            return held
        tables = narrowed(catalogue, wanted.tables)
        if not tables:
            return self._in_effect(held, wanted)
        # Those of the engine hold what a deployment is made of; nobody can refuse them.
        own = {
            name: spec
            for name, spec in wanted.tables.items()
            if name.startswith("_") and name not in catalogue.tables
        }
        extended = with_tables(catalogue, own, catalogue.code_version)
        proposed = with_task_table(msgspec.structs.replace(extended, proposal=wanted))
        tasks = _open_tasks(held, "backfill", "drop")
        for name in tables:
            tasks[self._states.new_id()] = self._task("check", name)
        return SchemaState(proposed, tasks)

    def _in_effect(self, held: SchemaState, wanted: Proposal) -> SchemaState:
        """The state in which a schema that needs no check, or passed it, has taken effect."""
        after = with_tables(held.catalogue, wanted.tables, wanted.code_version)
        had, have = indexes_by_id(held.catalogue), indexes_by_id(after)
        needed = dict.fromkeys(building(after))
        tasks = _open_tasks(held, "backfill", "drop")
        for internal, task in list(tasks.items()):
            if task.kind == "backfill":
                current = after.tables[task.table].indexes.get(task.index or "")
                if current is None or current.id != task.number:
                    del tasks[internal]
                else:
                    needed.pop((task.table, task.index or ""), None)
        for name, index in needed:
            number = after.tables[name].indexes[index].id
            tasks[self._states.new_id()] = self._task("backfill", name, index, number)
        for number in sorted(had.keys() - have.keys()):
            name, index = had[number]
            tasks[self._states.new_id()] = self._task("drop", name, index, number)
        unfinished = {i: t for i, t in held.tasks.items() if t.state != "done"}
        same = after == held.catalogue and tasks == unfinished
        return held if same else SchemaState(after, tasks)

    def _judged(self, held: SchemaState) -> SchemaState:
        """The state after a check has ended: nothing, if it was not the last of them."""
        checks = {i: t for i, t in held.tasks.items() if t.kind == "check"}
        wanted = held.catalogue.proposal
        if wanted is None or any(task.state == "open" for task in checks.values()):
            return held
        refused = {
            internal: msgspec.structs.replace(task, state="refused")
            for internal, task in checks.items()
            if task.misfits
        }
        if not refused:
            return self._in_effect(held, wanted)
        catalogue = msgspec.structs.replace(held.catalogue, proposal=None)
        return SchemaState(catalogue, {**held.tasks, **refused})

    def _task(
        self, kind: str, table: str, index: str | None = None, number: int = 0
    ) -> SchemaTask:
        now_ms = self._clock.now_ms()
        return SchemaTask(
            kind=kind,  # type: ignore[arg-type]  # one of the three
            table=table,
            index=index,
            number=number,
            state="open",
            done=0,
            about=None,
            first=None,
            cursor=b"",
            last=None,
            due_ms=now_ms + DROP_REST_MS if kind == "drop" else now_ms,
            updated_ms=now_ms,
            misfits=0,
            examples=[],
        )


def _open_tasks(held: SchemaState, *kinds: str) -> dict[bytes, SchemaTask]:
    return {
        internal: task
        for internal, task in held.tasks.items()
        if task.state == "open" and task.kind in kinds
    }


def _next(held: SchemaState, now_ms: float) -> tuple[bytes, SchemaTask] | None:
    """The task to go on with: checks first, since a deployment waits for them."""
    order = ("check", "backfill", "drop")
    due = [
        (order.index(task.kind), internal)
        for internal, task in held.tasks.items()
        if task.state == "open" and task.due_ms <= now_ms
    ]
    return (min(due)[1], held.tasks[min(due)[1]]) if due else None


def _ready(catalogue: Catalogue, task: SchemaTask) -> Catalogue:
    held, index = catalogue.tables[task.table], task.index or ""
    done = msgspec.structs.replace(held.indexes[index], state="ready")
    changed = msgspec.structs.replace(held, indexes={**held.indexes, index: done})
    return msgspec.structs.replace(
        catalogue, tables={**catalogue.tables, task.table: changed}
    )
