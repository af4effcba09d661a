"""Reads and writes of items."""

from __future__ import annotations

from typing import Any

from chalicelib.engine.server import Id, MutationCtx, QueryCtx, mutation, query
from tests.apps.trial.schema import Diary, Item


@query
def list_(ctx: QueryCtx, group: str) -> list[str]:
    """Return the labels of a group."""
    return [item.label for item in ctx.db.query(Item.by_group.eq(group)).collect()]


@query
def first(ctx: QueryCtx, group: str, count: int) -> list[str]:
    """Return the first labels of a group in their order."""
    rows = ctx.db.query(Item.by_group_and_label.eq(group)).take(count)
    return [item.label for item in rows]


@query
def last(ctx: QueryCtx, group: str, count: int) -> list[str]:
    """Return the last labels of a group, the very last one first."""
    rows = ctx.db.query(Item.by_group_and_label.eq(group)).order("desc").take(count)
    return [item.label for item in rows]


@query
def between(
    ctx: QueryCtx, low: str, high: str, *, reverse: bool = False, closed: bool = False
) -> list[str]:
    """Return the labels of a range, ends left out unless it is closed."""
    span = Item.by_label.gte(low).lte(high) if closed else Item.by_label.gt(low).lt(high)
    return [
        item.label
        for item in ctx.db.query(span).order("desc" if reverse else "asc").collect()
    ]


@query
def equal(ctx: QueryCtx, label: str) -> list[str]:
    """Return the groups in which a label is found."""
    return [item.group for item in ctx.db.query(Item.by_label.eq(label)).collect()]


@query
def twice(ctx: QueryCtx, one: str, other: str) -> list[int]:
    """Count two groups, one after the other: equal when writes go to both at once."""
    return [
        len(ctx.db.query(Item.by_group.eq(one)).collect()),
        len(ctx.db.query(Item.by_group.eq(other)).collect()),
    ]


@query
def even(ctx: QueryCtx, one: str, other: str) -> str:
    """Fail when two groups differ in size, which only a torn reading can see."""
    sizes = twice(ctx, one, other)
    if sizes[0] != sizes[1]:
        raise AssertionError(f"torn: {sizes}")
    return f"even at {sizes[0]}"


@query
def count(ctx: QueryCtx, group: str) -> int:
    """Count a group, whatever is in it."""
    return ctx.db.unrestricted.query(Item.by_group.eq(group)).count()


@query
def get(ctx: QueryCtx, document: Id[Item]) -> str | None:
    """Return one label."""
    item = ctx.db.get(document)
    return item.label if item is not None else None


@query
def get_diary(ctx: QueryCtx, document: Id[Diary]) -> str | None:
    """Return one text."""
    diary = ctx.db.get(document)
    return diary.text if diary is not None else None


@mutation
def add(ctx: MutationCtx, group: str, label: str) -> Id[Item]:
    """Add an item."""
    return ctx.db.insert(Item(group=group, label=label))


@mutation
def add_pair(ctx: MutationCtx, one: str, other: str) -> None:
    """Add an item to each of two groups."""
    ctx.db.insert(Item(group=one, label="pair"))
    ctx.db.insert(Item(group=other, label="pair"))


@mutation
def move(ctx: MutationCtx, document: Id[Item], label: str) -> None:
    """Give an item another label."""
    ctx.db.patch(document, label=label)


@mutation
def remove(ctx: MutationCtx, document: Id[Item]) -> None:
    """Delete an item."""
    ctx.db.delete(document)


@mutation
def number(ctx: MutationCtx, group: str) -> int:
    """Add an item that is labelled with how many there were, and return that."""
    how_many = len(ctx.db.query(Item.by_group.eq(group)).collect())
    ctx.db.insert(Item(group=group, label=str(how_many)))
    return how_many


@mutation
def own(ctx: MutationCtx, group: str) -> list[Any]:
    """Add, change and delete items, and return what is read in between."""
    seen: list[Any] = []

    def look() -> None:
        found = ctx.db.query(Item.by_group_and_label.eq(group)).collect()
        seen.append([item.label for item in found])

    made = [ctx.db.insert(Item(group=group, label=label)) for label in "bca"]
    look()
    ctx.db.patch(made[0], label="z")
    look()
    ctx.db.delete(made[1])
    look()
    seen.append(ctx.db.get(made[1]) is None)
    return seen


@mutation
def write_diary(ctx: MutationCtx, text: str) -> Id[Diary]:
    """Write in the caller's own name."""
    return ctx.db.insert(Diary(author=ctx.auth.require().subject, text=text))
