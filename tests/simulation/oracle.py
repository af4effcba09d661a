"""What ought to be: the app's functions over a serial replay of the log."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from chalicelib.engine.database.catalogue import FIRST_USER_NUMBER
from chalicelib.engine.log import ORIGIN, Entry
from chalicelib.engine.values.ids import decode_id
from tests.simulation.app.schema import KEYS, MANY
from tests.simulation.properties import Broken, Property

MARKS_TABLE = FIRST_USER_NUMBER
"""The number of the app's only table."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A document as the replay knows it."""

    key: int
    tag: str
    author: str | None


State = Mapping[bytes, Mark]
"""Marks by internal id, which is their order of creation."""

Images = Mapping[bytes, bytes]
"""The same as they are kept."""

UNDO_STEP = "_system/undo:step"
"""What it writes is judged by the ledger of undos."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The data of the app's error."""

    data: Any


def _mark(image: bytes) -> Mark:
    found = json.loads(image)
    return Mark(found["key"], found["tag"], found["author"])


def tags(state: State, key: int) -> list[str]:
    """The tags under a key, oldest first."""
    return [state[i].tag for i in sorted(state) if state[i].key == key]


def evaluate(path: str, args: Mapping[str, Any], state: State, who: str | None) -> Any:
    """What a query gives at ``state``."""
    match path:
        case "marks:look":
            first = tags(state, args["key"])
            second = tags(state, (args["key"] + len(first)) % KEYS)
            asked = who if args["personal"] else None
            return {"first": first, "second": second, "who": asked}
        case "marks:newest":
            return tags(state, args["key"])[::-1][: args["count"]]
        case "marks:crowd":
            crowd = tags(state, args["key"])
            return _refused("crowded", crowd) if len(crowd) >= MANY else len(crowd)
        case "marks:many":
            return len(tags(state, args["key"]))
        case "marks:at":
            found = state.get(decode_id(args["mark"])[1])
            return found.key if found is not None else None
        case "marks:everything":
            return [state[i].tag for i in sorted(state)]
        case _:
            raise AssertionError(path)


def _refused(message: str, found: list[str]) -> Refused:
    return Refused({"code": "CONFLICT", "message": message, "details": {"tags": found}})


def perform(
    path: str, args: Mapping[str, Any], state: State, who: str | None
) -> tuple[Any, list[Mark]]:
    """What a mutation answers at ``state``, and the marks that it leaves."""
    marks = {i: state[i] for i in sorted(state)}
    key, made = args["key"], Mark(args["key"], args["tag"], who)
    answer: Any = None
    match path:
        case "marks:add":
            pass
        case "marks:grow":
            answer = tags(state, key)
            held = [i for i in marks if marks[i].key == key]
            for i in held[: len(held) + 1 - MANY]:
                del marks[i]
        case "marks:move":
            made = replace(made, key=args["target"])
            oldest = next((i for i in marks if marks[i].key == key), None)
            if oldest is not None:
                answer = marks[oldest].tag
                marks[oldest] = replace(marks[oldest], key=args["target"])
        case "marks:squeeze":
            there = tags(state, key)
            if len(there) >= MANY:
                return _refused("full", there), list(marks.values())
            answer = len(there)
        case "marks:refuse":
            return _refused("refused", tags(state, key)), list(marks.values())
        case _:
            raise AssertionError(path)
    return answer, [*marks.values(), made]


@dataclass(slots=True)
class Asked:
    """One mutation that somebody asked for, by its tag.

    ``allowed`` are those in whose name it may run. ``answer`` is that of the replay, once it took effect.
    """

    path: str
    args: Mapping[str, Any]
    allowed: set[str | None] = field(default_factory=set)
    session: str | None = None
    number: int = -1
    ts: int | None = None
    answer: Any = None


