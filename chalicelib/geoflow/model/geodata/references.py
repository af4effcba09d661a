"""Coordinate reference systems: their names, and bounds in degrees of WGS 84."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, Final

from pyproj import CRS, Transformer
from pyproj.enums import TransformDirection
from pyproj.exceptions import CRSError, ProjError

from chalicelib.geoflow.model.geodata.refusals import Unreadable

_WGS84: Final = "OGC:CRS84"
_DENSIFIED: Final = 21
"""Points along each edge of a box, whose projection may be curved. Source: PROJ's default."""

_SLACK_DEGREES: Final = 1e-6
_MAX_LONGITUDE: Final = 360
_MAX_LATITUDE: Final = 90
_MAX_NAME_CHARS: Final = 200
_SURE: Final = 70
"""How sure PROJ must be that an authority means this system, of 100. Source: its default."""


def crs_of(definition: Any) -> CRS | None:
    """Return a system by its code or WKT; None if there is none."""
    if not definition:
        return None
    try:
        return CRS.from_user_input(definition)
    except CRSError:
        raise Unreadable("its coordinate reference system makes no sense") from None


def told_crs(crs: CRS | None) -> dict[str, Any] | None:
    """What clients are told of a system."""
    if crs is None:
        return None
    authority, code = crs.to_authority(min_confidence=_SURE) or (None, None)
    return {"authority": authority, "code": code, "name": crs.name[:_MAX_NAME_CHARS]}


def checked_bounds(bounds: Sequence[float], crs: CRS | None) -> list[float]:
    """Return west, south, east, north.

    Raises:
        Unreadable: they are no places in that system.
    """
    west, south, east, north = found = [float(bound) for bound in bounds]
    if not all(map(isfinite, found)) or west > east or south > north:
        raise Unreadable("its coordinates are not numbers that make a box")
    if crs is not None and crs.is_geographic:
        widest, highest = max(-west, east), max(-south, north)
        if (
            widest > _MAX_LONGITUDE + _SLACK_DEGREES
            or highest > _MAX_LATITUDE + _SLACK_DEGREES
        ):
            raise Unreadable(f"its coordinates are no degrees: {_written(found)}")
    return found


def bounds_in_wgs84(bounds: Sequence[float], crs: CRS | None) -> list[float] | None:
    """Return bounds in degrees; None if the system is not known, or on no known earth.

    Raises:
        Unreadable: the coordinates are far outside of where the system has places.
    """
    if crs is None or not (crs.is_geographic or crs.is_projected or crs.is_compound):
        return None
    try:
        transformer = Transformer.from_crs(crs, _WGS84, always_xy=True)
        west, south, east, north = bounds
        found = transformer.transform_bounds(west, south, east, north, _DENSIFIED)
    except ProjError:
        found = (float("inf"),) * 4
    if not all(map(isfinite, found)) or not _come_back(bounds, crs):
        raise Unreadable(
            f"its coordinates are not within {crs.name[:_MAX_NAME_CHARS]}: {_written(bounds)}"
        )
    return [round(bound, 9) for bound in found]


def _come_back(bounds: Sequence[float], crs: CRS) -> bool:
    """Tell whether both corners are where they were, to degrees and back.

    Far outside of where a projection is meant to be used it answers with any numbers.
    """
    west, south, east, north = bounds
    try:
        there = Transformer.from_crs(crs, _WGS84, always_xy=True)
        degrees = there.transform((west, east), (south, north))
        xs, ys = there.transform(*degrees, direction=TransformDirection.INVERSE)
    except ProjError:
        return False
    slack = 1e-3 * (1 + east - west + north - south)
    turns = _MAX_LONGITUDE if crs.is_geographic else 0
    return all(
        min(abs(after - before), abs(abs(after - before) - turns)) <= slack
        for before, after in zip((west, east, south, north), (*xs, *ys), strict=True)
    )


def _written(bounds: Sequence[float]) -> str:
    return ", ".join(f"{bound:.6g}" for bound in bounds)
