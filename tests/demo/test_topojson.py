"""What the reader of shared borders makes of a topology."""

import json
from pathlib import Path
from typing import Any

import shapely

from demo import topojson
from demo.layers import Feature

# Two unit squares side by side on a grid of 0.5 degrees that begins at (10, 20); arc 0 is
# the border that they share.
SQUARES: dict[str, Any] = {
    "type": "Topology",
    "transform": {"scale": [0.5, 0.5], "translate": [10, 20]},
    "arcs": [
        [[2, 0], [0, 2]],
        [[2, 2], [-2, 0], [0, -2], [2, 0]],
        [[2, 0], [2, 0], [0, 2], [-2, 0]],
    ],
    "objects": {
        "lands": {
            "type": "GeometryCollection",
            "geometries": [
                {
                    "type": "Polygon",
                    "id": "1",
                    "properties": {"name": "West"},
                    "arcs": [[0, 1]],
                },
                {
                    "type": "MultiPolygon",
                    "id": "2",
                    "properties": {"name": "East"},
                    "arcs": [[[2, -1]]],
                },
            ],
        }
    },
}


def read(tmp_path: Path, topology: dict[str, Any]) -> list[Feature]:
    path = tmp_path / "topology.json"
    path.write_text(json.dumps(topology))
    count, features = topojson.read(path, "lands")
    found = list(features)
    assert len(found) == count
    return found


def test_neighbours_are_drawn_from_one_border(tmp_path: Path) -> None:
    west, east = read(tmp_path, SQUARES)

    assert west.geometry.equals(shapely.box(10, 20, 11, 21))
    assert east.geometry.equals(shapely.box(11, 20, 12, 21))
    assert (west.id, dict(east.properties)) == ("1", {"name": "East"})


def test_an_island_rounded_to_a_line_is_left_out(tmp_path: Path) -> None:
    arcs = [*SQUARES["arcs"], [[0, 0], [1, 0], [-1, 0]]]
    sunken = {
        "type": "MultiPolygon",
        "id": "3",
        "properties": {},
        "arcs": [[[3]], [[0, 1]]],
    }
    objects = {"lands": {"type": "GeometryCollection", "geometries": [sunken]}}

    [left] = read(tmp_path, {**SQUARES, "arcs": arcs, "objects": objects})

    assert left.geometry.equals(shapely.box(10, 20, 11, 21))
