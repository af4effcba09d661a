"""Cuts shapes in degrees along the 180th meridian, where a map ends and the earth does not.

Many files hold shapes that go on at the other edge (RFC 7946, section 3.1.9, asks for them to be
cut, TopoJSON does not). Drawn as they are, they are smeared across the whole map.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import numpy as np
import shapely

_HALF: Final = 180
_TURN: Final = 360
_POLE: Final = 90
_JUMP: Final = 358
"""How far it is, in degrees, from close to one edge of the map to close to the other."""

_WORLD: Final = shapely.box(-_HALF, -_POLE, _HALF, _POLE)


def cut(parts: Any) -> Any:
    """Return simple geometries, those that cross in as many pieces as they have on the map."""
    found = [
        piece for part in parts for piece in (_pieces(part) if _jumps(part) else (part,))
    ]
    return np.array(found, dtype=object)


def _jumps(part: Any) -> bool:
    """Tell whether it goes from one edge to the other between two of its points.

    Other long edges are taken as they are: a box around half the earth has such ones.
    """
    longitudes = shapely.get_coordinates(_outline(part))[:, 0]
    return bool(np.abs(np.diff(longitudes)).max(initial=0) >= _JUMP)


def _outline(part: Any) -> Any:
    return part.exterior if isinstance(part, shapely.Polygon) else part


def _pieces(part: Any) -> Iterator[Any]:
    """Unroll it beyond the edge, and cut it there; holes of what crosses are left out."""
    points = shapely.get_coordinates(_outline(part))
    unrolled = np.column_stack([np.unwrap(points[:, 0], period=_TURN), points[:, 1]])
    if isinstance(part, shapely.Polygon):
        whole = shapely.make_valid(shapely.Polygon(_closed(unrolled)))
    else:
        whole = shapely.LineString(unrolled)
    if isinstance(part, shapely.Polygon) and not whole.area:
        yield part  # a box around the whole earth, which crosses nothing
        return
    for shift in (-_TURN, 0, _TURN):
        moved = shapely.transform(whole, partial(np.add, (shift, 0)))
        # Twice: a collection may hold shapes of several parts.
        pieces = shapely.get_parts(shapely.get_parts(shapely.intersection(moved, _WORLD)))
        yield from pieces[shapely.get_dimensions(pieces) == shapely.get_dimensions(part)]


def _closed(points: Any) -> Any:
    """Close a ring that goes once round the earth by way of the pole that it surrounds."""
    first, last = points[0][0], points[-1][0]
    if abs(last - first) < _HALF:
        return points
    pole = np.copysign(_POLE, points[:, 1].mean())
    return np.vstack([points, [(last, pole), (first, pole)]])
