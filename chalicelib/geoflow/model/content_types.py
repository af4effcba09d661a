"""Which types of files are taken: geodata, and what comes with it."""

from __future__ import annotations

from typing import Final

from chalicelib.engine.server import ValidationFailed

DEFAULT: Final = "application/octet-stream"
"""The type of a file of which nobody has said one."""

CONTENT_TYPES: Final = frozenset(
    {
        "application/flatgeobuf",
        "application/geo+json",
        "application/geo+json-seq",
        "application/geopackage+sqlite3",
        "application/gml+xml",
        "application/gpx+xml",
        "application/gzip",
        "application/json",
        "application/netcdf",
        "application/octet-stream",
        "application/pdf",
        "application/topo+json",
        "application/vnd.apache.parquet",
        "application/vnd.geo+json",
        "application/vnd.google-earth.kml+xml",
        "application/vnd.google-earth.kmz",
        "application/vnd.las",
        "application/vnd.laszip",
        "application/vnd.sqlite3",
        "application/x-7z-compressed",
        "application/x-flatgeobuf",
        "application/x-gzip",
        "application/x-hdf",
        "application/x-hdf5",
        "application/x-las",
        "application/x-laz",
        "application/x-ndjson",
        "application/x-netcdf",
        "application/x-parquet",
        "application/x-shapefile",
        "application/x-sqlite3",
        "application/x-tar",
        "application/x-zip-compressed",
        "application/xml",
        "application/zip",
        "image/geotiff",
        "image/jp2",
        "image/jpeg",
        "image/png",
        "image/tiff",
        "image/webp",
        "text/csv",
        "text/markdown",
        "text/plain",
        "text/tab-separated-values",
        "text/xml",
    }
)
"""What is taken. HTML, SVG and scripts are not: browsers would run them."""


def checked_type(content_type: str | None) -> str:
    """Return the type of a file without its parameters.

    Raises:
        ValidationFailed: files of that type are not taken.
    """
    bare = (content_type or DEFAULT).partition(";")[0].strip().lower() or DEFAULT
    if bare not in CONTENT_TYPES:
        raise ValidationFailed(
            f"files of type {bare[:100]!r} are not taken: the details list those that are;"
            f" {DEFAULT} is right for any other data",
            allowed=sorted(CONTENT_TYPES),
        )
    return bare
