"""Reads and writes of lines."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

from chalicelib.engine.server import (
    UNSET,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    internal_mutation,
    mutation,
    query,
)
from tests.apps.lists.schema import Line, Long

Order = Literal["asc", "desc"]


@query
def page(
    ctx: QueryCtx,
    topic: str,
    pagination_opts: PaginationOptions,
    order: Order = "asc",
    every: int = 1,
) -> Page[Line]:
    """Read a page of a list; ``every`` leaves out ranks that it does not divide."""
    lines = ctx.db.query(Line.by_rank.eq(topic)).order(order)
    return lines.filter(lambda line: line.rank % every == 0).paginate(pagination_opts)


@query
def page_of_named(
    ctx: QueryCtx, topic: str, pagination_opts: PaginationOptions
) -> Page[float]:
    """Read a page of lines whose text is the id of another one, which is read for each."""

    def names(line: Line) -> bool:
        named = ctx.db.normalize_id(Line, line.text)
        return named is not None and ctx.db.get(named) is not None

    lines = ctx.db.query(Line.by_rank.eq(topic)).filter(names)
    return lines.paginate(pagination_opts).map(lambda line: line.rank)


@query
def texts(ctx: QueryCtx, topic: str, pagination_opts: PaginationOptions) -> Page[str]:
    """Read a page of a list by its texts."""
    found = ctx.db.query(Line.by_rank.eq(topic)).paginate(pagination_opts)
    return found.map(lambda line: line.text)


@query
def long_page(
    ctx: QueryCtx, pagination_opts: PaginationOptions, order: Order = "asc"
) -> Page[str]:
    """Read a page of long keys."""
    found = ctx.db.query(Long.by_key).order(order).paginate(pagination_opts)
    return found.map(lambda line: line.key)


@query
def twice(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[Line]:
    """Read two pages, which is one too many."""
    ctx.db.query(Line).paginate(pagination_opts)
    return ctx.db.query(Line).paginate(pagination_opts)


@query
def ranks(ctx: QueryCtx, topic: str) -> list[float]:
    """Return all ranks of a list in order."""
    return [line.rank for line in ctx.db.query(Line.by_rank.eq(topic))]


@query
def count(ctx: QueryCtx, topic: str, low: float = 0, high: float = 1000) -> int:
    """Count the lines of some ranks, hidden ones too."""
    span = Line.by_rank.eq(topic).gte(low).lt(high)
    return ctx.db.unrestricted.query(span).count()


@query
def count_seen(ctx: QueryCtx, topic: str) -> int:
    """Count the lines that the caller may see."""
    return ctx.db.query(Line.by_rank.eq(topic)).count()


@query
def tagged(ctx: QueryCtx, tag: str | None = None, *, absent: bool = False) -> list[str]:
    """Return the texts of lines with a tag, with null, or without any."""
    wanted = UNSET if absent else tag
    return [line.text for line in ctx.db.query(Line.by_tag.eq(wanted))]


@query
def by_tag(ctx: QueryCtx) -> list[str]:
    """Return all texts in the order of their tags."""
    return [line.text for line in ctx.db.query(Line.by_tag)]


@query
def everything(ctx: QueryCtx) -> int:
    """Read the whole table."""
    return len(ctx.db.query(Line).collect())


@query
def until(ctx: QueryCtx, topic: str, rank: float) -> int:
    """Read lines one by one, no further than to ``rank``."""
    read = 0
    for line in ctx.db.query(Line.by_rank.eq(topic)):
        read += 1
        if line.rank >= rank:
            break
    return read


@query
def misuse(ctx: QueryCtx, how: Literal["take", "order", "unique"]) -> Any:
    """Ask for what makes no sense."""
    lines: Any = ctx.db.query(Line)
    match how:
        case "take":
            return lines.take(-1)
        case "order":
            return lines.order("up").collect()
        case "unique":
            return lines.unique()


@mutation
def add(
    ctx: MutationCtx,
    topic: str,
    rank: float,
    text: str = "",
    owner: str | None = None,
) -> Id[Line]:
    """Add a line."""
    return ctx.db.insert(Line(topic=topic, rank=rank, text=text, owner=owner))


@mutation
def add_if_room(ctx: MutationCtx, topic: str, most: int) -> int:
    """Add a line if there are fewer than ``most``."""
    held = len(ctx.db.query(Line.by_rank.eq(topic)).collect())
    if held >= most:
        raise Conflict("full", held=held)
    ctx.db.insert(Line(topic=topic, rank=held, text=""))
    return held


@mutation
def add_tagged(
    ctx: MutationCtx, text: str, tag: str | None = None, *, absent: bool = False
) -> None:
    """Add a line with a tag, with null, or without any."""
    ctx.db.insert(Line(topic="", rank=0, text=text, tag=UNSET if absent else tag))


@mutation
def add_many(ctx: MutationCtx, topic: str, count: int, size: int = 0) -> None:
    """Add lines with ranks from 0 on, each with ``size`` characters."""
    for rank in range(count):
        ctx.db.insert(Line(topic=topic, rank=rank, text="x" * size))


@mutation
def add_long(ctx: MutationCtx, key: str) -> None:
    """Add a line with a long key."""
    ctx.db.insert(Long(key=key))


@mutation
def move(ctx: MutationCtx, line: Id[Line], rank: float) -> None:
    """Give a line another rank."""
    ctx.db.patch(line, rank=rank)


@mutation
def rename(ctx: MutationCtx, line: Id[Line], text: str) -> None:
    """Give a line another text: its keys stay."""
    ctx.db.patch(line, text=text)


@mutation
def remove(ctx: MutationCtx, line: Id[Line]) -> None:
    """Delete a line."""
    ctx.db.delete(line)


@mutation
def count_and_add(ctx: MutationCtx, topic: str) -> int:
    """Add a line whose rank is how many there are."""
    held = ctx.db.unrestricted.query(Line.by_rank.eq(topic)).count()
    ctx.db.insert(Line(topic=topic, rank=held, text=""))
    return ctx.db.unrestricted.query(Line.by_rank.eq(topic)).count()


@internal_mutation
def rearrange(ctx: MutationCtx, topic: str, line: Id[Line], refuse: bool) -> list[float]:
    """Add one line, move another, delete a third, and perhaps refuse all of it."""
    ctx.db.insert(Line(topic=topic, rank=50, text="of the inner"))
    ctx.db.patch(line, rank=60)
    ctx.db.patch(line, rank=61)
    first = ctx.db.query(Line.by_rank.eq(topic)).first()
    if first is not None and first.id != line:
        ctx.db.delete(first.id)
    seen = ctx.run_query(ranks, topic=topic)
    if refuse:
        raise Conflict("refused", seen=seen)
    return seen


@mutation
def nest(ctx: MutationCtx, topic: str, line: Id[Line], *, refuse: bool) -> dict[str, Any]:
    """Write, run another mutation, make light of its refusal, and write again."""
    ctx.db.patch(line, rank=40)
    inner: Any = None
    with suppress(Conflict):
        inner = ctx.run_mutation(rearrange, topic=topic, line=line, refuse=refuse)
    between = ctx.run_query(ranks, topic=topic)
    ctx.db.insert(Line(topic=topic, rank=70, text="of the outer"))
    return {"inner": inner, "between": between}


@mutation
def nest_deep(ctx: MutationCtx, topic: str, line: Id[Line]) -> list[float]:
    """Have what an inner mutation did well taken back by the one around it."""
    with suppress(Conflict):
        ctx.run_mutation(then_refuse, topic=topic, line=line)
    return ctx.run_query(ranks, topic=topic)


@internal_mutation
def then_refuse(ctx: MutationCtx, topic: str, line: Id[Line]) -> None:
    """Do something within, and refuse."""
    ctx.run_mutation(rearrange, topic=topic, line=line, refuse=False)
    raise Conflict("refused")


@mutation
def ignore_limits(ctx: MutationCtx, topic: str) -> int:
    """Read too much, and go on as if nothing had happened."""
    with suppress(Exception):
        ctx.db.query(Line.by_rank.eq(topic)).collect()
    ctx.db.insert(Line(topic=topic, rank=0, text="never"))
    return 1


@query
def get_many(ctx: QueryCtx, times: int) -> int:
    """Look for documents that differ, one by one."""
    found = 0
    for number in range(times):
        span = Line.by_rank.eq(str(number))
        found += ctx.db.query(span).first() is not None
    return found


@mutation
def nest_wrongly(ctx: MutationCtx) -> None:
    """Hand over an id that is none."""
    wrong: Any = "not an id"
    ctx.run_mutation(rearrange, topic="l", line=wrong, refuse=False)


@query
def total(ctx: QueryCtx, topic: str) -> float:
    """Add up what another query returns."""
    found = ctx.run_query(ranks, topic=topic)
    return sum(found)
