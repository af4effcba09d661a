"""Functions of every kind, over types of every kind."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.engine.server import (
    UNSET,
    ActionCtx,
    Id,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    ScheduledFunction,
    Struct,
    Unset,
    action,
    internal_action,
    internal_query,
    mutation,
    query,
)
from tests.apps.atlas.schema import (
    Circle,
    Kind,
    Nothing,
    OffTheMap,
    Place,
    Position,
    Ring,
    Visitor,
)


class Summary(Struct):
    """What there is of one kind."""

    kind: Kind
    places: int
    largest: Place | None
    population: Int64
    outline: bytes
    note: str | Unset = UNSET


@query
def list_(ctx: QueryCtx) -> list[Place]:
    """Return the first hundred places."""
    return ctx.db.query(Place).take(100)


@query
def of_kind(ctx: QueryCtx, kind: Kind, limit: int = 10) -> list[Place]:
    """Return places of one kind."""
    return ctx.db.query(Place.by_kind.eq(kind)).take(limit)


@query
def list_page(
    ctx: QueryCtx, pagination_opts: PaginationOptions, kind: Kind | None = None
) -> Page[Place]:
    """Return some places."""
    wanted = Place if kind is None else Place.by_kind.eq(kind)
    return ctx.db.query(wanted).paginate(pagination_opts)


@query
def names_page(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[str | None]:
    """Return the names of some places, null for nameless ones."""
    page = ctx.db.query(Place).paginate(pagination_opts)
    return page.map(lambda place: place.name or None)


@query
def get(ctx: QueryCtx, place_id: Id[Place]) -> Place | None:
    """Return a place; null if there is none."""
    return ctx.db.get(place_id)


@query
def summary(ctx: QueryCtx, kind: Kind) -> Summary:
    """Tell what there is of one kind."""
    found = ctx.db.query(Place.by_kind.eq(kind)).collect()
    largest = max(found, key=lambda place: place.population, default=None)
    people = Int64(sum(place.population for place in found))
    return Summary(
        kind=kind, places=len(found), largest=largest, population=people, outline=b""
    )


@mutation
def add(
    ctx: MutationCtx,
    name: str,
    kind: Kind,
    position: Position,
    shape: Circle | Ring,
    population: Int64,
    picture: bytes | None = None,
    within: Id[Place] | None = None,
    names: dict[str, str] | Unset = UNSET,
    visits: dict[Id[Visitor], int] | None = None,
    facts: Any = None,
) -> Id[Place]:
    """Put a place on the map."""
    return ctx.db.insert(
        Place(
            name=name,
            kind=kind,
            position=position,
            shape=shape,
            population=population,
            picture=picture,
            within=within,
            names={} if names is UNSET else names,
            visits=visits or {},
            facts=facts,
        )
    )


@mutation
def rename(ctx: MutationCtx, place_id: Id[Place], name: str) -> None:
    """Call a place something else.

    Raises:
        OffTheMap: there is no such place.
    """
    if ctx.db.get(place_id) is None:
        raise OffTheMap("there is no such place", place_id=place_id)
    ctx.db.patch(place_id, name=name)


@action
def survey(ctx: ActionCtx, where: Position, flags: list[Literal[1, 2] | None]) -> bool:
    """Look around."""
    return bool(flags) and where.lat > 0


@action
def idle(ctx: ActionCtx) -> Nothing:
    """Do nothing, without arguments, and return as much."""
    return Nothing()


@internal_query
def jobs(ctx: QueryCtx) -> list[ScheduledFunction]:
    """Return what is to be done: documents that are not the app's own."""
    return ctx.db.system.query(ScheduledFunction).take(10)


@internal_action
def redraw(ctx: ActionCtx, everything: bool = False) -> None:
    """Draw the map anew."""
