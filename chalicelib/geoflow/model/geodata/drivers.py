"""Which of GDAL's drivers may look at a file, and the settings of the process that reads."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DRIVERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "GeoJSON": "GeoJSON",
        "TopoJSON": "TopoJSON",
        "GPKG": "GeoPackage",
        "FlatGeobuf": "FlatGeobuf",
        "ESRI Shapefile": "Shapefile",
        "KML": "KML",
        "LIBKML": "KML",
        "GML": "GML",
    }
)
"""Drivers that are used, by the name of the format."""

SKIPPED: Final = (
    "ADBC,AIVector,AVCBin,AVCE00,AmigoCloud,CSV,CSW,Carto,DGN,DXF,EDIGEO,EEDA,ESRIJSON,"
    "Elasticsearch,GDALG,GPSBabel,GPX,GTFS,GTI,GeoJSONSeq,GeoRSS,HTTP,Idrisi,JML,JSONFG,LVBAG,"
    "MBTiles,MVT,MapInfo File,MapML,MiraMonVector,NGW,OAPIF,ODS,OGCAPI,OGR_GMT,OGR_PDS,"
    "OGR_VRT,OSM,OpenFileGDB,PCIDSK,PDF,PDS4,PGDUMP,PLSCENES,PMTiles,S57,STACIT,STACTA,SXF,"
    "Selafin,VDV,VFK,VICAR,VRT,WAsP,WCS,WFS,WMS,WMTS,XLSX"
)
"""Drivers that are not even loaded: some of them follow what a file says to other files, or
to servers. ``SQLite`` and ``MEM`` stay, since others are built on them."""


def environment(*, python_path: str, scratch: str) -> dict[str, str]:
    """Return the environment of the process that reads: nothing of ours, no keys."""
    return {
        "PYTHONPATH": python_path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "GDAL_SKIP": SKIPPED,
        "OGR_SKIP": SKIPPED,
        "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
        "GDAL_NUM_THREADS": "1",
        "GDAL_HTTP_PROXY": "http://127.0.0.1:9",
        "GML_SKIP_RESOLVE_ELEMS": "ALL",
        "OGR_GEOJSON_MAX_OBJ_SIZE": "50",
        "SHAPE_RESTORE_SHX": "YES",
        "CPL_TMPDIR": scratch,
        "TMPDIR": scratch,
        # Each thread of a library of matrices would take address space, and none is used.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PROJ_NETWORK": "OFF",
    }
