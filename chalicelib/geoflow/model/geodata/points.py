"""Point clouds, by laspy: LAS, and LAZ, which is packed."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import laspy
from laspy.errors import LaspyException

from chalicelib.geoflow.model.geodata.references import (
    bounds_in_wgs84,
    checked_bounds,
    told_crs,
)
from chalicelib.geoflow.model.geodata.refusals import Unreadable

_HEAD_BYTES: Final = 227
"""Bytes of the shortest header, and below of the header of one record before the points."""

_RECORD_BYTES: Final = 54


def read_points(path: Path) -> dict[str, Any]:
    """Return how many points there are, and where.

    Raises:
        Unreadable: it is damaged, or cut off.
    """
    _check_header(path)
    try:
        with laspy.open(path) as cloud:
            header = cloud.header
            _check_end(path, cloud)
    except (LaspyException, ValueError, RuntimeError, OSError) as error:
        raise Unreadable(f"it is damaged, or not what it seems: {error}") from None
    crs = header.parse_crs()
    count = int(header.point_count)
    corners = (*header.mins[:2], *header.maxs[:2])
    bbox = checked_bounds(corners, crs) if count else None
    return {
        "geodata": {
            "format": "LAZ" if header.are_points_compressed else "LAS",
            "crs": told_crs(crs),
            "bbox": bbox,
            "bboxWgs84": bbox and bounds_in_wgs84(bbox, crs),
            "pointCount": count,
        }
    }


def _check_header(path: Path) -> None:
    """See that what stands before the points can: laspy would read four billion records.

    Source: LAS 1.4, table 3: the offset of the points at byte 96, the number of records that
    stand before them at byte 100.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        raise Unreadable("it ends within its header: it is cut off")
    offset, records = struct.unpack_from("<II", head, 96)
    if offset > path.stat().st_size or records * _RECORD_BYTES > offset:
        raise Unreadable("it is damaged: its header cannot be")


def _check_end(path: Path, cloud: laspy.LasReader) -> None:
    """Read the first points of what is packed; count the bytes of what is not."""
    header = cloud.header
    if header.are_points_compressed:
        if header.point_count and len(cloud.read_points(1)) != 1:
            raise Unreadable("it ends before its first point: it is cut off")
        return
    length = int(header.point_count) * header.point_format.size
    if header.offset_to_point_data + length > path.stat().st_size:
        raise Unreadable("it ends before its last point: it is cut off")
