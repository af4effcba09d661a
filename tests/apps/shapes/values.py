"""Functions that return what they were given, each of one type."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.engine.server import (
    UNSET,
    ActionCtx,
    Id,
    Int64,
    MutationCtx,
    QueryCtx,
    Struct,
    Unset,
    action,
    mutation,
    query,
)
from tests.apps.shapes.schema import Box, Label


class Point(Struct):
    """An object without a table."""

    x: float
    label_text: str = "none"


class Circle(Struct, tag_field="kind", tag="circle"):
    """One of two kinds."""

    radius: float


class Square(Struct, tag_field="kind", tag="square"):
    """The other one."""

    side: float


@query
def any_(ctx: QueryCtx, v: Any) -> Any:
    """Return any value."""
    return v


@query
def null(ctx: QueryCtx, v: None) -> None:
    """Return nothing."""
    return v


@query
def boolean(ctx: QueryCtx, v: bool) -> bool:
    """Return a boolean."""
    return v


@query
def string(ctx: QueryCtx, v: str) -> str:
    """Return a text."""
    return v


@query
def number(ctx: QueryCtx, v: float) -> float:
    """Return a number."""
    return v


@query
def whole(ctx: QueryCtx, v: int) -> int:
    """Return a number without a fraction."""
    return v


@query
def bigint(ctx: QueryCtx, v: Int64) -> Int64:
    """Return a 64-bit integer."""
    return v


@query
def bytes_(ctx: QueryCtx, v: bytes) -> bytes:
    """Return bytes."""
    return v


@query
def id_(ctx: QueryCtx, v: Id[Box]) -> Id[Box]:
    """Return an id of a box."""
    return v


@query
def literal(ctx: QueryCtx, v: Literal["a"]) -> str:
    """Return the one text that it takes."""
    return v


@query
def choice(ctx: QueryCtx, v: Literal["a", "b", 3]) -> str | None:
    """Return one of three."""
    return str(v)


@query
def nullable(ctx: QueryCtx, v: str | None) -> str | None:
    """Return a text or null."""
    return v


@query
def array(ctx: QueryCtx, v: list[float]) -> list[float]:
    """Return numbers."""
    return v


@query
def record(ctx: QueryCtx, v: dict[str, float]) -> dict[str, float]:
    """Return numbers by name."""
    return v


@query
def record_by_id(ctx: QueryCtx, v: dict[Id[Box], float]) -> dict[Id[Box], float]:
    """Return numbers by box."""
    return v


@query
def object_(ctx: QueryCtx, v: Point) -> Point:
    """Return an object."""
    return v


@query
def tagged(ctx: QueryCtx, v: Circle | Square) -> Circle | Square:
    """Return one of two objects."""
    return v


@query
def optional(ctx: QueryCtx, v: str | Unset = UNSET) -> str | None:
    """Tell whether there was an argument."""
    return None if v is UNSET else v


@query
def default(ctx: QueryCtx, v: float = 7) -> float:
    """Return the argument, or seven."""
    return v


@query
def nothing(ctx: QueryCtx) -> None:
    """Take nothing."""


@query
def lie(ctx: QueryCtx, v: Any) -> list[float]:
    """Return what it was given, whatever it promised."""
    promised: list[float] = v
    return promised


@query
def uninserted(ctx: QueryCtx) -> Box:
    """Return a document that is none yet."""
    return Box(content=1)


@query
def repeat(ctx: QueryCtx, text: str, times: int) -> str:
    """Return a text of some length."""
    return text * times


@mutation
def repeat_in_mutation(ctx: MutationCtx, text: str, times: int) -> str:
    """Return as much text as is wanted."""
    return text * times


@action
def repeat_in_action(ctx: ActionCtx, text: str, times: int) -> str:
    """Return as much text as is wanted."""
    return text * times


@mutation
def lie_and_write(ctx: MutationCtx, v: Any) -> list[float]:
    """Write, and return what it was given."""
    ctx.db.insert(Box(content="a lie"))
    promised: list[float] = v
    return promised


@mutation
def keep(ctx: MutationCtx, v: Any | Unset = UNSET) -> Id[Box]:
    """Put a value into a box."""
    return ctx.db.insert(Box(content=v))


@mutation
def keep_text(ctx: MutationCtx, length: int, copies: int = 1) -> list[Id[Box]]:
    """Put texts into boxes: digits that differ, so that nothing is stored twice."""
    kept = []
    for _ in range(copies):
        text = ctx.random.randbytes(-(-length // 2)).hex()[:length]
        kept.append(ctx.db.insert(Box(content=text)))
    return kept


@mutation
def label(
    ctx: MutationCtx,
    box: Any,
    others: list[Any] = [],  # noqa: B006 - a fresh one for each call
    notes: dict[str, Any] = {},  # noqa: B006 - the same
    file: Any = UNSET,
) -> Id[Label]:
    """Point to boxes, whatever the ids given are of."""
    return ctx.db.insert(Label(box=box, others=others, notes=notes, file=file))


@mutation
def relabel(ctx: MutationCtx, label_id: Id[Label], box: Any) -> None:
    """Point to something else."""
    ctx.db.patch(label_id, box=box)


@query
def kept(ctx: QueryCtx, box: Id[Box]) -> Box | None:
    """Return a box as it is stored."""
    return ctx.db.get(box)


@query
def contents(ctx: QueryCtx) -> list[Any]:
    """Return what is in the boxes, in the order of the index; "absent" where nothing is."""
    boxes = ctx.db.query(Box.by_content).collect()
    return ["absent" if box.content is UNSET else box.content for box in boxes]


@query
def lengths(ctx: QueryCtx) -> list[int]:
    """Return the lengths of the texts in the boxes."""
    return [len(str(box.content)) for box in ctx.db.query(Box).collect()]
