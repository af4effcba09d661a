"""Performs programs: each operation is an object, each answer what a client could see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.engine.server import (
    UNSET,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    mutation,
    query,
)
from chalicelib.engine.values.order import field_bytes
from chalicelib.engine.values.value import MISSING
from tests.apps.programs.schema import Thing

COMPARED: dict[str, Callable[[bytes, bytes], bool]] = {
    "eq": lambda one, other: one == other,
    "neq": lambda one, other: one != other,
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
}


class Done(Struct):
    """The answers of a transaction, and the ids of what it made, by their numbers."""

    answers: list[Any]
    made: dict[str, Id[Thing]]


@mutation
def transact(ctx: MutationCtx, ids: dict[str, Id[Thing]], ops: list[Any]) -> Done:
    """Perform operations one after another; later ones see what earlier ones did."""
    made: dict[str, Any] = {}
    answers = [_perform(ctx, op, {**ids, **made}, made) for op in ops]
    return Done(answers=answers, made=made)


@query
def read(ctx: QueryCtx, ids: dict[str, Id[Thing]], ops: list[Any]) -> list[Any]:
    """Perform operations that only read."""
    return [_read(ctx, op, ids) for op in ops]


@query
def pages(ctx: QueryCtx, spec: Any, pagination_opts: PaginationOptions) -> Page[float]:
    """Read one page."""
    found: Page[Thing] = _query(ctx, spec).paginate(pagination_opts)
    return found.map(lambda thing: thing.ref)


@query
def whole(ctx: QueryCtx) -> list[Any]:
    """Read everything: in order of creation, and by each index; and count it."""
    db = ctx.db.unrestricted
    things = [[t.id, t.creation_time, _shown(t)] for t in db.query(Thing)]
    orders: list[Any] = [[t.ref for t in db.query(by)] for by in (Thing.by_a, Thing.by_ab)]
    return [things, *orders, db.query(Thing).count(), db.query(Thing.by_a).count()]


@mutation
def clear(ctx: MutationCtx) -> None:
    """Delete everything."""
    for thing in ctx.db.query(Thing).collect():
        ctx.db.delete(thing.id)


def _perform(ctx: MutationCtx, op: Any, ids: dict[str, Any], made: dict[str, Any]) -> Any:
    at: Any = ids.get(str(int(op["ref"]))) if "ref" in op else None
    match op["op"]:
        case "insert":
            made[str(int(op["ref"]))] = ctx.db.insert(Thing(ref=op["ref"], **op["fields"]))
        case "patch" if _is_there(ctx, at):
            ctx.db.patch(at, **op["fields"], **dict.fromkeys(op["removed"], UNSET))
        case "replace" if _is_there(ctx, at):
            ctx.db.replace(at, Thing(ref=op["ref"], **op["fields"]))
        case "delete" if _is_there(ctx, at):
            ctx.db.delete(at)
        case "patch" | "replace" | "delete":
            return "absent"
        case _:
            return _read(ctx, op, ids)
    return None


def _is_there(ctx: QueryCtx, at: Any) -> bool:
    return at is not None and ctx.db.get(at) is not None


def _read(ctx: QueryCtx, op: Any, ids: dict[str, Any]) -> Any:
    if op["op"] == "get":
        found = ctx.db.get(ids[str(int(op["ref"]))]) if str(int(op["ref"])) in ids else None
        return _shown(found) if found is not None else None
    wanted = _query(ctx, op["spec"])
    match op["end"]:
        case "collect":
            return [thing.ref for thing in wanted]
        case "count":
            return wanted.count()
        case "unique":
            first_two = wanted.take(2)
            return "several" if len(first_two) > 1 else [t.ref for t in first_two]
        case "first":
            first = wanted.first()
            return first.ref if first is not None else None
        case _:
            return [thing.ref for thing in wanted.take(int(op["count"]))]


def _shown(thing: Thing) -> dict[str, Any]:
    fields = {"ref": thing.ref, "a": thing.a, "b": thing.b}
    return {name: value for name, value in fields.items() if value is not UNSET}


def _query(ctx: QueryCtx, spec: Any) -> Any:
    source: Any = {"creation": Thing, "by_a": Thing.by_a, "by_ab": Thing.by_ab}[
        spec["index"]
    ]
    for step in spec["range"]:
        source = getattr(source, step["is"])(step.get("value", UNSET))
    found: Any = ctx.db.unrestricted.query(source).order(spec["order"])
    for condition in spec["filters"]:
        found = found.filter(_holds(condition))
    return found


def _holds(condition: Any) -> Callable[[Thing], bool]:
    wanted = field_bytes(condition.get("value", MISSING))
    compare = COMPARED[condition["is"]]

    def holds(thing: Thing) -> bool:
        value = getattr(thing, condition["field"])
        return compare(field_bytes(MISSING if value is UNSET else value), wanted)

    return holds
