"""Jobs: who schedules them and calls them off, and what must hold of each."""

import json
from collections import Counter
from typing import Any

from chalicelib.engine.backend import Backend
from chalicelib.engine.database.catalogue import CATALOGUE_TABLE, decode_catalogue
from chalicelib.engine.errors import EngineError
from chalicelib.engine.functions.calls import Call
from chalicelib.engine.log import Entry, Write
from chalicelib.engine.values.ids import encode_id
from tests.simulation.app.chores import LABOURS
from tests.simulation.app.schema import KEYS
from tests.simulation.oracle import MARKS_TABLE, Asked, Oracle
from tests.simulation.platform import Platform, user
from tests.simulation.properties import Broken, Property

LEADS = {
    "pending": {"inProgress", "success", "failed", "canceled"},
    "inProgress": {"success", "failed", "canceled"},
}
"""Which states of a job may follow each; the others are the last."""

OPEN = frozenset(LEADS)

NEVER_FAIL = frozenset({"chores.js:due", "_system/undo.js:step"})
"""Jobs that have no reason of their own to fail."""


class Ledger:
    """Every job as the log tells of it, entry by entry."""

    def __init__(self) -> None:
        self.jobs: dict[bytes, dict[str, Any]] = {}
        self.late_ms: list[float] = []
        self.number = 0

    @property
    def at_rest(self) -> bool:
        """Whether every job has ended."""
        return not any(kind(job) in OPEN for job in self.jobs.values())

    def committed(self, entry: Entry) -> None:
        """Take in an entry, and see whether its jobs may go this way."""
        made = {
            json.loads(write.after)["tag"]
            for write in entry.writes
            if write.table == MARKS_TABLE and write.after and not write.before
        }
        ran: set[str] = set()
        for write in entry.writes:
            if write.table == CATALOGUE_TABLE:
                tables = decode_catalogue(write.after or b"").tables
                self.number = tables["_scheduled_functions"].number
            elif write.table == self.number:
                ran |= self._change(entry, write)
        if ran - made:
            raise Broken(
                Property.JOBS,
                f"{ran - made} are said to have run at {entry.ts}, and did not",
            )
        if entry.path == "chores:due" and made != ran:
            raise Broken(
                Property.JOBS,
                f"{made} ran at {entry.ts} beside the end of their jobs: {ran}",
            )

    def _change(self, entry: Entry, write: Write) -> set[str]:
        """Follow one job; return the tag if it is a mutation that has run."""
        before, after = self.jobs.get(write.id), json.loads(write.after or b"null")
        if after is None:
            return set()
        self.jobs[write.id] = after
        if before is None:
            self._check_new(entry, after)
        elif kind(after) not in LEADS.get(kind(before), {kind(before)}):
            raise Broken(
                Property.JOBS, f"a job went from {before} to {after} at {entry.ts}"
            )
        if kind(after) != "success" or kind(before or {}) == "success":
            return set()
        self.late_ms.append(after["completedTime"] - after["scheduledTime"])
        return {tag(after)} if after["name"] == "chores.js:due" else set()

    def _check_new(self, entry: Entry, job: dict[str, Any]) -> None:
        """See that what was called off schedules nothing more."""
        by = [one for one in self.jobs.values() if tag(one) + ">" == tag(job)]
        off = bool(by) and kind(by[0]) == "canceled"
        if kind(job) != ("canceled" if off else "pending"):
            raise Broken(
                Property.JOBS,
                f"{tag(job)} was scheduled at {entry.ts} as {kind(job)} by {by}",
            )

    def ends(self) -> Counter[str]:
        """How many jobs have ended in which way."""
        return Counter(f"{job['name'][10:]} {kind(job)}" for job in self.jobs.values())

    def check_at_rest(self, oracle: Oracle) -> None:
        """Refuse jobs that were forgotten, or have ended in a way that they cannot."""
        for job in self.jobs.values():
            name, state = job["name"], kind(job)
            times = LABOURS[tag(job)]
            if state in OPEN:
                raise Broken(Property.JOBS, f"forgotten: {job}")
            if name in NEVER_FAIL and state == "failed":
                raise Broken(Property.JOBS, f"failed for no reason of its own: {job}")
            if name == "chores.js:refused" and state == "success":
                raise Broken(Property.JOBS, f"succeeded, which it cannot: {job}")
            if name == "chores.js:labour" and state == "success" and not times:
                raise Broken(Property.JOBS, f"succeeded without having run: {job}")
            asked = oracle.asked.get(tag(job))
            if asked is not None and asked.ts is not None and state == "pending":
                raise Broken(Property.JOBS, f"ran, and does not say so: {job}")
        for labour, times in LABOURS.items():
            if times > 1:
                raise Broken(Property.JOBS, f"the action {labour} ran {times} times")


def kind(job: dict[str, Any]) -> str:
    """The state of a job."""
    return str(job.get("state", {}).get("kind"))


def tag(job: dict[str, Any]) -> str:
    """The tag that it leaves, if it leaves one."""
    return str(job["args"][0].get("tag", ""))


class JobCaller:
    """Schedules jobs at random times, and calls some off."""

    def __init__(self, platform: Platform, oracle: Oracle, ledger: Ledger) -> None:
        self._platform, self._world = platform, platform.world
        self._oracle, self._ledger = oracle, ledger
        self._number = 0

    def start(self) -> None:
        """Plan all of it."""
        profile = self._world.profile
        for _ in range(profile.jobs):
            self._world.cause("job", self._world.between((50, profile.jobs_ms)), self._act)

    def _act(self) -> None:
        if self._world.random.random() < 0.25:
            self._call_off()
        else:
            self._plan()

    def _plan(self) -> None:
        world = self._world
        made, key = f"job:{self._number}", world.random.randrange(KEYS)
        self._number += 1
        what = world.random.choice(("due", "due", "due", "refused", "labour", "labour"))
        by_action = world.random.random() < 0.3
        args = {"key": key, "tag": made, "what": what, "delayMs": self._delay_ms()}
        for more in ("", ">", ">>"):
            mark = {"key": key, "tag": made + more}
            self._oracle.asked[made + more] = Asked("marks:add", mark, {None})
        path = "chores:planNow" if by_action else "chores:plan"
        self._call(path, args)

    def _delay_ms(self) -> float:
        world = self._world
        choice = world.random.random()
        if choice < 0.4:
            return 0.0
        far = choice > 0.85 and world.profile.ticks
        return float(int(world.between((100_000, 200_000) if far else (0, 3000))))

    def _call_off(self) -> None:
        waiting = sorted(i for i, job in self._ledger.jobs.items() if kind(job) in OPEN)
        if waiting:
            job = encode_id(self._ledger.number, self._world.random.choice(waiting))
            self._call("chores:callOff", {"job": job})

    def _call(self, path: str, args: dict[str, Any]) -> None:
        def work(backend: Backend) -> None:
            call = Call(path, json.dumps(args).encode(), user(None))
            try:
                failure = backend.call(call).failure
            except EngineError:
                return  # nobody waits for the answer
            retryable = getattr(failure and failure.error, "retryable", False)
            if failure is not None and not retryable:
                raise Broken(Property.JOBS, f"{path} {args} failed: {failure.reason}")

        self._platform.invoke("scheduling", work)
