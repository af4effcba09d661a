"""Transactions of several steps over several lists and registers.

What is written comes with the id of its document, ``element#id``: of a mutation that ran twice,
each run has written something else.
"""

from __future__ import annotations

from typing import Literal

from chalicelib.engine.server import (
    Conflict,
    Id,
    MutationCtx,
    QueryCtx,
    Struct,
    mutation,
    query,
)
from tests.apps.histories.schema import Element, Register

Result = list[str] | str | None


class Step(Struct):
    """One step: ``value`` is what is appended or written."""

    do: Literal["append", "read", "swap", "get", "refuse"]
    key: str
    value: str = ""


@query
def elements(ctx: QueryCtx, key: str) -> list[str]:
    """Read a list."""
    found = ctx.db.query(Element.by_list.eq(key))
    return [_named(one.element, one.id) for one in found]


@query
def held(ctx: QueryCtx, key: str) -> str | None:
    """Read a register."""
    found = ctx.db.query(Register.by_name.eq(key)).unique()
    return None if found is None else _named(found.value, found.id)


@query
def look(ctx: QueryCtx, steps: list[Step], nonce: str = "") -> list[Result]:
    """Read lists and registers at one moment; ``nonce`` keeps a client from sharing it."""
    return [_read(ctx, step) for step in steps]


@mutation
def transact(ctx: MutationCtx, steps: list[Step]) -> list[Result]:
    """Do all steps, or none, and return what each has seen or written."""
    return [_do(ctx, step) for step in steps]


def _do(ctx: MutationCtx, step: Step) -> Result:
    match step.do:
        case "append":
            return _append(ctx, step.key, step.value)
        case "swap":
            return _swap(ctx, step.key, step.value)
        case "refuse":
            raise Conflict("taken back")
        case _:
            return _read(ctx, step)


def _read(ctx: QueryCtx | MutationCtx, step: Step) -> Result:
    if step.do == "read":
        return ctx.run_query(elements, key=step.key)
    return ctx.run_query(held, key=step.key)


def _append(ctx: MutationCtx, key: str, value: str) -> str:
    last = ctx.db.query(Element.by_list.eq(key)).order("desc").first()
    at = 0 if last is None else last.at + 1
    return _named(value, ctx.db.insert(Element(key=key, at=at, element=value)))


def _swap(ctx: MutationCtx, key: str, value: str) -> list[str]:
    found = ctx.db.query(Register.by_name.eq(key)).unique()
    if found is not None:
        ctx.db.delete(found.id)
    written = _named(value, ctx.db.insert(Register(name=key, value=value)))
    return [written] if found is None else [written, _named(found.value, found.id)]


def _named(value: str, document: Id[Element] | Id[Register]) -> str:
    return f"{value}#{document}"
