"""GeoTIFF, by tifffile: the size of the image, and where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pyproj import CRS
from tifffile import TiffFile, TiffFileError, TiffPage

from chalicelib.geoflow.model.geodata.references import (
    bounds_in_wgs84,
    checked_bounds,
    crs_of,
    told_crs,
)
from chalicelib.geoflow.model.geodata.refusals import Unreadable

_USER_DEFINED: Final = 32767
_PIXEL_IS_POINT: Final = 2
_MATRIX_NUMBERS: Final = 16
_MAX_NAME_CHARS: Final = 200


def read_raster(path: Path) -> dict[str, Any]:
    """Return the size of the first image, and its bounds if the file says where it lies.

    Source: OGC GeoTIFF 1.1 (19-008r4), sections 7.1 and 7.3.

    Raises:
        Unreadable: it is damaged, or cut off.
    """
    try:
        with TiffFile(path) as file:
            page = file.pages.first
            if not isinstance(page, TiffPage):
                raise Unreadable("there is no image in it")
            _check_end(path, page)
            return {"geodata": _told(page)}
    except (TiffFileError, ValueError, KeyError, IndexError, TypeError) as error:
        raise Unreadable(f"it is damaged, or not what it seems: {error}") from None


def _told(page: TiffPage) -> dict[str, Any]:
    size = {
        "width": int(page.imagewidth),
        "height": int(page.imagelength),
        "bands": int(page.samplesperpixel),
    }
    keys = page.geotiff_tags or {}
    crs = _crs(keys)
    bbox = _bounds(page, keys)
    checked = bbox and checked_bounds(bbox, crs)
    return {
        "format": "GeoTIFF" if keys or bbox else "TIFF",
        "crs": told_crs(crs) or _cited(keys),
        "bbox": checked,
        "bboxWgs84": checked and bounds_in_wgs84(checked, crs),
        "raster": size,
    }


def _check_end(path: Path, page: TiffPage) -> None:
    ends = (
        offset + count
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    )
    if not page.dataoffsets or max(ends) > path.stat().st_size:
        raise Unreadable("it ends before its last pixel: it is cut off")


def _bounds(page: TiffPage, keys: Mapping[str, Any]) -> list[float] | None:
    """The outer edges of the image, west, south, east, north."""
    matrix = _matrix(page)
    if matrix is None:
        return None
    # Where pixels are points, their positions are told, and not those of their corners.
    shift = 0.5 if int(keys.get("GTRasterTypeGeoKey", 1)) == _PIXEL_IS_POINT else 0.0
    columns = (-shift, page.imagewidth - shift)
    rows = (-shift, page.imagelength - shift)
    a, b, d, e, f, h = (matrix[place] for place in (0, 1, 3, 4, 5, 7))
    xs = [a * column + b * row + d for column in columns for row in rows]
    ys = [e * column + f * row + h for column in columns for row in rows]
    return [min(xs), min(ys), max(xs), max(ys)]


def _matrix(page: TiffPage) -> Sequence[float] | None:
    """How pixels become places: four rows of four numbers."""
    whole = _numbers(page, "ModelTransformationTag")
    if len(whole) == _MATRIX_NUMBERS:
        return whole
    scale, tie = _numbers(page, "ModelPixelScaleTag"), _numbers(page, "ModelTiepointTag")
    if len(scale) < 2 or len(tie) < 6:  # noqa: PLR2004 - two scales, one pair of points
        return None
    west, north = tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1]
    return (scale[0], 0, 0, west, 0, -scale[1], 0, north, 0, 0, 0, 0, 0, 0, 0, 1)


def _numbers(page: TiffPage, tag: str) -> tuple[float, ...]:
    found = page.tags.get(tag)
    return tuple(map(float, found.value)) if found is not None else ()


def _crs(keys: Mapping[str, Any]) -> CRS | None:
    for name in ("ProjectedCSTypeGeoKey", "GeographicTypeGeoKey"):
        code = int(keys.get(name, 0))
        if 0 < code < _USER_DEFINED:
            return crs_of(f"EPSG:{code}")
    return None


def _cited(keys: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a file says of a system that no authority lists."""
    names = ("PCSCitationGeoKey", "GTCitationGeoKey", "GeogCitationGeoKey")
    cited = next((str(keys[name]) for name in names if keys.get(name)), None)
    if cited is None:
        return None
    return {"authority": None, "code": None, "name": cited[:_MAX_NAME_CHARS]}
