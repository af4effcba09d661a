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
_MAX_HALVINGS: Final = 8
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
    read = shapely.from_wkb([shape for shape in shapes if shape], on_invalid="ignore")
    parts = shapely.get_parts(shapely.get_parts([one for one in read if one is not None]))
    parts = parts[~shapely.is_empty(parts)]
    if not len(parts):
        return None
    if in_degrees:
        parts = cut(parts)
    placed = shapely.transform(parts, _placing(shapely.total_bounds(parts), in_degrees))
    return _svg(_bounded(placed))


def _placing(bounds: Any, in_degrees: bool) -> Any:  # noqa: FBT001 - one place calls it
    """How coordinates become pixels: the same scale across and down, north up, centred."""
    west, south, east, north = bounds
    across = cos(radians((south + north) / 2)) if in_degrees else 1.0
    width, height = max((east - west) * across, 0.0), max(north - south, 0.0)
    scale = (SIZE - 2 * _MARGIN) / (max(width, height) or 1.0)
    centre = np.array([(west + east) / 2, (south + north) / 2])
    factors = np.array([scale * across, -scale])
    return lambda points: (points - centre) * factors + SIZE / 2


def _bounded(parts: Any) -> Any:
    """Simplify until there are few vertices; if that is not enough, leave out the smallest."""
    tolerance = _FIRST_TOLERANCE_PX
    for _ in range(_MAX_HALVINGS):
        simple = shapely.simplify(parts, tolerance, preserve_topology=False)
        simple = simple[~shapely.is_empty(simple)]
        if shapely.get_num_coordinates(simple).sum() <= MAX_DRAWN_VERTICES and len(simple):
            return simple
        if not len(simple):
            break
        tolerance *= 2
    rest = shapely.simplify(parts, tolerance, preserve_topology=False)
    rest = np.where(shapely.is_empty(rest), shapely.centroid(parts), rest)
    sizes = shapely.length(rest)
    order = np.argsort(-sizes, kind="stable")
    kept = np.cumsum(shapely.get_num_coordinates(rest)[order]) <= MAX_DRAWN_VERTICES
    return rest[order][kept]


def _svg(parts: Any) -> str:
    kinds = shapely.get_dimensions(parts)
    drawings = (
        f'<path {_LAND} d="{_path(_rings(parts[kinds == 2]), close="Z")}"/>',  # noqa: PLR2004
        f'<path d="{_path(parts[kinds == 1], close="")}"/>',
        f'<path {_DOTS} d="{_path(parts[kinds == 0], close="h0")}"/>',
    )
    seen = "".join(drawing for drawing in drawings if 'd=""' not in drawing)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}"'
        f' width="{SIZE}" height="{SIZE}"><g {_STYLE}>{seen}</g></svg>'
    )


def _rings(polygons: Any) -> Any:
    return shapely.get_rings(polygons)


def _path(lines: Any, close: str) -> str:
    return "".join(_strokes(lines, close))


def _strokes(lines: Any, close: str) -> Iterator[str]:
    for line in lines:
        points = shapely.get_coordinates(line)
        if close == "Z":
            points = points[:-1]
        if len(points):
            yield "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + close
