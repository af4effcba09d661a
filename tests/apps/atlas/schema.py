"""Places, and who has been there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from chalicelib.engine.server import (
    UNSET,
    AppError,
    Document,
    Id,
    Int64,
    Meta,
    PolicyCtx,
    StoredFile,
    Struct,
    Unset,
    index,
    indexed,
)

Kind = Literal["village", "town", "city"]


class OffTheMap(AppError):
    """There is nothing of that kind there."""

    code = "OFF_THE_MAP"


class Position(Struct):
    """Degrees."""

    lon: float
    lat: float


class Circle(Struct, tag_field="kind", tag="circle"):
    """All that is near."""

    centre: Position
    radius: float = 1.0


class Ring(Struct, tag_field="kind", tag="ring"):
    """All that is inside."""

    corners: list[Position]


class Nothing(Struct):
    """An object without fields."""


class Place(Document, table="places"):
    """Somewhere.

    A comment ends with */ in JavaScript, and goes on here.
    """

    name: Annotated[str, Meta(min_length=1)]
    kind: Kind = indexed()
    position: Position
    shape: Circle | Ring
    height: int = 0
    population: Int64
    picture: bytes | None = None
    photo: Id[StoredFile] | Unset = UNSET
    within: Id[Place] | None
    names: dict[str, str]
    visits: dict[Id[Visitor], int]
    remarks: str | Unset | None = UNSET
    facts: Any
    by_kind = index(kind)

    def can_read(self, ctx: PolicyCtx) -> bool:
        """Let everybody see it."""
        return True

    can_write = can_read


class Visitor(Document, table="visitors"):
    """Somebody who travels."""

    name: str
