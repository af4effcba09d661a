"""Queries that read in different ways, and mutations that conflict in different ways."""

from __future__ import annotations

from chalicelib.engine.server import (
    ActionCtx,
    Conflict,
    Id,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Struct,
    action,
    mutation,
    query,
)
from tests.simulation.app.schema import KEYS, MANY, Mark


class Look(Struct):
    """What is under two keys, and who asked if that mattered."""

    first: list[str]
    second: list[str]
    who: str | None


class Tag(Struct):
    """What tells a mark from others, for good."""

    tag: str


class Place(Struct):
    """Where a mark is now."""

    key: int


@query
def look(ctx: QueryCtx, key: int, personal: bool) -> Look:
    """Read a key, then another one that depends on what was found."""
    first = _tags(ctx, key)
    second = _tags(ctx, (key + len(first)) % KEYS)
    return Look(first=first, second=second, who=_author(ctx) if personal else None)


@query
def newest(ctx: QueryCtx, key: int, count: int) -> list[str]:
    """Read from one end, and no further than is wanted."""
    found = ctx.db.query(Mark.by_key.eq(key)).order("desc").take(count)
    return [mark.tag for mark in found]


@query
def crowd(ctx: QueryCtx, key: int) -> int:
    """Count the marks of a key; fail with their tags when there are many."""
    tags = _tags(ctx, key)
    if len(tags) >= MANY:
        raise Conflict("crowded", tags=tags)
    return len(tags)


@query
def many(ctx: QueryCtx, key: int) -> int:
    """Count the marks of a key without reading them."""
    return ctx.db.unrestricted.query(Mark.by_key.eq(key)).count()


@query
def page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[str]:
    """Read the oldest marks."""
    return ctx.db.query(Mark).paginate(pagination_opts).map(lambda mark: mark.tag)


@query
def everything(ctx: QueryCtx) -> list[str]:
    """Read the whole table in order of creation, and of each mark what no move changes."""
    return [mark.tag for mark in ctx.db.unrestricted.query(Mark).only(Tag).collect()]


@query
def at(ctx: QueryCtx, mark: Id[Mark]) -> int | None:
    """Read one document by its id, and of it what a move changes."""
    found = ctx.db.unrestricted.get(mark, only=Place)
    return found.key if found is not None else None


@mutation
def add(ctx: MutationCtx, key: int, tag: str) -> Id[Mark]:
    """Insert and read nothing: two runs of it conflict in no document."""
    return ctx.db.insert(Mark(key=key, tag=tag, author=_author(ctx)))


@mutation
def grow(ctx: MutationCtx, key: int, tag: str) -> list[str]:
    """Insert, make room by deleting the oldest, and return what was there."""
    held = ctx.db.query(Mark.by_key.eq(key)).collect()
    for mark in held[: len(held) + 1 - MANY]:
        ctx.db.delete(mark.id)
    ctx.db.insert(Mark(key=key, tag=tag, author=_author(ctx)))
    return [mark.tag for mark in held]


@mutation
def move(ctx: MutationCtx, key: int, target: int, tag: str) -> str | None:
    """Insert under one key, and move the oldest mark of another one there."""
    oldest = ctx.db.query(Mark.by_key.eq(key)).first()
    if oldest is not None:
        ctx.db.patch(oldest.id, key=target)
    ctx.db.insert(Mark(key=target, tag=tag, author=_author(ctx)))
    return oldest.tag if oldest is not None else None


@mutation
def squeeze(ctx: MutationCtx, key: int, tag: str) -> int:
    """Insert if there is room, and fail with what was read if not."""
    tags = _tags(ctx, key)
    if len(tags) >= MANY:
        raise Conflict("full", tags=tags)
    ctx.db.insert(Mark(key=key, tag=tag, author=_author(ctx)))
    return len(tags)


@mutation
def refuse(ctx: MutationCtx, key: int, tag: str) -> None:
    """Write, then fail with what was read."""
    tags = _tags(ctx, key)
    ctx.db.insert(Mark(key=key, tag=tag, author=_author(ctx)))
    raise Conflict("refused", tags=tags)


@action
def work(ctx: ActionCtx, key: int, tag: str) -> list[list[str]]:
    """Add a mark in a transaction of its own; return what two later queries show."""
    ctx.run_mutation(add, key=key, tag=tag)
    # Asked twice: the second answer may come out of the cache. Looked into, or what is no list
    # would fail as a wrong answer of the app's, which is no news.
    shown: list[list[str]] = [ctx.run_query(everything), ctx.run_query(everything)]
    return [list(tags) for tags in shown]


def _tags(ctx: QueryCtx, key: int) -> list[str]:
    return [mark.tag for mark in ctx.db.query(Mark.by_key.eq(key)).collect()]


def _author(ctx: QueryCtx) -> str | None:
    identity = ctx.auth.identity()
    return identity.subject if identity is not None else None
