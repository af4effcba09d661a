"""Undos: who asks for them while others write, and what each of their steps may do."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.engine.auth import AdminIdentity
from chalicelib.engine.backend import Backend
from chalicelib.engine.database.catalogue import CATALOGUE_TABLE, decode_catalogue
from chalicelib.engine.database.undo import FOLLOWER
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import ORIGIN, Entry, Write
from chalicelib.engine.values.ids import decode_id
from tests.simulation.oracle import MARKS_TABLE, UNDO_STEP, Images, Oracle
from tests.simulation.platform import Platform
from tests.simulation.properties import Broken, Property

AT_WORK = ("reading", "restoring", "canceling")
ENDED = ("done", "canceled")
LONGEST_LOOK_MS = 20_000.0

Touched = Mapping[bytes, tuple[bytes | None, bytes | None]]
"""Documents that an undo is about: what each was at the target, and when it was asked for."""


class UndoLedger:
    """Every undo as the log tells of it, held to what is written in docs/restore.md."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._tables: dict[int, str] = {}
        self._marks: dict[bytes, bytes] = {}
        self._followers: set[bytes] = set()
        self._touched: Touched = {}
        self._tally = [0, 0, 0]
        self._asked_ts = self._changed_ts = 0
        self.newest: dict[str, Any] = {"state": "canceled"}
        self.ended = 0

    def committed(self, entry: Entry) -> None:
        """Take in an entry that the oracle knows, and see whether an undo may have made it."""
        before, dropped = self.newest, set[bytes]()
        for write in entry.writes:
            dropped |= self._note(write)
        if self.newest is not before:
            self._follow(before, entry)
        if entry.path == UNDO_STEP:
            self._check_step(before, entry, dropped)
        if self.newest["state"] == "done" != before["state"]:
            self._check_tally(entry)
        if self.newest is not before:
            self._changed_ts = entry.ts

    def _note(self, write: Write) -> set[bytes]:
        """Take in one write; return the document whose mark it drops."""
        name = self._tables.get(write.table, "")
        if write.table == CATALOGUE_TABLE and write.after:
            tables = decode_catalogue(write.after).tables
            self._tables = {table.number: name for name, table in tables.items()}
        elif name == "_undos" and write.after:
            self.newest = json.loads(write.after)
        elif name == "_log_followers":
            if json.loads(write.after or write.before or b"")["name"] == FOLLOWER:
                (self._followers.add if write.after else self._followers.discard)(write.id)
        elif name == "_undo_marks" and write.after is None:
            return {self._marks.pop(write.id)}
        elif name == "_undo_marks":
            document = json.loads(write.after or b"")["document"]
            self._marks[write.id] = decode_id(document)[1]
        return set()

    def _follow(self, before: Mapping[str, Any], entry: Entry) -> None:
        """Hold an undo that has just gone on to what it is about."""
        undo, state = self.newest, self.newest["state"]
        if undo.get("until") is None:
            self._asked_ts = entry.ts
        elif int(undo["until"]) != self._asked_ts:
            self._fail(
                entry, f"it was asked for at {self._asked_ts}, and is about {undo['until']}"
            )
        if state == "planned" and before["state"] == "reading":
            self._touched = self._between(int(undo["target"]), int(undo["until"]))
            self._tally = [0, 0, 0]
            if sorted(self._marks.values()) != sorted(self._touched):
                self._fail(entry, "its plan is not about what was written since its target")
            if self._numbers() != [
                sum(int(one[kind]) for one in undo["found"])
                for kind in ("deleted", "changed", "inserted")
            ]:
                self._fail(entry, f"it found {undo['found']}, there are {self._numbers()}")
        if state in ENDED and before["state"] not in ENDED:
            self.ended += 1
            if self._marks or self._followers:
                self._fail(entry, f"it is {state}, and leaves marks or a follower behind")

    def _between(self, target: int, until: int) -> Touched:
        images, ends = self._oracle.images(target), self._oracle.images(until)
        return {
            write.id: (images.get(write.id), ends.get(write.id))
            for ts in range(target + 1, until + 1)
            for write in self._oracle.entry(ts).writes
            if write.table == MARKS_TABLE
        }

    def _numbers(self) -> list[int]:
        """How many documents were deleted, changed, and inserted since the target."""
        both = [(was, held) for was, held in self._touched.values() if was != held]
        return [
            sum(held is None for _, held in both),
            sum(was is not None and held is not None for was, held in both),
            sum(was is None for was, _ in both),
        ]

    def _check_step(
        self, before: Mapping[str, Any], entry: Entry, dropped: set[bytes]
    ) -> None:
        written = {write.id for write in entry.writes if write.table == MARKS_TABLE}
        if before["state"] != "restoring":
            if written:
                self._fail(entry, f"it writes documents while it is {before['state']}")
            return
        if written - dropped:
            self._fail(entry, "it writes documents that it is not about")
        taken_up = self.newest is before  # by somebody else: there is nothing left for it
        if not taken_up and len(dropped) != min(
            int(before["batch"]), len(dropped) + len(self._marks)
        ):
            self._fail(entry, f"its step has {len(dropped)} documents")
        # It has read its undo, so that its snapshot is no older than what that is now.
        snapshots = [
            self._oracle.images(ts)
            for ts in range(self._changed_ts or entry.ts - 1, entry.ts)
        ]
        after = self._oracle.images(entry.ts)
        for document in dropped:
            if document in written:
                self._check_restored(before, entry, document, snapshots[-1], after)
            else:
                self._check_left(before, entry, document, snapshots)

    def _check_restored(
        self,
        undo: Mapping[str, Any],
        entry: Entry,
        document: bytes,
        before: Images,
        after: Images,
    ) -> None:
        """See that a document was what the undo is about, and is what it was."""
        was, held = self._touched[document]
        now, then = before.get(document), after.get(document)
        if then != was or (now not in (was, held) and not undo["overwrite"]):
            why = f"it made {then!r} of {now!r}, which was {was!r}"
            self._fail(entry, f"{why}, and {held!r} when it was asked for")
        self._tally[0] += now != then

    def _check_left(
        self,
        undo: Mapping[str, Any],
        entry: Entry,
        document: bytes,
        snapshots: Sequence[Images],
    ) -> None:
        """See that there was nothing to restore of a document, or others had written it.

        One that is left alone is not read again when its step commits (``Undoing._peek``): any
        state since the undo went on may be the one that was looked at.
        """
        was, held = self._touched[document]
        seen = {images.get(document) for images in snapshots}
        others = set[bytes | None]() if undo["overwrite"] else seen - {was, held}
        if was not in seen and not others:
            self._fail(entry, f"it left {held!r}, which was {was!r}")
        self._tally[1] += seen == others
        self._tally[2] += bool(others)

    def _check_tally(self, entry: Entry) -> None:
        """See that an undo that is done tells how many it has restored, and left."""
        restored, least, most = self._tally
        told = int(self.newest["restored"]), int(self.newest["left"])
        if told[0] != restored or not least <= told[1] <= most:
            self._fail(
                entry, f"it tells of {told}: {restored} restored, {least} to {most} left"
            )

    def check_at_rest(self) -> None:
        """Refuse an undo that did not end."""
        if self.newest["state"] not in ENDED:
            raise Broken(Property.UNDO, f"it did not end: {self.newest}")

    def _fail(self, entry: Entry, why: str) -> None:
        raise Broken(Property.UNDO, f"{entry.path} at {entry.ts}: {why}")


