"""Tells a file's format by its first bytes, and reads it by the library for that format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from chalicelib.geoflow.model.geodata.refusals import Unreadable

_HEAD_BYTES: Final = 64 * 1024
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ROOT: Final = re.compile(
    rb"\s*(?:<\?[^>]*\?>\s*|<!--.*?-->\s*)*<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL
)
_XML_DRIVERS: Final = {b"kml": ("KML", "LIBKML"), b"FeatureCollection": ("GML",)}


def read(path: Path) -> dict[str, Any]:
    """Return what is in a file, in the form of ``inspection.Finding``.

    Its name is not asked: it may say anything.

    Raises:
        Unreadable: it is nothing that is read here.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise Unreadable("it is empty")
    if head.startswith(b"PK\x03\x04"):
        from chalicelib.geoflow.model.geodata.archives import unpacked  # noqa: PLC0415

        return read_plain(*unpacked(path))
    return read_plain(path, head)


def read_plain(path: Path, head: bytes, drivers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what is in a file that is no archive; ``drivers``: how it is read, if known."""
    if head.startswith(_TIFF):
        from chalicelib.geoflow.model.geodata.rasters import read_raster  # noqa: PLC0415

        return read_raster(path)
    if head.startswith(b"LASF"):
        from chalicelib.geoflow.model.geodata.points import read_points  # noqa: PLC0415

        return read_points(path)
    found = drivers or _drivers_of(head)
    from chalicelib.geoflow.model.geodata.vectors import read_vectors  # noqa: PLC0415

    return read_vectors(path, found)


def _drivers_of(head: bytes) -> tuple[str, ...]:
    if head.startswith(b"SQLite format 3\0"):
        return ("GPKG",)
    if head.startswith(b"fgb\x03fgb"):
        return ("FlatGeobuf",)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return ("GeoJSON", "TopoJSON")
    if text.startswith(b"<"):
        return _xml_drivers(text)
    raise Unreadable("it begins like no format of geodata that is known here")


def _xml_drivers(text: bytes) -> tuple[str, ...]:
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise Unreadable("XML with a document type of its own is not read")
    root = _ROOT.match(text)
    drivers = _XML_DRIVERS.get(root[1]) if root is not None else None
    if drivers is None:
        raise Unreadable("it is XML, but neither KML nor GML")
    return drivers
