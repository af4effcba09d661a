"""Unpacks the one data set of an archive, within limits."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from chalicelib.geoflow.limits import MAX_ARCHIVE_ENTRIES, MAX_UNPACKED_BYTES
from chalicelib.geoflow.model.geodata.refusals import Unreadable

_PARTS: Final = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_SINGLE: Final = (
    ".kml",
    ".gpkg",
    ".geojson",
    ".json",
    ".fgb",
    ".gml",
    ".tif",
    ".tiff",
    ".las",
)
_PIECE_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 64 * 1024


def unpacked(path: Path) -> tuple[Path, bytes, tuple[str, ...]]:
    """Unpack a shapefile or another single data set next to its archive.

    Returns:
        Where it is, its first bytes, and the drivers that read it where its name decides.

    Raises:
        Unreadable: there is none in it, or it is larger than it may be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _unpacked(archive, path.parent)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as wrong:
        # The last two: a method that is not known, and a password.
        raise Unreadable(f"it is an archive that cannot be unpacked: {wrong}") from None


def _unpacked(
    archive: zipfile.ZipFile, directory: Path
) -> tuple[Path, bytes, tuple[str, ...]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_ARCHIVE_ENTRIES:
        raise Unreadable(f"an archive of more than {MAX_ARCHIVE_ENTRIES} entries")
    shape = _first(entries, (".shp",))
    main = shape or _first(entries, _SINGLE)
    if main is None:
        raise Unreadable("it is an archive without geodata that is known here")
    stem = main.filename[: -len(_suffix(main))]
    wanted = [
        entry
        for entry in entries
        if entry is main
        or (shape and entry.filename[: -len(_suffix(entry)) or None] == stem)
    ]
    _write(archive, [entry for entry in wanted if _is_part(entry, main)], directory)
    made = directory / f"unpacked{_suffix(main)}"
    with made.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return made, head, ("ESRI Shapefile",) if shape else ()


def _is_part(entry: zipfile.ZipInfo, main: zipfile.ZipInfo) -> bool:
    return entry is main or _suffix(entry) in _PARTS


def _write(
    archive: zipfile.ZipFile, entries: Sequence[zipfile.ZipInfo], directory: Path
) -> None:
    """Unpack entries under names of our own; what they claim of their size is not believed."""
    left = MAX_UNPACKED_BYTES
    for entry in entries:
        target = directory / f"unpacked{_suffix(entry)}"
        with archive.open(entry) as packed, target.open("wb") as file:
            while piece := packed.read(_PIECE_BYTES):
                left -= len(piece)
                if left < 0:
                    raise Unreadable(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes")
                file.write(piece)


def _first(
    entries: Sequence[zipfile.ZipInfo], suffixes: Sequence[str]
) -> zipfile.ZipInfo | None:
    fit = [
        entry for entry in entries if _suffix(entry) in suffixes and not _is_hidden(entry)
    ]
    return min(fit, key=lambda entry: entry.filename, default=None)


def _is_hidden(entry: zipfile.ZipInfo) -> bool:
    """Tell whether it is what macOS puts beside each file."""
    path = PurePosixPath(entry.filename)
    return path.name.startswith(".") or path.parts[0] == "__MACOSX"


def _suffix(entry: zipfile.ZipInfo) -> str:
    return PurePosixPath(entry.filename).suffix.lower()
