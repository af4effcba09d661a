"""Vectors, by GDAL: features, their bounds and their system, and a small picture."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from chalicelib.geoflow.limits import (
    MAX_DRAWN_FEATURES,
    MAX_DRAWN_FILE_BYTES,
    MAX_LAYERS,
)
from chalicelib.geoflow.model.geodata.drivers import DRIVERS
from chalicelib.geoflow.model.geodata.references import (
    bounds_in_wgs84,
    checked_bounds,
    crs_of,
    told_crs,
)
from chalicelib.geoflow.model.geodata.refusals import Unreadable

_HALF_TURN: Final = 180


def read_vectors(path: Path, drivers: tuple[str, ...]) -> dict[str, Any]:
    """Return what is in a file that one of these drivers of GDAL reads.

    The system is that of the first layer, and so are the bounds in it; those in degrees are
    of all layers.

    Raises:
        Unreadable: it is damaged, or another driver would read it.
    """
    try:
        infos = [_info(path, name) for name in _layer_names(path)]
        if {info["driver"] for info in infos} - set(drivers):
            raise Unreadable("it is of another format than it begins like")
        for info in infos:
            _check_end(path, info)
        found = _told(infos)
        return {"geodata": found, "thumbnail": _thumbnail(path, infos, found)}
    except (DataSourceError, DataLayerError, ValueError, RuntimeError) as error:
        raise Unreadable(f"it is damaged, or not what it seems: {error}") from None


def _layer_names(path: Path) -> list[str]:
    listed = pyogrio.list_layers(path)
    names = [name for name, kind in listed if kind is not None] or [n for n, _ in listed]
    if not names:
        raise Unreadable("there is no layer in it")
    if len(names) > MAX_LAYERS:
        raise Unreadable(f"it has more than {MAX_LAYERS} layers")
    return names


def _info(path: Path, layer: str) -> dict[str, Any]:
    # Counted and measured, since what a header says may be wrong.
    info: dict[str, Any] = pyogrio.read_info(
        path, layer=layer, force_feature_count=True, force_total_bounds=True
    )
    return {"layer": layer, **info}


def _check_end(path: Path, info: dict[str, Any]) -> None:
    """Read the last feature: a header may promise features that were cut off."""
    count = int(info["features"])
    if count <= 0:
        return
    read = pyogrio.raw.read(
        path, layer=info["layer"], columns=[], skip_features=count - 1, max_features=1
    )
    if len(read[2] if read[2] is not None else read[1] or ()) != 1:
        raise Unreadable("it ends before its last feature: it is cut off")


def _told(infos: list[dict[str, Any]]) -> dict[str, Any]:
    systems = [crs_of(info["crs"]) for info in infos]
    boxes = [
        (checked_bounds(info["total_bounds"], crs), crs)
        for info, crs in zip(infos, systems, strict=True)
        if info["total_bounds"] is not None
    ]
    degrees = [box for box in (bounds_in_wgs84(*each) for each in boxes) if box]
    return {
        "format": DRIVERS[infos[0]["driver"]],
        "crs": told_crs(systems[0]),
        "bbox": _union([box for box, crs in boxes if crs == systems[0]]),
        "bboxWgs84": degrees[0] if len(degrees) == 1 else _union(degrees),
        "layers": len(infos),
        "featureCount": sum(max(0, int(info["features"])) for info in infos),
    }


def _union(boxes: list[list[float]]) -> list[float] | None:
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return [min(west), min(south), max(east), max(north)]


def _thumbnail(
    path: Path, infos: list[dict[str, Any]], found: dict[str, Any]
) -> str | None:
    """Draw the first layer, if it is small."""
    info = infos[0]
    count, bbox = int(info["features"]), found["bbox"]
    is_small = path.stat().st_size <= MAX_DRAWN_FILE_BYTES and count <= MAX_DRAWN_FEATURES
    if not is_small or count <= 0 or bbox is None:
        return None
    if find_spec("shapely") is None:
        return None  # left out where there is no room for it: infra/README.md
    from shapely.errors import ShapelyError  # noqa: PLC0415

    from chalicelib.geoflow.model.geodata.thumbnails import drawn  # noqa: PLC0415

    _, _, shapes, _ = pyogrio.raw.read(
        path,
        layer=info["layer"],
        columns=[],
        force_2d=True,
        max_features=MAX_DRAWN_FEATURES,
    )
    try:
        return drawn(shapes, in_degrees=_in_degrees(crs_of(info["crs"]), bbox))
    except ShapelyError:
        return None  # what is known of the file is worth more than its picture


def _in_degrees(crs: CRS | None, bbox: list[float]) -> bool:
    """Tell whether to draw it as degrees; TopoJSON does not say, and is mostly that."""
    if crs is not None:
        return crs.is_geographic
    west, south, east, north = bbox
    return max(-west, east) <= _HALF_TURN and max(-south, north) <= _HALF_TURN / 2
