"""Reads country shapes out of TopoJSON, where neighbours share their borders.

Format: the TopoJSON specification, version 1.0.0 (quantised topologies only).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon, make_valid

from demo.layers import Feature

Line = NDArray[np.float64]
"""Longitude and latitude of each point, in degrees."""

_LEAST_POINTS: Final = 4
"""Of a ring that encloses something: three corners, and the first again."""


def read(path: Path, collection: str) -> tuple[int, Iterator[Feature]]:
    """Return how many features one collection of a TopoJSON file has, and the features."""
    topology = json.loads(path.read_bytes())
    geometries = topology["objects"][collection]["geometries"]
    arcs = _arcs(topology)
    return len(geometries), (_feature(geometry, arcs) for geometry in geometries)


def _feature(geometry: dict[str, Any], arcs: list[Line]) -> Feature:
    indexes = geometry["arcs"]
    polygons = indexes if geometry["type"] == "MultiPolygon" else [indexes]
    drawn = MultiPolygon([drawn for rings in polygons for drawn in _polygon(rings, arcs)])
    # Rounding to the grid of the file made a few outlines touch themselves.
    whole = drawn if drawn.is_valid else make_valid(drawn)
    return Feature(str(geometry.get("id")), geometry["properties"], whole)


def _arcs(topology: dict[str, Any]) -> list[Line]:
    """Return every border: steps on a grid become points in degrees."""
    scale = np.array(topology["transform"]["scale"])
    corner = np.array(topology["transform"]["translate"])
    return [np.cumsum(arc, axis=0) * scale + corner for arc in topology["arcs"]]


def _polygon(rings: list[list[int]], arcs: list[Line]) -> list[Polygon]:
    """Return the polygon of an outline and its holes; none if rounding left no area of it."""
    outline, *holes = [_ring(ring, arcs) for ring in rings]
    if len(outline) < _LEAST_POINTS:
        return []
    return [Polygon(outline, [hole for hole in holes if len(hole) >= _LEAST_POINTS])]


def _ring(indexes: list[int], arcs: list[Line]) -> Line:
    """Join arcs end to end; the index ``~n`` is arc ``n`` backwards."""
    lines = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in indexes]
    # The joint of two arcs belongs to both.
    return np.concatenate([lines[0], *(line[1:] for line in lines[1:])])