class Oracle:
    """The serial replay, kept up as the log grows, and everything that was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}
        self.entries: list[Entry] = []
        self._states: list[State] = [{}]
        self._images: list[Images] = [{}]
        self._latest: dict[str, int] = {}

    @property
    def head(self) -> int:
        """The timestamp of the log's end."""
        return ORIGIN + len(self.entries)

    def at(self, ts: int) -> State:
        """The state at a timestamp."""
        return self._states[ts - ORIGIN]

    def images(self, ts: int) -> Images:
        """What the documents were at a timestamp, to the byte."""
        return self._images[ts - ORIGIN]

    def entry(self, ts: int) -> Entry:
        """The entry at a timestamp."""
        return self.entries[ts - ORIGIN - 1]

    def committed(self, entry: Entry) -> None:
        """Take in an entry, and see whether it is what ought to be there."""
        if entry.ts != self.head + 1:
            raise Broken(Property.LOG, f"the log has a gap before {entry.ts}")
        before, images = self._states[-1], self._replayed(entry)
        after = self._read(before, images)
        self.entries.append(entry)
        self._states.append(after)
        self._images.append(images)
        if entry.path == UNDO_STEP:
            return
        made = [after[i].tag for i in after if i not in before]
        if made:
            self._check(entry, made, before, after)
        elif after != before:
            raise Broken(Property.ONCE, f"nobody asked for what {entry.path} did")

    def _replayed(self, entry: Entry) -> Images:
        images = dict(self._images[-1])
        for write in entry.writes:
            if write.table != MARKS_TABLE:
                continue  # the engine's own
            if images.get(write.id) != write.before:
                raise Broken(
                    Property.REPLAY,
                    f"{entry.path} at {entry.ts} did not see what it overwrote",
                )
            if write.after is None:
                images.pop(write.id, None)
            else:
                images[write.id] = write.after
        return images

    def _read(self, before: State, images: Images) -> State:
        """The marks of images, of which most are what they were."""
        held = self._images[-1]
        return {
            i: before[i] if held.get(i) == image else _mark(image)
            for i, image in images.items()
        }

    def _check(
        self, entry: Entry, made: Sequence[str], before: State, after: State
    ) -> None:
        tag = made[0]
        asked = self.asked[tag]
        if len(made) > 1 or asked.ts is not None:
            raise Broken(
                Property.ONCE, f"{tag} took effect twice, at {asked.ts} and {entry.ts}"
            )
        asked.ts = entry.ts
        author = next(mark.author for mark in after.values() if mark.tag == tag)
        if author not in asked.allowed:
            raise Broken(
                Property.IDENTITY,
                f"{tag} ran as {author}, allowed are {sorted(map(str, asked.allowed))}",
            )
        answer, marks = perform(asked.path, asked.args, before, author)
        if sorted(map(str, marks)) != sorted(map(str, after.values())):
            raise Broken(
                Property.REPLAY, f"{tag} at {entry.ts} did not do what it does on its own"
            )
        if asked.path == "marks:add":
            answer = next(w.document_id for w in entry.writes if w.id not in before)
        asked.answer = answer
        if entry.path.startswith(("chores:", "idempotency:")):
            return  # its answer is that of another one
        if entry.path != "marks:work" and json.loads(entry.result or b"null") != answer:
            raise Broken(
                Property.REPLAY,
                f"{tag} at {entry.ts} read {entry.result!r}, there was {answer}",
            )
        if asked.session is not None:
            self._check_request(entry, asked, tag)

    def _check_request(self, entry: Entry, asked: Asked, tag: str) -> None:
        request, session = entry.request, asked.session or ""
        if request is None or (request.session, request.number) != (session, asked.number):
            raise Broken(Property.ORDER, f"{tag} was committed as {request}")
        if asked.number < self._latest.get(session, -1):
            raise Broken(
                Property.ORDER, f"{tag} took effect after request {self._latest[session]}"
            )
        self._latest[session] = asked.number

    def any_id(self, random: Random) -> str | None:
        """The id of some mark that there is, or was."""
        written = [
            write.document_id
            for entry in self.entries[-30:]
            for write in entry.writes
            if write.table == MARKS_TABLE
        ]
        return random.choice(written) if written else None

    def was_seen(self, tag: str, answers: Sequence[list[str]]) -> bool:
        """Tell whether queries, one after another since a mutation, could have shown these."""
        asked = self.asked[tag]
        ts = asked.ts if asked.ts is not None else self.head + 1
        for answer in answers:
            ts = next((t for t in range(ts, self.head + 1) if self._all(t) == answer), -1)
            if ts < 0:
                return False
        return True

    def _all(self, ts: int) -> Any:
        return evaluate("marks:everything", {}, self.at(ts), None)

    def ever(self, path: str, args: Mapping[str, Any], since: int, answer: Any) -> bool:
        """Tell whether a mutation that leaves nothing could have answered so since then."""
        return any(
            perform(path, args, self.at(ts), None)[0] == answer
            for ts in range(since, self.head + 1)
        )