class UndoCaller:
    """Administrators who undo: each plans, looks, and has it done, or calls it off."""

    def __init__(self, platform: Platform, oracle: Oracle, ledger: UndoLedger) -> None:
        self._platform, self._world = platform, platform.world
        self._oracle, self._ledger = oracle, ledger
        self._first = oracle.head

    def start(self) -> None:
        """Plan all of it."""
        profile = self._world.profile
        for _ in range(profile.undos):
            self._world.cause(
                "undo", self._world.between((100, profile.jobs_ms)), self._plan
            )

    def _plan(self) -> None:
        random = self._world.random
        back = random.choice((0, 3, 10, 30, 100))
        target = max(self._first, self._oracle.head - back)
        batch = random.choice((1, 2, 5, 200))
        self._call("plan", 40.0, ts=target, batch=batch)

    def _look(self, pause_ms: float) -> None:
        """Do what comes next, as somebody does who sees how far it is."""
        state, choice = self._ledger.newest["state"], self._world.random.random()
        longer_ms = min(pause_ms * 2, LONGEST_LOOK_MS)
        if state == "planned" or (state in AT_WORK and choice > 0.98):
            name = "apply" if state == "planned" and choice < 0.85 else "cancel"
            arguments = {"overwrite": choice < 0.25} if name == "apply" else {}
            self._call(name, 40.0, **arguments)
        elif state in AT_WORK and choice < 0.05:
            self._call("resume", longer_ms)
        elif state in AT_WORK:
            self._again(longer_ms)

    def _again(self, pause_ms: float) -> None:
        delay_ms = self._world.between((0, pause_ms))
        self._world.at(delay_ms, lambda: self._look(pause_ms))

    def _call(self, name: str, pause_ms: float, **arguments: Any) -> None:
        def work(backend: Backend) -> None:
            path = f"_system/undo:{name}"
            call = Call(path, json.dumps(arguments).encode(), AdminIdentity())
            outcome = backend.call(call, "mutation")
            ended = "well" if outcome.failure is None else "refused"
            self._world.note(f"undo: {name} {arguments}: {ended} at {outcome.ts - ORIGIN}")
            self._world.stats[f"undo {name}, {ended}"] += 1

        # Whether it went well, was refused, or nobody knows: the next look tells.
        self._platform.invoke(
            "undo",
            work,
            again=lambda: self._again(pause_ms),
            done=lambda: self._again(pause_ms),
        )
