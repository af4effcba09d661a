"""Random programs over one table, and what each of several databases answers to them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from chalicelib.engine.backend import Backend
from chalicelib.engine.functions.calls import Call, Kind

VALUES: tuple[Any, ...] = (
    None,
    *(False, True),
    *(-1.5, 0, 1, 2, 1e300),
    *(
        {"$float": base64.b64encode(struct.pack("<d", x)).decode()}
        for x in (float("inf"), -0.0)
    ),
    *({"$integer": base64.b64encode(struct.pack("<q", n)).decode()} for n in (-1, 0, 1)),
    *("", "a", "a\0", "b", "é", "\uffff", "\U00010000"),
    *({"$bytes": base64.b64encode(b).decode()} for b in (b"", b"\0", b"a")),
    *([], [1], [1, "a"], [None]),
    *({}, {"x": 1}, {"x": 2}, {"y": 1}),
)
"""Values of every type, encoded; near ones of each, so that ranges end between them."""

COMPARISONS = ("eq", "neq", "lt", "lte", "gt", "gte")
Program = list[dict[str, Any]]


def program(seed: int, *, size: int = 7, filters: Sequence[str] = COMPARISONS) -> Program:
    """Draw a program: transactions, readings, and lists read page by page."""
    return _Author(Random(seed), filters).steps(size)


class _Author:
    def __init__(self, random: Random, filters: Sequence[str]) -> None:
        self._random, self._filters, self._refs = random, filters, 0

    def steps(self, count: int) -> Program:
        return [self._step() for _ in range(count)]

    def _step(self) -> dict[str, Any]:
        kind = self._random.choice(["transact", "transact", "transact", "read", "pages"])
        if kind == "pages":
            return {"step": kind, "spec": self._spec(), "count": self._random.randint(1, 4)}
        draw = self._write if kind == "transact" else self._reading
        return {"step": kind, "ops": [draw() for _ in range(self._random.randint(1, 5))]}

    def _write(self) -> dict[str, Any]:
        dice = self._random.random()
        if dice < 0.5 or not self._refs:
            self._refs += 1
            return {"op": "insert", "ref": self._refs, "fields": self._fields()}
        ref = self._random.randint(1, self._refs)
        if dice < 0.65:
            fields = self._fields()
            removed = [n for n in "ab" if n not in fields and self._random.random() < 0.3]
            return {"op": "patch", "ref": ref, "fields": fields, "removed": removed}
        if dice < 0.75:
            return {"op": "replace", "ref": ref, "fields": self._fields()}
        if dice < 0.85:
            return {"op": "delete", "ref": ref}
        return self._reading()

    def _reading(self) -> dict[str, Any]:
        if self._random.random() < 0.2 and self._refs:
            return {"op": "get", "ref": self._random.randint(1, self._refs)}
        end = self._random.choice(["collect", "count", "unique", "first", "take"])
        count = self._random.randint(0, 4)
        return {"op": "query", "spec": self._spec(), "end": end, "count": count}

    def _fields(self) -> dict[str, Any]:
        return {n: self._value() for n in "ab" if self._random.random() < 0.7}

    def _spec(self) -> dict[str, Any]:
        index = self._random.choice(["creation", "by_a", "by_ab"])
        filters = [self._condition() for _ in range(self._random.choice([0, 0, 0, 1, 2]))]
        order = self._random.choice(["asc", "desc"])
        return {
            "index": index,
            "range": self._range(index),
            "order": order,
            "filters": filters,
        }

    def _range(self, index: str) -> list[dict[str, Any]]:
        fields = {"creation": "", "by_a": "a", "by_ab": "ab"}[index]
        equal = self._random.randint(0, len(fields))
        steps = [{"is": "eq", "field": field, **self._point()} for field in fields[:equal]]
        if equal < len(fields):
            for pair in (("gt", "gte"), ("lt", "lte")):
                if self._random.random() < 0.4:
                    bound = {"is": self._random.choice(pair), "field": fields[equal]}
                    steps.append({**bound, **self._point()})
        return steps

    def _condition(self) -> dict[str, Any]:
        field, compared = self._random.choice("ab"), self._random.choice(self._filters)
        return {"is": compared, "field": field, **self._point()}

    def _point(self) -> dict[str, Any]:
        return {} if self._random.random() < 0.1 else {"value": self._value()}

    def _value(self) -> Any:
        return self._random.choice(VALUES)


class Performer:
    """Performs programs on a backend; ``between`` runs after each step."""

    def __init__(self, backend: Backend, between: Callable[[], None]) -> None:
        self._backend, self._between = backend, between

    def perform(self, steps: Program) -> list[Any]:
        """Return the answers of every step."""
        self._call("things:clear", "mutation")
        ids: dict[str, str] = {}
        answers = []
        for step in steps:
            answers.append(self._step(step, ids))
            self._between()
        return answers

    def _step(self, step: dict[str, Any], ids: dict[str, str]) -> Any:
        match step["step"]:
            case "transact":
                done = self._call("things:transact", "mutation", ids=ids, ops=step["ops"])
                ids.update(done["made"])
                return done["answers"]
            case "read":
                return self._call("things:read", "query", ids=ids, ops=step["ops"])
            case _:
                return self._pages(step["spec"], step["count"])

    def _pages(self, spec: Any, count: int) -> list[Any]:
        found: list[Any] = []
        cursor, is_done = None, False
        while not is_done:
            wanted = {"numItems": count, "cursor": cursor}
            page = self._call("things:pages", "query", spec=spec, paginationOpts=wanted)
            cursor, is_done = page["continueCursor"], page["isDone"]
            found.append(page["page"])
        # A full page does not look whether it was the last: then an empty one follows.
        return found[:-1] if len(found) > 1 and not found[-1] else found

    def _call(self, path: str, kind: Kind, **arguments: Any) -> Any:
        outcome = self._backend.call(Call(path, msgspec.json.encode(arguments)), kind)
        if outcome.failure is not None:
            raise outcome.failure.error or AssertionError(outcome.failure.reason)
        return json.loads(outcome.value or b"null")
