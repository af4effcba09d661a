"""Draws a few geometries as an SVG of numbers alone: nothing in it comes from the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import cos, radians
from typing import Any, Final

import numpy as np
import shapely

from chalicelib.geoflow.limits import MAX_DRAWN_VERTICES
from chalicelib.geoflow.model.geodata.antimeridian import cut

SIZE: Final = 256
"""How wide and high the picture is, in pixels, with a margin all round."""

_MARGIN: Final = 8
_FIRST_TOLERANCE_PX: Final = 0.25
_MAX_DOUBLINGS: Final = 4
_TRIANGLE: Final = 4
"""Vertices of the smallest outline, whose last is its first."""

_STYLE: Final = (
    'fill="none" stroke="#1f5f8b" stroke-width="0.8" stroke-linejoin="round"'
    ' stroke-linecap="round"'
)
_LAND: Final = 'fill="#9cc5e3" fill-rule="evenodd"'
_DOTS: Final = 'stroke="#1f5f8b" stroke-width="3"'


def drawn(shapes: Iterable[Any], *, in_degrees: bool) -> str | None:
    """Return a picture of geometries, given as WKB; None if there is nothing to see.

    Degrees of longitude are as wide as they are in the middle of the picture, and what crosses
    the 180th meridian goes on at the other edge. What cannot be seen is left out: at most
    ``MAX_DRAWN_VERTICES`` vertices stay.
    """
    with np.errstate(invalid="ignore"):  # what is no number is left out below
        read = shapely.from_wkb([shape for shape in shapes if shape], on_invalid="ignore")
    parts = shapely.get_parts(shapely.get_parts([one for one in read if one is not None]))
    parts = _with_places(parts[~shapely.is_empty(parts)])
    if not len(parts):
        return None
    if in_degrees:
        parts = cut(parts)
    placed = shapely.transform(parts, _placing(shapely.total_bounds(parts), in_degrees))
    return _svg(*_bounded(*_strokes(placed)))


def _with_places(parts: Any) -> Any:
    """Leave out what has coordinates that are no numbers."""
    corners, of_part = shapely.get_coordinates(parts, return_index=True)
    return np.delete(parts, np.unique(of_part[~np.isfinite(corners).all(axis=1)]))


def _strokes(parts: Any) -> tuple[Any, Any]:
    """Return points, lines and the outlines of areas, and which of them are outlines.

    Outlines are simplified as lines are: polygons that then cross themselves would be mended,
    and lose half of what they are.
    """
    is_area = shapely.get_dimensions(parts) == 2  # noqa: PLR2004
    corners, of_ring = shapely.get_coordinates(
        shapely.get_rings(parts[is_area]), return_index=True
    )
    outlines: Any = shapely.linestrings(corners, indices=of_ring) if len(corners) else []
    others = parts[~is_area]
    areas = np.arange(len(others) + len(outlines)) >= len(others)
    return np.concatenate([others, outlines]), areas


def _placing(bounds: Any, in_degrees: bool) -> Any:  # noqa: FBT001 - one place calls it
    """How coordinates become pixels: the same scale across and down, north up, centred."""
    west, south, east, north = bounds
    across = cos(radians((south + north) / 2)) if in_degrees else 1.0
    width, height = max((east - west) * across, 0.0), max(north - south, 0.0)
    scale = (SIZE - 2 * _MARGIN) / (max(width, height) or 1.0)
    centre = np.array([(west + east) / 2, (south + north) / 2])
    factors = np.array([scale * across, -scale])
    return lambda points: (points - centre) * factors + SIZE / 2


def _bounded(strokes: Any, areas: Any) -> tuple[Any, Any]:
    """Simplify until there are few vertices; if that is not enough, leave out the smallest."""
    tolerance = _FIRST_TOLERANCE_PX
    simple, seen = _simplified(strokes, areas, tolerance)
    for _ in range(_MAX_DOUBLINGS):
        if seen.any() and _vertices(simple[seen]).sum() <= MAX_DRAWN_VERTICES:
            return simple[seen], areas[seen]
        tolerance *= 2
        simple, seen = _simplified(strokes, areas, tolerance)
    dots = shapely.points([shapely.get_coordinates(stroke)[0] for stroke in strokes])
    rest = np.where(seen, simple, dots)
    order = np.argsort(-shapely.length(rest), kind="stable")
    kept = order[np.cumsum(_vertices(rest)[order]) <= MAX_DRAWN_VERTICES]
    return rest[kept], (areas & seen)[kept]


def _simplified(strokes: Any, areas: Any, tolerance: float) -> tuple[Any, Any]:
    """Return simpler strokes, and which of them can still be seen."""
    simple = shapely.simplify(strokes, tolerance, preserve_topology=False)
    is_flat = areas & (_vertices(simple) < _TRIANGLE)
    return simple, ~(shapely.is_empty(simple) | is_flat)


def _vertices(strokes: Any) -> Any:
    return shapely.get_num_coordinates(strokes)


def _svg(strokes: Any, areas: Any) -> str:
    is_line = shapely.get_dimensions(strokes) == 1
    drawings = (
        f'<path {_LAND} d="{_path(strokes[areas], close="Z")}"/>',
        f'<path d="{_path(strokes[is_line & ~areas], close="")}"/>',
        f'<path {_DOTS} d="{_path(strokes[~is_line], close="h0")}"/>',
    )
    seen = "".join(drawing for drawing in drawings if 'd=""' not in drawing)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}"'
        f' width="{SIZE}" height="{SIZE}"><g {_STYLE}>{seen}</g></svg>'
    )


def _path(strokes: Any, close: str) -> str:
    return "".join(_drawn(strokes, close))


def _drawn(strokes: Any, close: str) -> Iterator[str]:
    for stroke in strokes:
        points = shapely.get_coordinates(stroke)
        if close == "Z":
            points = points[:-1]
        yield "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + close
